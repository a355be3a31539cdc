"""Models on disk: one .safetensors file, weights as tensors, the rest as JSON in its metadata.

safetensors holds plain numbers and text; nothing in the file is ever executed or unpickled.
The metadata has one entry, "minicnn": JSON of {"version": 1, "written_by": the package's version,
"model": the configuration}. (One, because safetensors writes several in random order, and the same
model shall give the same bytes.)
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from . import layers
from .errors import ModelError
from .files import atomic_path
from .model import Sequential
from .registry import config_of
from .typing import Array
from .version import __version__

ENTRY, VERSION = "minicnn", 1


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write `model` to `path`, by a temporary file and a rename.

    Raises:
        ValueError: the suffix is not .safetensors, or the model holds a layer, loss or metric
            that is not minicnn's, and so could not be loaded again.
        RuntimeError: the model is not built.
        OSError: the file cannot be written; what stood there before is untouched.
    """
    from safetensors.numpy import save as to_bytes

    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a path that ends in .safetensors, received {path}")
    if not model.built:
        raise RuntimeError("an unbuilt model has no weights to save: give it an input_shape")
    config = _config(model)
    try:
        _model(config)  # what could not be read back is not written
    except Exception as error:
        raise ValueError(f"this model could not be loaded again: {error}") from error
    tensors = {
        name: np.ascontiguousarray(held[key]) for name, (held, key) in model.tensors().items()
    }
    about = {"version": VERSION, "written_by": __version__, "model": config}
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_bytes(tensors, {ENTRY: json.dumps(about)}))


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model, compiled as it was saved (the optimizer starts afresh).

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: damaged, or not a minicnn model, or one of another version; says what was
            expected and what came.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    metadata, tensors = _read(path)
    if ENTRY not in metadata:
        raise ModelError(
            f"{path}: expected a model that minicnn saved, received a safetensors file with "
            f"metadata {sorted(metadata)}"
        )
    try:
        about = json.loads(metadata[ENTRY])
        if about["version"] != VERSION:
            raise ModelError(
                f"{path}: expected format version {VERSION}, received {about['version']!r}; "
                "use the minicnn release that wrote it"
            )
        model = _model(about["model"])
    except ModelError:
        raise
    except Exception as error:  # nonsense in a configuration raises nearly anything
        raise ModelError(f"{path}: the model's configuration cannot be used: {error!r}") from error
    _fill(model, tensors, path)
    return model


def _config(model: Sequential) -> dict[str, Any]:
    compiled = None
    if model._loss is not None:
        compiled = {
            "optimizer": model.optimizer,
            "loss": model.loss,
            "metrics": [metric.name for metric in model.metrics],
        }
    config = {
        "name": model.name,
        "input_shape": model.input_shape,
        "dtype": model.dtype.name,
        "seed": model.seed,
        "class_names": model.class_names,
        "layers": model.layers,
        "compile": compiled,
    }
    return config_of(config)


def _model(config: dict[str, Any]) -> Sequential:
    model = Sequential(
        [layers.get(item) for item in config["layers"]],
        seed=config["seed"],
        dtype=str(config["dtype"]),
        name=str(config["name"]),
    )
    names = config["class_names"]
    model.class_names = None if names is None else [str(name) for name in names]
    model.build(config["input_shape"], draw_weights=False)
    if config["compile"] is not None:
        model.compile(**config["compile"])
    return model


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{path}: expected a .safetensors file, received one that is damaged or of another "
            f"kind ({error}); restore it or train again"
        ) from error


def _fill(model: Sequential, tensors: dict[str, Array], path: Path) -> None:
    expected = model.tensors()
    if tensors.keys() != expected.keys():
        missing, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
        raise ModelError(
            f"{path}: the tensors do not fit the configuration: "
            f"missing {sorted(missing)}, unexpected {sorted(extra)}"
        )
    for name, (held, key) in expected.items():
        found = tensors[name]
        if found.shape != held[key].shape or found.dtype != model.dtype:
            raise ModelError(
                f"{path}: tensor {name}: expected {model.dtype} {held[key].shape}, "
                f"received {found.dtype} {found.shape}"
            )
        held[key] = found
