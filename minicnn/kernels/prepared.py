"""The doorway for those who compute the same shapes again and again: operations prepared once.

Each function gives an operation of engine.py, which is called without any checks; or None where
the rules of choose.py take another algorithm, which needs no preparation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..typing import Shape
from . import choose
from .backend import engine
from .window import IntOrPair, Padding, Pair, make_window


def conv2d(
    x_shape: Shape,
    w_shape: Shape,
    dtype: np.dtype[Any],
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    relu: bool = False,
) -> Any:
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
    dtype: np.dtype[Any],
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
) -> Any:
    """An engine.ConvReLUPool, or None. Arguments as of kernels.conv2d_relu_pool."""
    window = make_window(
        x_shape[1], x_shape[2], (w_shape[0], w_shape[1]), stride, padding, dilation
    )
    if choose.pooled(None, None, window, w_shape, size) != "fused":
        return None
    if not engine().fits(size, w_shape[3], dtype):
        return None
    return engine().ConvReLUPool(x_shape, w_shape, window, size, dtype)


def dense(x_shape: Shape, w_shape: Shape, dtype: np.dtype[Any], *, relu: bool = False) -> Any:
    """An engine.Dense, or None. Arguments as of kernels.dense."""
    if choose.dense(None, None, w_shape) != "tile":
        return None
    return engine().Dense(x_shape[0], w_shape, relu, dtype)
