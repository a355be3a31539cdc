"""run.json: what was run, on which data and machine, and the results."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_file import atomic_path
from ..errors import ModelError
from ..strict_json import object_from_json
from ..typing import Array
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
        return self.content.get("results", {})


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
    for field, what, fits in _FIELDS:
        value = _at(content, field)
        if not (fits(value) or (value is _MISSING and field not in _REQUIRED)):
            received = "nothing" if value is _MISSING else f"{value!r:.40}"
            raise ModelError(
                f"{path}: {field}: expected {what}, received {received}; the file is damaged, or "
                "from an earlier release of minicnn"
            )
    return Record(folder, content)


_MISSING = object()
_REQUIRED = {"options", "recipe", "data", "status"}


def _at(content: object, field: str) -> object:
    """The value of "data.train" and the like."""
    for key in field.split("."):
        content = content.get(key, _MISSING) if isinstance(content, dict) else _MISSING
    return content


Check = Callable[[object], bool]


def _is(kind: type) -> Check:
    return lambda value: isinstance(value, kind) and not isinstance(value, bool)


def _is_list_of(kind: type) -> Check:
    return lambda value: isinstance(value, list) and all(map(_is(kind), value))


def _is_number(value: object) -> bool:
    """NaN and infinity are written as null."""
    return value is None or _is(int)(value) or _is(float)(value)


def _is_image_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is(int), value))


_FIELDS: list[tuple[str, str, Check]] = [
    ("status", "text", _is(str)),
    *((field, "an object", _is(dict)) for field in ("options", "recipe", "data")),
    *((field, "an object", _is(dict)) for field in ("model", "results", "versions")),
    ("resumed", "a list of objects", _is_list_of(dict)),
    ("model.parameters", "a whole number", _is(int)),
    ("data.train", "a whole number", _is(int)),
    ("data.test", "a whole number", _is(int)),
    ("data.image_shape", "[H, W, C]", _is_image_shape),
    ("data.class_names", "a list of names", _is_list_of(str)),
    *(
        (f"results.{name}", "a number", _is_number)
        for name in ("seconds", "images_per_second", "epochs", "test_accuracy", "test_loss")
    ),
]
"""(field, what it must be, the check) of all fields that are read."""


def write_json(path: str | os.PathLike[str], content: Mapping[str, object]) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity become null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, default=str)
    with atomic_path(path) as temporary:
        # a file name that is not Unicode holds surrogates: as \udc.., which JSON reads back
        temporary.write_bytes(f"{text}\n".encode(errors="backslashreplace"))


def fingerprint(*arrays: Array) -> str:
    """The SHA-256 of the bytes, shapes and dtypes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
