"""Checkpoints on disk: a model file that also holds what training needs to continue.

The name says how far the run was: epoch-0004.safetensors after four epochs, epoch-0004+000120
another 120 steps later. `Sequential.load` reads the model; `fit(resume=…)` continues from it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import state_checks
from ..errors import ModelError
from ..network import Network
from ..typing import Array
from . import sealed_file
from .model_file import CONTENTS, loadable_config, tensors_of

Done = tuple[int, int]  # (whole epochs, steps of the next one)

NAME = re.compile(r"epoch-(\d+)(?:\+(\d+))?\.safetensors")
PREFIX = "training/"  # of the names of arrays that are not the model's
ENTRIES = "setup", "optimizer", "batches", "generators", "means", "callbacks"  # beside "done"
REFERENCE = "$array"  # {"$array": name} stands for the array of this name in the file


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    model: dict[str, Any]  # the configuration
    tensors: dict[str, Array]  # the model's
    training: dict[str, Any]  # what State.resume.capture() gave

    @property
    def done(self) -> Done:
        """(whole epochs, steps of the next one) that were done."""
        epochs, steps = self.training["done"]
        return epochs, steps


def to_bytes(model: Network, training: Mapping[str, object]) -> bytes:
    """The file for a model in training and what State.resume.capture() gave."""
    arrays: dict[str, Array] = {}
    plain = _without_arrays(training, PREFIX.rstrip("/"), arrays)
    contents = {"model": loadable_config(model), "training": plain}
    return sealed_file.to_bytes(contents, tensors_of(model) | arrays)


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: damaged, of another version, or a model without its training.
    """
    path = Path(path)
    contents, tensors = sealed_file.read(path, CONTENTS)
    if "training" not in contents:
        raise ModelError(
            f"{path}: training: expected a checkpoint, received a model alone; its training "
            "cannot be resumed, but Sequential.load() reads it"
        )
    arrays = {name: tensors.pop(name) for name in list(tensors) if name.startswith(PREFIX)}
    try:
        model = state_checks.table(contents, "model")
        training = _with_arrays(state_checks.table(contents, "training"), arrays)
        for entry in ENTRIES:
            state_checks.table(training, entry)
        epochs, steps = state_checks.numbers(training, "done", 2)
        done = {"epochs": epochs, "steps": steps}
        training["done"] = state_checks.whole(done, "epochs"), state_checks.whole(done, "steps")
    except ValueError as error:
        raise ModelError(f"{path}: training: {error}") from error
    if arrays:
        raise ModelError(f"{path}: training: nothing refers to the arrays {sorted(arrays)}")
    return Checkpoint(path, model, tensors, training)


def load(where: str | os.PathLike[str]) -> Checkpoint | None:
    """The checkpoint at a path, or the newest in a folder; None: the folder has none, or does not
    exist.

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: see read(); if the folder has an earlier checkpoint, the message names it.
    """
    path = Path(where)
    if path.suffix == ".safetensors":
        return read(path)
    found = in_folder(path)
    if not found:
        return None
    try:
        return read(found[-1])
    except ModelError as error:
        if len(found) == 1:
            raise
        raise ModelError(
            f"{error}. The checkpoint before it is {found[-2]}: resume from that file"
        ) from error


def file_name(done: Done) -> str:
    """The file name of the checkpoint at this point."""
    epochs, steps = done
    return f"epoch-{epochs:04}{f'+{steps:06}' if steps else ''}.safetensors"


def position(path: Path) -> Done | None:
    """The point at which a checkpoint was made, from its name; None: not a checkpoint's name."""
    match = NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0)) if match else None


def in_folder(folder: Path) -> list[Path]:
    """The checkpoints in a folder, earliest first."""
    found = [(at, path) for path in folder.glob("epoch-*.safetensors") if (at := position(path))]
    return [path for _, path in sorted(found)]


def _without_arrays(value: object, name: str, arrays: dict[str, Array]) -> object:
    """`value` as JSON values; its arrays go into `arrays`, under their paths in it."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {REFERENCE: name}
    if isinstance(value, Mapping):
        return {
            str(key): _without_arrays(item, f"{name}/{_escaped(key)}", arrays)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            _without_arrays(item, f"{name}/{index}", arrays) for index, item in enumerate(value)
        ]
    return value.item() if isinstance(value, np.generic) else value


def _escaped(key: object) -> str:
    """As in a JSON pointer (RFC 6901), so that no two paths have the same name."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _with_arrays(value: object, arrays: dict[str, Array]) -> Any:
    """The inverse. It takes each array out of `arrays`, so each can be used only once."""
    if isinstance(value, dict):
        if value.keys() == {REFERENCE}:
            name = value[REFERENCE]
            if not isinstance(name, str) or name not in arrays:
                raise ValueError(
                    f"expected the name of an array, once, received {state_checks.shown(name)}"
                )
            return arrays.pop(name)
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    return [_with_arrays(item, arrays) for item in value] if isinstance(value, list) else value
