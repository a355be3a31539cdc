"""Public kernel functions for repeated calls with the same shapes: operations prepared once.

Each function returns an operation of engine/operations.py, whose calls check nothing; or None if
the rules of choose.py select an algorithm that needs no preparation.
"""

from __future__ import annotations

from typing import Protocol

from ..typing import Array, Shape
from . import choose
from .backend import engine
from .memory import DType
from .window import IntOrPair, Padding, Pair, make_window


class Operation(Protocol):
    """A layer's forward and backward pass, prepared for one batch shape.

    It owns the arrays that it returns: they are valid until the next call.
    """

    algorithm: str
    """Its name in choose.py."""

    y: Array
    """The output of the last forward call."""

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y."""

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db), for the x and w of the last forward call."""


def conv2d(
    x_shape: Shape,
    w_shape: Shape,
    dtype: DType,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    relu: bool = False,
) -> Operation | None:
    """kernels.conv2d, prepared. The arguments are the same, with shapes in place of arrays."""
    window = make_window(
        x_shape[1], x_shape[2], (w_shape[0], w_shape[1]), stride, padding, dilation
    )
    if choose.convolution(None, None, window, w_shape) != "implicit":
        return None
    operation: Operation = engine().Convolution(x_shape, w_shape, window, relu, dtype)
    return operation


def conv2d_relu_pool(
    x_shape: Shape,
    w_shape: Shape,
    size: Pair,
    dtype: DType,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
) -> Operation | None:
    """kernels.conv2d_relu_pool, prepared; it keeps the argmax itself."""
    window = make_window(
        x_shape[1], x_shape[2], (w_shape[0], w_shape[1]), stride, padding, dilation
    )
    if choose.pooled(None, None, window, w_shape, size) != "fused":
        return None
    if not engine().fits(size, w_shape[3], dtype):
        return None
    operation: Operation = engine().ConvReLUPool(x_shape, w_shape, window, size, dtype)
    return operation


def dense(x_shape: Shape, w_shape: Shape, dtype: DType, *, relu: bool = False) -> Operation | None:
    """kernels.dense, prepared."""
    if choose.dense(None, None, w_shape) != "tile":
        return None
    operation: Operation = engine().Dense(x_shape[0], w_shape, relu, dtype)
    return operation
