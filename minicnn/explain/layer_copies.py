"""Copies of layers that can be run forward and backward while the model they belong to stays as it
is: they share its weights, and all that a pass writes is their own.
"""

from __future__ import annotations

import copy

import numpy as np

from ..layers import BatchNorm, Dropout, Layer
from ..typing import Array


def twin(layer: Layer) -> Layer:
    """A layer with the same weights; all that a pass writes is its own."""
    copied = copy.copy(layer)
    for name, part in vars(layer).items():
        if isinstance(part, Layer):
            setattr(copied, name, twin(part))
        elif isinstance(part, np.random.Generator):
            setattr(copied, name, copy.deepcopy(part))
    copied.state = {key: array.copy() for key, array in layer.state.items()}
    copied.grads, copied._kept = {}, {}
    return copied


def frozen(layer: Layer) -> Layer:
    """A twin that does in training what it does in inference, so that it can be run backward."""
    if isinstance(layer, Dropout):
        return Identity()
    return Affine(layer) if isinstance(layer, BatchNorm) else twin(layer)


class Identity(Layer):
    """Dropout, in inference."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        return dy


class Affine(Layer):
    """BatchNorm, in inference: y = gamma · (x - mean) / √(variance + epsilon) + beta."""

    def __init__(self, norm: BatchNorm) -> None:
        super().__init__()
        self.norm = norm
        variance = norm.state["moving_variance"]
        self.slope = norm.params["gamma"] / np.sqrt(variance + variance.dtype.type(norm.epsilon))

    def forward(self, x: Array, training: bool = False) -> Array:
        return (x - self.norm.state["moving_mean"]) * self.slope + self.norm.params["beta"]

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        return dy * self.slope
