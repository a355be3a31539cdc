"""run.json: what was run, on which data and machine, and the results."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import state_checks
from ..atomic_file import atomic_path
from ..errors import ModelError
from ..strict_json import object_from_json
from .folder import RUN

RUNNING, FINISHED, STOPPED, DIVERGED = "running", "finished", "stopped", "diverged"


@dataclass(frozen=True)
class Record:
    """The run.json of a run folder.

    `status` is "running" from the start (also if the run was killed), then "finished", "stopped"
    (by Ctrl-C or --stop-after) or "diverged".
    """

    folder: Path
    content: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The command line's options, by their names in the code."""
        return self.content["options"]

    @property
    def status(self) -> str:
        """See the class."""
        return self.content["status"]

    @property
    def results(self) -> dict[str, Any]:
        """Test accuracy, seconds, …; empty while it runs."""
        return self.content["results"]


def read_record(folder: Path) -> Record:
    """Read the run.json of a run folder.

    Raises:
        FileNotFoundError: there is no such folder, or no run.json in it.
        ModelError: it is damaged, or an old release wrote it without all of these entries.
    """
    path = folder / RUN
    if not path.is_file():
        what = "it holds no run.json" if folder.is_dir() else "there is no such folder"
        raise FileNotFoundError(f"expected a run folder at {folder}, but {what}")
    try:
        content = object_from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: expected a JSON object, received {error}") from error
    try:
        return Record(folder, _checked(content))
    except ValueError as error:
        raise ModelError(
            f"{path}: {error}; the file is damaged, or from an earlier release of minicnn"
        ) from error


_OPTIONAL: dict[str, Any] = {"model": {}, "results": {}, "versions": {}, "resumed": []}
_MODEL = {"name": "network", "parameters": 0}
_DATA: dict[str, Any] = {"train": 0, "test": 0, "image_shape": [0, 0, 1], "class_names": []}


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    """The record with defaults for what early releases did not write.

    Raises:
        ValueError: an entry is missing or of the wrong kind.
    """
    state_checks.text(content, "status")
    found = _OPTIONAL | content
    for name in ("options", "recipe", "data", "model", "results", "versions"):
        state_checks.table(found, name)
    state_checks.rows(found, "resumed")
    data, model = _DATA | found["data"], _MODEL | found["model"]
    for section, name in ((data, "train"), (data, "test"), (model, "parameters")):
        state_checks.whole(section, name)
    state_checks.numbers(data, "image_shape", length=3)
    state_checks.rows(data, "class_names")
    for name in ("seconds", "images_per_second", "epochs", "test_accuracy", "test_loss"):
        if found["results"].get(name) is not None:  # NaN and infinity are written as null
            state_checks.number(found["results"], name)
    return found | {"data": data, "model": model}


def write_json(path: str | os.PathLike[str], content: Mapping[str, object]) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity become null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, default=str)
    with atomic_path(path) as temporary:
        # a file name that is not Unicode holds surrogates: as \udc.., which JSON reads back
        temporary.write_bytes(f"{text}\n".encode(errors="backslashreplace"))


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
