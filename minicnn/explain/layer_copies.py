"""Copies of layers that run forward and backward without changing the model they come from.

They share its weights; everything that a pass writes is their own.
"""

from __future__ import annotations

import copy

import numpy as np

from ..layers import BatchNorm, Dropout, Layer
from ..typing import Array


def independent_copy(layer: Layer) -> Layer:
    """A copy that shares the weights of `layer` and has its own state, grads and generators."""
    copied = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, Layer):
            setattr(copied, name, independent_copy(value))
        elif isinstance(value, np.random.Generator):
            setattr(copied, name, copy.deepcopy(value))
    copied.state = {key: array.copy() for key, array in layer.state.items()}
    copied.grads, copied._kept = {}, {}
    return copied


def inference_copy(layer: Layer) -> Layer:
    """An independent copy that computes as in inference even if training=True, so that it can run
    backward."""
    if isinstance(layer, Dropout):
        return Identity()
    return Affine(layer) if isinstance(layer, BatchNorm) else independent_copy(layer)


class Identity(Layer):
    """Dropout in inference."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        return dy


class Affine(Layer):
    """BatchNorm in inference: y = gamma · (x - mean) / √(variance + epsilon) + beta."""

    def __init__(self, norm: BatchNorm) -> None:
        super().__init__()
        self.norm = norm
        variance = norm.state["moving_variance"]
        self.slope = norm.params["gamma"] / np.sqrt(variance + variance.dtype.type(norm.epsilon))

    def forward(self, x: Array, training: bool = False) -> Array:
        return (x - self.norm.state["moving_mean"]) * self.slope + self.norm.params["beta"]

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        return dy * self.slope
