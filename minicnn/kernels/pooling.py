"""Public functions: pooling. Common arguments and errors: see the package's docstring."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..typing import Array
from .backend import module
from .batch_pieces import pieces, run
from .checks import check_argmax, check_array, check_backward, image_batch, pool_window_over
from .window import IntOrPair, Padding


def max_pool2d(
    x: Array,
    size: IntOrPair = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
    backend: str | None = None,
) -> tuple[Array, Array]:
    """The maximum of each window. Padding never wins.

    Of equal values the first in row-major order wins; NaN counts as larger than every number, and
    the first NaN wins.

    Args:
        x: (N, H, W, C).
        stride: defaults to size.

    Returns:
        y: (N, OH, OW, C); argmax: the same shape, int32: i*KW + j of the maximum's tap.
    """
    x = check_array("x", x, 4)
    win = pool_window_over(x.shape[1], x.shape[2], size, stride, padding)
    y = np.empty((len(x), win.OH, win.OW, x.shape[3]), x.dtype)
    argmax = np.empty(y.shape, np.int32)
    compute = module(backend).max_pool2d
    run([partial(compute, x[p], win, y[p], argmax[p]) for p in pieces(len(x))])
    return y, argmax


def max_pool2d_backward(
    dy: Array,
    argmax: Array,
    x_shape: tuple[int, ...],
    size: IntOrPair = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
    backend: str | None = None,
) -> Array:
    """The gradient of max_pool2d: dy goes to the pixel of the maximum.

    Args:
        dy: (N, OH, OW, C), the gradient of y.
        argmax: int32, as max_pool2d returned it for the same arguments.
        x_shape: (N, H, W, C).

    Returns:
        dx: (N, H, W, C).
    """
    N, H, W, C = image_batch(x_shape)
    win = pool_window_over(H, W, size, stride, padding)
    dy = check_backward(dy, (N, win.OH, win.OW, C))
    argmax = check_argmax(argmax, dy.shape, win.KH * win.KW)
    dx = np.empty(x_shape, dy.dtype)
    compute = module(backend).max_pool2d_backward
    run([partial(compute, dy[p], argmax[p], win, dx[p]) for p in pieces(len(dx))])
    return dx


def avg_pool2d(
    x: Array,
    size: IntOrPair = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
    backend: str | None = None,
) -> Array:
    """The mean of each window; padding is not counted.

    Args and shapes as in max_pool2d.

    Returns:
        y: (N, OH, OW, C).
    """
    x = check_array("x", x, 4)
    win = pool_window_over(x.shape[1], x.shape[2], size, stride, padding)
    y = np.empty((len(x), win.OH, win.OW, x.shape[3]), x.dtype)
    compute = module(backend).avg_pool2d
    run([partial(compute, x[p], win, y[p]) for p in pieces(len(x))])
    return y


def avg_pool2d_backward(
    dy: Array,
    x_shape: tuple[int, ...],
    size: IntOrPair = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
    backend: str | None = None,
) -> Array:
    """The gradient of avg_pool2d: each pixel of a window gets an equal share of dy.

    Args and shapes as in max_pool2d_backward.
    """
    N, H, W, C = image_batch(x_shape)
    win = pool_window_over(H, W, size, stride, padding)
    dy = check_backward(dy, (N, win.OH, win.OW, C))
    dx = np.empty(x_shape, dy.dtype)
    compute = module(backend).avg_pool2d_backward
    run([partial(compute, dy[p], win, dx[p]) for p in pieces(len(dx))])
    return dx
