"""A saved model for the commands: grey images in, probabilities of classes out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..layers import Softmax, get
from ..model import Sequential
from ..registry import config_of
from ..typing import Array
from . import find_model


def load_classifier(where: str | os.PathLike[str]) -> Sequential:
    """Read a model that maps grey images (H, W, 1) to classes, with a name for each.

    A model trained from logits gets the softmax of its loss. Without class names, they are "0",
    "1", ….

    Args:
        where: a model or checkpoint, or the folder of a run: its model, or, while it trains, its
            newest checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: damaged, of another kind, or not a classifier of grey images.
    """
    path = Path(where)
    if path.is_dir():
        path = find_model(path)
    model = Sequential.load(path)
    shape, classes = model.input_shape or (), model.output_shape
    if len(shape) != 3 or shape[-1] != 1:
        raise ModelError(
            f"{path}: expected a network for grey images (H, W, 1), received one for {shape}"
        )
    if len(classes) != 1 or classes[0] < 2:
        raise ModelError(f"{path}: expected outputs (classes >= 2), received {classes}")
    if not model.ends_in_softmax():
        model = _with_softmax(model, path)
    if model.class_names is None:
        model.class_names = [str(number) for number in range(classes[0])]
    if len(model.class_names) != classes[0]:
        raise ModelError(
            f"{path}: expected {classes[0]} class names, received {len(model.class_names)}"
        )
    return model


def check_finite(probabilities: Array) -> None:
    """
    Raises:
        ModelError: one of them is NaN or infinity.
    """
    if not np.isfinite(probabilities).all():
        raise ModelError(
            "expected probabilities, received NaN: the network's training diverged; train again "
            "with a lower learning rate"
        )


def _with_softmax(model: Sequential, path: Path) -> Sequential:
    """The same network with a softmax at its end, if its loss took logits."""
    loss = model._loss
    if loss is None or not loss.takes_logits:
        raise ModelError(
            f"{path}: expected a network that gives probabilities, received one that neither ends "
            "in softmax nor was trained from logits"
        )
    layers = [*(get(config_of(layer)) for layer in model.layers), Softmax()]
    extended = Sequential(layers, model.input_shape, dtype=model.dtype, name=model.name)
    extended.set_weights(model.get_weights())
    extended.class_names, extended.preparation = model.class_names, model.preparation
    return extended
