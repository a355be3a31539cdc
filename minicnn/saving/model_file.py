"""Models on disk: one sealed .safetensors file, weights as tensors, the configuration beside them.

Checkpoints are such files too, with more in them (see checkpoints.py): load() reads their model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import layers
from ..atomic_file import atomic_path
from ..errors import ModelError
from ..model import Sequential
from ..registry import config_of
from ..typing import Array
from . import sealed_file

CONTENTS = "model", "training"  # the second in checkpoints alone


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write `model` to `path`, by a temporary file and a rename.

    Raises:
        ValueError: the suffix is not .safetensors, or the model holds a layer, loss or metric
            that is not minicnn's, and so could not be loaded again.
        RuntimeError: the model is not built.
        OSError: the file cannot be written; what stood there before is untouched.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a path that ends in .safetensors, received {path}")
    content = sealed_file.to_bytes({"model": loadable_config(model)}, tensors_of(model))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model, compiled as it was saved (the optimizer starts afresh).

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: damaged, or not a minicnn model, or one of another version; says what was
            expected and what came.
    """
    path = Path(path)
    contents, tensors = sealed_file.read(path, CONTENTS)
    try:
        model = model_from(contents["model"])
    except Exception as error:  # nonsense in a configuration raises nearly anything
        raise ModelError(f"{path}: the model's configuration cannot be used: {error!r}") from error
    own = {name: array for name, array in tensors.items() if not name.startswith("training/")}
    check_tensors(model, own, path)
    for name, (held, key) in model.tensors().items():
        held[key] = own[name]
    return model


def config(model: Sequential) -> dict[str, Any]:
    """All of the model but its numbers, as JSON can hold it."""
    compiled = None
    if model._loss is not None:
        compiled = {
            "optimizer": model.optimizer,
            "loss": model.loss,
            "metrics": [metric.name for metric in model.metrics],
        }
    return config_of(
        {
            "name": model.name,
            "input_shape": model.input_shape,
            "dtype": model.dtype.name,
            "seed": model.seed,
            "class_names": model.class_names,
            "preparation": model.preparation,
            "layers": model.layers,
            "compile": compiled,
        }
    )


def loadable_config(model: Sequential) -> dict[str, Any]:
    """config(), after a look whether load() could make a model of it again.

    Raises:
        ValueError, RuntimeError: it could not; as of save().
    """
    if not model.built:
        raise RuntimeError("an unbuilt model has no weights to save: give it an input_shape")
    found = config(model)
    try:
        model_from(found)  # what could not be read back is not written
    except Exception as error:
        raise ValueError(f"this model could not be loaded again: {error}") from error
    return found


def model_from(config: Mapping[str, Any]) -> Sequential:
    """The model that config() described, with placeholders for weights."""
    model = Sequential(
        [layers.get(item) for item in config["layers"]],
        seed=config["seed"],
        dtype=str(config["dtype"]),
        name=str(config["name"]),
    )
    names = config["class_names"]
    model.class_names = None if names is None else [str(name) for name in names]
    model.preparation = _preparation(config.get("preparation"))
    model.build(config["input_shape"], draw_weights=False)
    if config["compile"] is not None:
        model.compile(**config["compile"])
    return model


def _preparation(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.keys() != {"fit", "invert"}:
        raise ValueError(f"expected preparation with fit and invert, received {value!r:.60}")
    return {key: str(entry) for key, entry in value.items()}


def tensors_of(model: Sequential) -> dict[str, Array]:
    """Its weights and state arrays by name; not copied."""
    return {name: held[key] for name, (held, key) in model.tensors().items()}


def check_tensors(model: Sequential, tensors: Mapping[str, Array], path: Path) -> None:
    """See whether `tensors` are those of `model`.

    Raises:
        ModelError: they are not.
    """
    expected = tensors_of(model)
    if tensors.keys() != expected.keys():
        missing, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
        raise ModelError(
            f"{path}: the tensors do not fit the configuration: "
            f"missing {sorted(missing)}, unexpected {sorted(extra)}"
        )
    for name, array in expected.items():
        found = tensors[name]
        if found.shape != array.shape or found.dtype != model.dtype:
            raise ModelError(
                f"{path}: tensor {name}: expected {model.dtype} {array.shape}, "
                f"received {found.dtype} {found.shape}"
            )
