"""A model on disk: one sealed .safetensors file with the weights and the configuration.

Checkpoints are such files too, with more in them (see checkpoints.py): load() reads their model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from .. import layers
from ..atomic_file import atomic_path
from ..errors import ModelError
from ..network import Network
from ..registry import config_of
from ..typing import Array
from . import sealed_file

N = TypeVar("N", bound=Network)

CONTENTS = "model", "training"  # "training" only in checkpoints


def save(model: Network, path: str | os.PathLike[str]) -> None:
    """Write `model` to `path`, atomically.

    Raises:
        ValueError: the suffix is not .safetensors, or the model holds a layer, loss or metric
            that is not part of minicnn, so that it could not be loaded again.
        RuntimeError: the model is not built.
        OSError: the file cannot be written; an older file there is unchanged.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a path that ends in .safetensors, received {path}")
    content = sealed_file.to_bytes({"model": loadable_config(model)}, tensors_of(model))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load(path: str | os.PathLike[str], kind: type[N]) -> N:
    """Read a model as a `kind`, compiled as it was saved (the optimizer starts afresh).

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: damaged, not a minicnn model, or of another version.
    """
    path = Path(path)
    contents, tensors = sealed_file.read(path, CONTENTS)
    try:
        model = model_from(contents["model"], kind)
    except Exception as error:  # a damaged configuration can raise nearly anything
        raise ModelError(f"{path}: the model's configuration cannot be used: {error!r}") from error
    own = {name: array for name, array in tensors.items() if not name.startswith("training/")}
    check_tensors(model, own, path)
    for name, (held, key) in model.tensors().items():
        held[key] = own[name]
    return model


def config(model: Network) -> dict[str, object]:
    """Everything about the model except its weights, as JSON values."""
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


def loadable_config(model: Network) -> dict[str, object]:
    """config(), after checking that load() can build the model from it.

    Raises:
        ValueError, RuntimeError: it cannot; see save().
    """
    if not model.built:
        raise RuntimeError("an unbuilt model has no weights to save: give it an input_shape")
    found = config(model)
    try:
        model_from(found, Network)
    except Exception as error:
        raise ValueError(f"this model could not be loaded again: {error}") from error
    return found


def model_from(config: Mapping[str, Any], kind: type[N]) -> N:
    """The model that config() describes, with placeholders for weights."""
    model = kind(
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


def _preparation(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.keys() != {"fit", "invert"}:
        raise ValueError(f"expected preparation with fit and invert, received {value!r:.60}")
    return {key: str(entry) for key, entry in value.items()}


def tensors_of(model: Network) -> dict[str, Array]:
    """Its weights and state arrays by name; not copied."""
    return {name: held[key] for name, (held, key) in model.tensors().items()}


def check_tensors(model: Network, tensors: Mapping[str, Array], path: Path) -> None:
    """Check that `tensors` have the names, shapes and dtypes of the model's.

    Raises:
        ModelError: they do not.
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
