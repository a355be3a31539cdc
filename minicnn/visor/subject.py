"""The run folder or saved model that the page shows, in its current state.

A run that is training writes new checkpoints and records; they are read again when they change.
Slow methods say so: call them in a thread, not in the event loop.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException

from .. import runs
from ..data import MnistData
from ..errors import ModelError
from ..model import Sequential
from ..report.contents import Images, in_unicode, tested_on
from ..runs import Evaluation, Record
from ..runs.classifier import load_classifier
from .requests import bad

CHECK_INTERVAL = 0.5  # seconds between two searches for a newer model


@dataclass(frozen=True)
class Loaded:
    """A model and its file."""

    model: Sequential
    path: Path
    version: str  # changes with the file and its content

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of its input images."""
        assert self.model.input_shape is not None
        return self.model.input_shape[0], self.model.input_shape[1]

    @property
    def class_names(self) -> list[str]:
        """A name for each output."""
        assert self.model.class_names is not None
        return [in_unicode(name) for name in self.model.class_names]


class Subject:
    """A run or a model. Safe to use from several threads.

    Args:
        where: a run folder, or a model or checkpoint.
        data: the test data; None: that of the run, or "sample" for a model without a run.
        command: called with "pause", "continue" or "stop"; None: the run can't be controlled.

    Raises:
        FileNotFoundError: there is no such file, or no run in the folder.
        ModelError: it is damaged, or not a classifier of grey images.
    """

    def __init__(
        self,
        where: Path,
        data: str | None = None,
        command: Callable[[str], None] | None = None,
    ) -> None:
        if not where.exists():
            raise FileNotFoundError(f"expected a run folder or a model, but there is no {where}")
        self.where, self.data, self.command = where, data, command
        self.folder = where if where.is_dir() else None
        self._loading, self._measuring = threading.Lock(), threading.Lock()
        self._loaded: Loaded | None = None
        self._checked = -math.inf
        self._images: Images | None = None
        self._evaluated: tuple[Loaded, Images, Evaluation] | None = None
        if self.folder is None:
            self._loaded = _read(where)
        else:
            runs.read_record(self.folder)
            with suppress(HTTPException):  # no model yet
                self.loaded()

    @property
    def name(self) -> str:
        """The name of the folder or file."""
        return in_unicode(self.where.resolve().name)

    def record(self) -> Record | None:
        """The current run.json; None for a model without a run.

        Raises:
            HTTPException: 409, it can't be read.
        """
        if self.folder is None:
            return None
        try:
            return runs.read_record(self.folder)
        except (OSError, ModelError) as error:
            raise bad(f"The run can't be read: {error}", 409) from error

    def loaded(self) -> Loaded:
        """The newest readable model: the final one, or the newest checkpoint during training.

        Reading takes some milliseconds. In the event loop, which must not block, this returns the
        previous model while a thread reads the newer one.

        Raises:
            HTTPException: 409, there is none yet.
        """
        if self._loaded is None or not _in_event_loop():
            with self._loading:
                self._refresh()
        elif self._is_due() and self._loading.acquire(blocking=False):
            threading.Thread(target=self._refresh_and_release, daemon=True).start()
        assert self._loaded is not None
        return self._loaded

    def _refresh(self) -> None:
        """Read the newest model if it has changed. Call with _loading held."""
        if not self._is_due():
            return
        try:
            path = self.where if self.folder is None else runs.find_model(self.folder)
            if self._loaded is None or self._loaded.version != _version(path):
                self._loaded = _read(path)
        except (OSError, ModelError) as error:  # e.g. a checkpoint that was just deleted
            if self._loaded is None:
                raise bad(f"There is no model yet: {error}", 409) from error
        self._checked = time.monotonic()

    def _is_due(self) -> bool:
        return time.monotonic() - self._checked >= CHECK_INTERVAL

    def _refresh_and_release(self) -> None:
        try:
            self._refresh()
        finally:
            self._loading.release()

    def images(self) -> Images:
        """The test images. Slow the first time.

        Raises:
            HTTPException: 409, they can't be loaded.
        """
        if self._images is not None:  # without waiting for an evaluation
            return self._images
        with self._measuring:
            return self._load_images()

    def evaluation(self, newest: bool = True) -> tuple[Loaded, Images, Evaluation]:
        """The newest model's predictions for the test images; newest=False: those of the model that
        was evaluated last, if there is one. Slow for each new model.

        Raises:
            HTTPException: 409, there is no model yet, or no images, or they don't fit.
        """
        with self._measuring:
            if self._evaluated is not None and not newest:
                return self._evaluated
            loaded, images = self.loaded(), self._load_images()
            if self._evaluated is None or self._evaluated[0].version != loaded.version:
                shape, classes = (*loaded.shape, 1), len(loaded.class_names)
                if images.x.shape[1:] != shape or len(images.class_names) != classes:
                    raise bad(
                        f"expected test images {shape} in {classes} classes, received "
                        f"{images.x.shape[1:]} in {len(images.class_names)}; choose others: --data",
                        409,
                    )
                measured = runs.measure(loaded.model, images.x, images.labels)
                self._evaluated = loaded, images, measured
            return self._evaluated

    def _load_images(self) -> Images:
        if self._images is None:
            try:
                record = self.record()
                if record is not None:
                    self._images = tested_on(record, self.data)
                else:
                    data = MnistData(self.data or "sample", progress=False).load()
                    self._images = Images(data.test_x, data.test_labels, data.class_names)
            except (ValueError, OSError) as error:  # DataError is a ValueError
                raise bad(f"There are no test images: {error}", 409) from error
        return self._images


def _read(path: Path) -> Loaded:
    version = _version(path)  # first: a file that changes during the read is read again later
    return Loaded(load_classifier(path), path, version)


def _version(path: Path) -> str:
    stat = path.stat()
    return f"{path.name}-{stat.st_mtime_ns}-{stat.st_size}"


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
