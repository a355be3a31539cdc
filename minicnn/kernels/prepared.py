"""Operations prepared once, for callers that compute the same shapes again and again.

Each function returns an operation of the engine, which checks nothing; or None if the rules of
choose.py take another algorithm, which needs no preparation.
"""

from __future__ import annotations

from typing import Protocol

from ..typing import Array, FloatDType, Shape
from . import choose
from .backend import engine
from .window import IntOrPair, Padding, Pair, make_window


class Operation(Protocol):
    """A layer's arithmetic for batches of one shape. It owns its results: each call overwrites
    those of the last one. Arrays are C-contiguous, with the shapes and dtype it was prepared for.
    """

    algorithm: str
    """As in choose.py."""
    y: Array
    """The result of the last forward()."""

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y."""

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db), for the x of the last forward()."""


def conv2d(
    x_shape: Shape,
    w_shape: Shape,
    dtype: FloatDType,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    relu: bool = False,
) -> Operation | None:
    """An engine.Convolution, or None. Arguments as of kernels.conv2d, shapes in place of arrays."""
    window = make_window(
        x_shape[1], x_shape[2], (w_shape[0], w_shape[1]), stride, padding, dilation
    )
    if choose.convolution(None, None, window, w_shape) != "implicit":
        return None
    return engine().Convolution(x_shape, w_shape, window, relu, dtype)


def conv2d_relu_pool(
    x_shape: Shape,
    w_shape: Shape,
    size: Pair,
    dtype: FloatDType,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
) -> Operation | None:
    """An engine.ConvReLUPool, or None. Arguments as of kernels.conv2d_relu_pool."""
    window = make_window(
        x_shape[1], x_shape[2], (w_shape[0], w_shape[1]), stride, padding, dilation
    )
    if choose.pooled(None, None, window, w_shape, size) != "fused":
        return None
    if not engine().fits(size, w_shape[3], dtype):
        return None
    return engine().ConvReLUPool(x_shape, w_shape, window, size, dtype)


def dense(
    x_shape: Shape, w_shape: Shape, dtype: FloatDType, *, relu: bool = False
) -> Operation | None:
    """An engine.Dense, or None. Arguments as of kernels.dense."""
    if choose.dense(None, None, w_shape) != "tile":
        return None
    return engine().Dense(x_shape[0], w_shape, relu, dtype)
