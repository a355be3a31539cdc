"""Pooling: a window's maximum or mean."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from .. import kernels
from ..kernels.window import IntOrPair, Padding, pair, pool_window
from ..typing import Array, Shape
from .base import Layer, expect_image


@dataclass(eq=False)
class Pool2D(Layer):
    """Base of max and average pooling: the window.

    Args:
        pool_size: pixels, an int or a pair.
        strides: the same; None: the pool size.
        padding: "valid", "same", an int, or ((top, bottom), (left, right)).

    Shapes: (H, W, C) → (OH, OW, C).
    """

    pool_size: IntOrPair = 2
    strides: IntOrPair | None = None
    padding: Padding = "valid"

    def __post_init__(self) -> None:
        self.pool_size = pair("pool_size", self.pool_size)
        self.strides = pair("strides", self.pool_size if self.strides is None else self.strides)

    def infer(self, input_shape: Shape) -> Shape:
        H, W, C = expect_image(self, input_shape)
        try:
            win = pool_window(H, W, self.pool_size, self.strides, self.padding)
        except ValueError as error:
            raise ValueError(f"{self.label}: {error}") from None
        return win.OH, win.OW, C

    @property
    def unpadded(self) -> bool:
        """Whether no window reaches over the edge of the image."""
        H, W, _ = self.input_shape
        win = pool_window(H, W, self.pool_size, self.strides, self.padding)
        return not any((win.top, win.bottom, win.left, win.right))

    def flops(self) -> int:
        return prod(self.output_shape) * prod(pair("pool_size", self.pool_size))


@dataclass(eq=False)
class MaxPool2D(Pool2D):
    """y = the maximum of each window; dy goes to the pixel that won (ties: the first)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y, argmax = kernels.max_pool2d(x, self.pool_size, stride=self.strides, padding=self.padding)
        self.keep(training, argmax)
        return y

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        (argmax,), x_shape = self.kept(), (len(dy), *self.input_shape)
        return kernels.max_pool2d_backward(
            dy, argmax, x_shape, self.pool_size, stride=self.strides, padding=self.padding
        )


@dataclass(eq=False)
class AvgPool2D(Pool2D):
    """y = the mean of each window, padding not counted; each pixel gets an equal share of dy."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(training)
        return kernels.avg_pool2d(x, self.pool_size, stride=self.strides, padding=self.padding)

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        self.kept()
        x_shape = len(dy), *self.input_shape
        return kernels.avg_pool2d_backward(
            dy, x_shape, self.pool_size, stride=self.strides, padding=self.padding
        )


@dataclass(eq=False)
class GlobalAvgPool2D(Layer):
    """y[c] = Σ_hw x[h, w, c] / (H·W): (H, W, C) → (C,); each pixel gets dy / (H·W)."""

    def infer(self, input_shape: Shape) -> Shape:
        return expect_image(self, input_shape)[2:]

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(training)
        return x.mean(axis=(1, 2))

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        self.kept()
        H, W, C = self.input_shape
        share = dy / dy.dtype.type(H * W)
        return np.ascontiguousarray(np.broadcast_to(share[:, None, None, :], (len(dy), H, W, C)))

    def flops(self) -> int:
        return prod(self.input_shape)
