"""What the page is about: the folder of a run, or a saved model by itself, as it is now.

While a run trains, its folder gets new checkpoints and new lines: what is read here is read anew
once it has changed. What takes long says so, and is called in a thread, beside the event loop.
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
from ..report.contents import Images, tested_on
from ..runs import Evaluation, Record
from ..runs.classifier import load_classifier
from .requests import bad

LOOK_AGAIN = 0.5  # seconds, until the folder is searched for a newer model


@dataclass(frozen=True)
class Loaded:
    """A model, and where it comes from."""

    model: Sequential
    path: Path
    version: str  # differs from file to file, and when a file changes

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the images that it takes."""
        assert self.model.input_shape is not None
        return self.model.input_shape[0], self.model.input_shape[1]

    @property
    def class_names(self) -> list[str]:
        """A name for each of its outputs."""
        assert self.model.class_names is not None
        return [in_unicode(name) for name in self.model.class_names]


class Subject:
    """A run, or a model. May be used by several threads at once.

    Args:
        where: a run folder, or a model or checkpoint.
        data: the sheet to test on; None: that of the run; of a model by itself "sample".
        command: called with "pause", "continue" or "stop"; None: the run can't be told.

    Raises:
        FileNotFoundError: there is no such file, or no run in the folder.
        ModelError: it is damaged, or no classifier of grey images.
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
        self._looked = -math.inf
        self._images: Images | None = None
        self._evaluated: tuple[Loaded, Images, Evaluation] | None = None
        if self.folder is None:
            self._loaded = _read(where)
        else:
            runs.read_record(self.folder)
            with suppress(HTTPException):  # there is none yet
                self.loaded()

    @property
    def name(self) -> str:
        """What to call it: the name of the folder or the file."""
        return in_unicode(self.where.resolve().name)

    def record(self) -> Record | None:
        """What run.json says now; None for a model by itself.

        Raises:
            HTTPException: 409, it can't be read any more; says why.
        """
        if self.folder is None:
            return None
        try:
            return runs.read_record(self.folder)
        except (OSError, ModelError) as error:
            raise bad(f"The run can't be read any more: {error}", 409) from error

    def loaded(self) -> Loaded:
        """The newest model: that of the run's end, or while it trains its newest checkpoint. Where
        a newer one can't be read, the last one that could.

        Reading takes some milliseconds. In the event loop, where everybody would wait, the one
        before is returned while a thread reads the newer.

        Raises:
            HTTPException: 409, there is none yet.
        """
        if self._loaded is None or not _in_event_loop():
            with self._loading:
                self._look()
        elif self._is_due() and self._loading.acquire(blocking=False):
            threading.Thread(target=self._look_and_release, daemon=True).start()
        assert self._loaded is not None
        return self._loaded

    def _look(self) -> None:
        """Read the newest model, if it is another one; with _loading held."""
        if not self._is_due():
            return
        try:
            path = self.where if self.folder is None else runs.find_model(self.folder)
            if self._loaded is None or self._loaded.version != _version(path):
                self._loaded = _read(path)
        except (OSError, ModelError) as error:  # a checkpoint may go while it is looked at
            if self._loaded is None:
                raise bad(f"There is no model to ask yet: {error}", 409) from error
        self._looked = time.monotonic()

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked >= LOOK_AGAIN

    def _look_and_release(self) -> None:
        try:
            self._look()
        finally:
            self._loading.release()

    def images(self) -> Images:
        """The images that the run tests on. Slow the first time.

        Raises:
            HTTPException: 409, they can't be had; says why.
        """
        if self._images is not None:  # once they are there, nobody waits for a measurement
            return self._images
        with self._measuring:
            return self._found_images()

    def evaluation(self, newest: bool = True) -> tuple[Loaded, Images, Evaluation]:
        """What the newest model says of them, or without `newest` the model that was measured last,
        if one was. Slow for each new model.

        Raises:
            HTTPException: 409, there is no model yet, or there are no images, or they don't fit.
        """
        with self._measuring:
            if self._evaluated is not None and not newest:
                return self._evaluated
            loaded, part = self.loaded(), self._found_images()
            if self._evaluated is None or self._evaluated[0].version != loaded.version:
                shape, classes = (*loaded.shape, 1), len(loaded.class_names)
                if part.x.shape[1:] != shape or len(part.class_names) != classes:
                    raise bad(
                        f"expected test images {shape} in {classes} classes, received "
                        f"{part.x.shape[1:]} in {len(part.class_names)}; name others: --data",
                        409,
                    )
                measured = runs.measure(loaded.model, part.x, part.labels)
                self._evaluated = loaded, part, measured
            return self._evaluated

    def _found_images(self) -> Images:
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


def in_unicode(text: str) -> str:
    """The text, with "?" for what is none: a file's name may hold any bytes."""
    return text.encode(errors="replace").decode()


def _read(path: Path) -> Loaded:
    version = _version(path)  # first: if it changes while it is read, it is read once more
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
