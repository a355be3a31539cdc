"""Activations: one function of each number (Softmax: of each row), and its derivative.

All of them can be differentiated from their output y alone, so only y is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from .. import kernels
from ..kernels.numpy_kernels import where_or_zero
from ..registry import lookup
from ..typing import Array
from .base import Layer


@dataclass(eq=False)
class Activation(Layer):
    """Base: a subclass defines f(x) and, from y = f(x), dx = f'(x) · dy."""

    def f(self, x: Array, out: Array | None = None) -> Array:
        """y = f(x), written into `out` where given (it may be x itself)."""
        raise TypeError(f"{type(self).__name__} has no f(): override it")

    def df(self, dy: Array, y: Array) -> Array:
        """dx, from dy and y."""
        raise TypeError(f"{type(self).__name__} has no df(): override it")

    def forward(self, x: Array, training: bool = False, out: Array | None = None) -> Array:
        y = self.f(x, out)
        self.keep(training, y)
        return y

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        (y,) = self.kept()
        return self.df(dy, y)

    def flops(self) -> int:
        return prod(self.output_shape)


@dataclass(eq=False)
class ReLU(Activation):
    """y = max(x, 0). At x = 0 the derivative is taken as 0; a NaN stays NaN."""

    def f(self, x: Array, out: Array | None = None) -> Array:
        return np.maximum(x, 0, out=out)

    def df(self, dy: Array, y: Array) -> Array:
        return where_or_zero(y > 0, dy)


@dataclass(eq=False)
class LeakyReLU(Activation):
    """y = max(x, slope · x), for 0 < slope <= 1: negative inputs keep a small gradient.

    Source: Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models"
    (2013).
    """

    slope: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.slope <= 1:
            raise ValueError(f"expected 0 < slope <= 1, received {self.slope!r}")

    def f(self, x: Array, out: Array | None = None) -> Array:
        return np.maximum(x, x * x.dtype.type(self.slope), out=out)

    def df(self, dy: Array, y: Array) -> Array:
        return np.where(y > 0, dy, dy * dy.dtype.type(self.slope))


@dataclass(eq=False)
class Sigmoid(Activation):
    """y = 1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2, which cannot overflow; dx = dy · y(1 - y)."""

    def f(self, x: Array, out: Array | None = None) -> Array:
        y = np.tanh(np.multiply(x, x.dtype.type(0.5), out=out), out=out)
        y += 1
        y *= y.dtype.type(0.5)
        return y

    def df(self, dy: Array, y: Array) -> Array:
        return dy * y * (1 - y)


@dataclass(eq=False)
class Tanh(Activation):
    """y = tanh x; dx = dy · (1 - y²)."""

    def f(self, x: Array, out: Array | None = None) -> Array:
        return np.tanh(x, out=out)

    def df(self, dy: Array, y: Array) -> Array:
        return dy * (1 - y * y)


@dataclass(eq=False)
class Softmax(Activation):
    """y_k = e^(x_k) / Σ_j e^(x_j) over the last axis; the maximum is subtracted first, so that
    nothing overflows. dx = y · (dy - Σ_j dy_j y_j).

    Before a cross-entropy it does not run backward: the loss takes the logits (losses.py).
    """

    def f(self, x: Array, out: Array | None = None) -> Array:
        if kernels.current_backend() == "numba" and x.ndim == 2 and x.flags.c_contiguous:
            return kernels.softmax(x, out)  # the same, compiled
        y = np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        return y

    def df(self, dy: Array, y: Array) -> Array:
        return y * (dy - np.sum(dy * y, axis=-1, keepdims=True))


TABLE: dict[str, type[Activation]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": Softmax,
}


def get(activation: object) -> Activation | None:
    """An activation from a name, a saved configuration or an instance; None and "linear": none."""
    if activation is None or activation == "linear":
        return None
    return lookup("activation", activation, TABLE, Activation)
