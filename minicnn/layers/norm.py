"""Batch normalization."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ..initializers import Ones, Zeros
from ..typing import Array, FloatDType, Shape
from .base import Layer


@dataclass(eq=False)
class BatchNorm(Layer):
    """y = gamma · (x - mean) / √(variance + epsilon) + beta, channel by channel (last axis).

    In training the mean and variance are those of the batch (over all other axes), and moving
    averages are updated: moving = momentum · moving + (1 - momentum) · batch. Otherwise the
    moving averages are used. The variance is the biased one, in both places, as in Keras.

    Shapes: (…, C) → the same; params gamma, beta (C,); state moving_mean, moving_variance (C,).

    Source: Ioffe & Szegedy, "Batch Normalization" (2015), algorithms 1 and 2; the gradient is
    that of section 3, gathered into one line.
    """

    momentum: float = 0.99
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"expected 0 <= momentum <= 1, received {self.momentum!r}")
        if not self.epsilon > 0:
            raise ValueError(f"expected epsilon > 0, received {self.epsilon!r}")

    def infer(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError(f"{self.label}: expected at least one axis, received {input_shape}")
        return input_shape

    def add_params(self, rng: np.random.Generator | None, dtype: FloatDType) -> None:
        shape = self.input_shape[-1:]
        self.params["gamma"] = self.draw(Ones(), shape, rng, dtype)
        self.params["beta"] = self.draw(Zeros(), shape, rng, dtype)
        self.state["moving_mean"] = self.draw(Zeros(), shape, rng, dtype)
        self.state["moving_variance"] = self.draw(Ones(), shape, rng, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        rows = x.reshape(-1, x.shape[-1])
        if training and len(rows):
            # NumPy adds a column number by number: in float32 a long one would lose digits
            mean = rows.mean(axis=0, dtype=np.float64).astype(x.dtype)
            variance = rows.var(axis=0, dtype=np.float64).astype(x.dtype)
            self._update("moving_mean", mean)
            self._update("moving_variance", variance)
        else:
            mean, variance = self.state["moving_mean"], self.state["moving_variance"]
        scale = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        normalized = (rows - mean) * scale
        self.keep(training, normalized, scale)
        return (normalized * self.params["gamma"] + self.params["beta"]).reshape(x.shape)

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        """dx = gamma·scale · (dy - mean(dy) - x̂ · mean(dy·x̂)); dgamma = Σ dy·x̂; dbeta = Σ dy."""
        normalized, scale = self.kept()
        rows = dy.reshape(normalized.shape)
        dgamma = np.sum(rows * normalized, axis=0, dtype=np.float64).astype(dy.dtype)
        dbeta = np.sum(rows, axis=0, dtype=np.float64).astype(dy.dtype)
        self.assign_grads(gamma=dgamma, beta=dbeta)
        if not need_dx:
            return None
        count = dy.dtype.type(max(len(rows), 1))
        dx = rows - dbeta / count - normalized * (dgamma / count)
        return (dx * (self.params["gamma"] * scale)).reshape(dy.shape)

    def flops(self) -> int:
        return 2 * prod(self.input_shape)

    def _update(self, key: str, batch: Array) -> None:
        moving = self.state[key]
        moving += (batch - moving) * moving.dtype.type(1 - self.momentum)
