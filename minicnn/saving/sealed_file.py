"""Sealed files: arrays and JSON in one .safetensors file, with a checksum over both.

safetensors holds plain numbers and text; nothing in the file is ever executed or unpickled. The
metadata has one entry, "minicnn": JSON of {"version": 1, "written_by": the package's version,
"sha256": the checksum, …contents}. (Only one, because safetensors writes several in random order,
and equal contents must give equal bytes.) The first versions of minicnn wrote no checksum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..strict_json import object_from_json
from ..typing import Array
from ..version import __version__

ENTRY, VERSION = "minicnn", 1
DEEPEST = 60  # levels of lists and objects in the contents: readers recurse


def to_bytes(contents: Mapping[str, object], tensors: Mapping[str, Array]) -> bytes:
    """The file that holds `contents` (as JSON can) and `tensors`.

    Raises:
        TypeError, ValueError: JSON cannot hold the contents, or they are too large or nested too
            deeply.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    arrays = {
        name: np.asarray(array, array.dtype.newbyteorder("="), order="C")
        for name, array in tensors.items()
    }
    about = {"version": VERSION, "written_by": __version__, **contents}
    if not _is_flat(about):
        raise ValueError(f"expected contents with at most {DEEPEST} levels, received deeper ones")
    about["sha256"] = _checksum(about, arrays)
    try:
        return save(arrays, {ENTRY: json.dumps(about)})
    except SafetensorError as error:  # a header of more than 100 MB
        raise ValueError(f"this does not fit into a .safetensors file: {error}") from error


def read(path: Path, known: Collection[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """(contents, tensors) of the file at `path`.

    Args:
        known: the allowed names of contents.

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: it is damaged, of another kind or of another version.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    try:
        metadata, tensors = _read(path)
        if ENTRY not in metadata:
            raise ValueError(
                "expected a model that minicnn saved, received a safetensors file with metadata "
                f"{sorted(metadata)}"
            )
        try:  # the state of a diverged run holds NaN
            about = object_from_json(metadata[ENTRY], allow_nan=True)
        except ValueError as error:
            raise ValueError(f"expected a JSON object in the metadata, received {error}") from error
        if not _is_flat(about):
            raise ValueError(f"expected at most {DEEPEST} levels in the metadata, received more")
        if about.get("version") != VERSION:
            raise ValueError(
                f"expected format version {VERSION}, received {about.get('version')!r}; "
                "use the minicnn release that wrote it"
            )
        if unknown := about.keys() - {"version", "written_by", "sha256", *known}:
            raise ValueError(
                f"expected metadata entries {', '.join(known)}, received {sorted(unknown)}; "
                "the file is damaged, or of another kind"
            )
        expected = about.pop("sha256", None)
        if expected is not None and expected != (received := _checksum(about, tensors)):
            raise ValueError(
                f"checksum: expected {str(expected)[:16]}…, received {received[:16]}…: "
                "the file changed since it was written; restore it or train again"
            )
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from error
    return about, tensors


def _is_flat(value: object, levels: int = DEEPEST) -> bool:
    if not isinstance(value, (Mapping, list, tuple)):
        return True
    items = value.values() if isinstance(value, Mapping) else value
    return levels > 0 and all(_is_flat(item, levels - 1) for item in items)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            "expected a .safetensors file, received one that is damaged or of another kind "
            f"({error}); restore it or train again"
        ) from error


def _checksum(about: Mapping[str, object], tensors: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
