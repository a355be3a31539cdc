"""run.json: what was run, on what, and what came of it."""

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
from ..typing import Array
from .folder import RUN

RUNNING, FINISHED, STOPPED, DIVERGED = "running", "finished", "stopped", "diverged"


@dataclass(frozen=True)
class Record:
    """What run.json of a run folder says.

    `status` is "running" from the first moment on (and after a run that was killed), then
    "finished", "stopped" (by Ctrl-C or --stop-after) or "diverged".
    """

    folder: Path
    content: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The command line's options, by their names in the code."""
        return self.content["options"]

    @property
    def status(self) -> str:
        """See above."""
        return self.content["status"]

    @property
    def results(self) -> dict[str, Any]:
        """Accuracy and the like; empty while it runs."""
        return self.content.get("results", {})


def read_record(folder: Path) -> Record:
    """Read the run.json of a run folder.

    Raises:
        FileNotFoundError: there is no such folder, or no run.json in it.
        ModelError: it is damaged, or was written by a release that did not note all of this.
    """
    path = folder / RUN
    if not path.is_file():
        what = "it holds no run.json" if folder.is_dir() else "there is no such folder"
        raise FileNotFoundError(f"expected a run folder at {folder}, but {what}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected JSON, received {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected an object, received {content!r:.40}")
    for field, what, fits in _FIELDS:
        value = _at(content, field)
        if not (fits(value) or (value is _MISSING and field not in _REQUIRED)):
            received = "nothing" if value is _MISSING else f"{value!r:.40}"
            raise ModelError(
                f"{path}: {field}: expected {what}, received {received}; the file is damaged, or "
                "of an earlier release of minicnn"
            )
    return Record(folder, content)


_MISSING = object()
_REQUIRED = {"options", "recipe", "data", "status"}


def _at(content: Any, field: str) -> Any:
    """The value of "data.train" and the like."""
    for key in field.split("."):
        content = content.get(key, _MISSING) if isinstance(content, dict) else _MISSING
    return content


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and not isinstance(value, bool)


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(_is(kind), value))


def _is_number(value: Any) -> bool:
    """NaN and infinity are written as null."""
    return value is None or _is(int)(value) or _is(float)(value)


_FIELDS: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("status", "text", _is(str)),
    *((field, "an object", _is(dict)) for field in ("options", "recipe", "data")),
    *((field, "an object", _is(dict)) for field in ("model", "results", "versions")),
    ("resumed", "a list of objects", _is_list_of(dict)),
    ("model.parameters", "a whole number", _is(int)),
    ("data.train", "a whole number", _is(int)),
    ("data.test", "a whole number", _is(int)),
    ("data.image_shape", "[H, W, C]", lambda v: _is_list_of(int)(v) and len(v) == 3),
    ("data.class_names", "a list of names", _is_list_of(str)),
    *(
        (f"results.{name}", "a number", _is_number)
        for name in ("seconds", "images_per_second", "epochs", "test_accuracy", "test_loss")
    ),
]
"""(field, what it must be, whether it is) of all that is read of a record."""


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write `content` as readable JSON, by rename; NaN and infinity become null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, default=str)
    with atomic_path(path) as temporary:
        # (a file's name may be no Unicode: as \udc.., which JSON reads back)
        temporary.write_bytes(f"{text}\n".encode(errors="backslashreplace"))


def fingerprint(*arrays: Array) -> str:
    """The SHA-256 of arrays: of their bytes, shapes and types."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
