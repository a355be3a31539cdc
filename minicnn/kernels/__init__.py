"""The arithmetic of a CNN, as functions of plain arrays: the doorway to the three backends.

Here arguments are checked, once; here the batch is cut into pieces that threads share; what is
computed stands in reference.py (the definition), numpy_kernels.py and numba_kernels.py.

All arrays are channels-last: x (N, H, W, C), w (KH, KW, C, F), y (N, OH, OW, F); float32 or
float64, all of one dtype. Common arguments:

    stride, dilation, size: pixels, an int or a pair (vertical, horizontal).
    padding: "valid", "same" (TensorFlow's rule), an int, or ((top, bottom), (left, right)).
    backend: "reference", "numpy", "numba", or None for the current one.

Common errors: TypeError for a wrong type or dtype, ValueError for a wrong shape, each with
what was expected and what came.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..typing import Array
from .backend import available_backends, current_backend, module, use_backend
from .checks import check_argmax, check_array, check_backward, check_same_dtype, check_shape
from .threads import get_threads, pieces, run, set_threads
from .window import IntOrPair, Padding, Window, make_window, pool_window

__all__ = [
    "available_backends",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "current_backend",
    "dense",
    "dense_backward",
    "get_threads",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "set_threads",
    "use_backend",
]


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    backend: str | None = None,
) -> Array:
    """2-D convolution (cross-correlation, as in every framework).

    y[n, oh, ow, f] = b[f] + Σ_ijc x[n, oh*SH - top + i*DH, ow*SW - left + j*DW, c] · w[i, j, c, f]

    Args:
        x: (N, H, W, C).
        w: (KH, KW, C, F).
        b: (F,) or None.

    Returns:
        y: (N, OH, OW, F), where OH = (H + padding - (KH - 1)*DH - 1) // SH + 1.
    """
    x, w = check_array("x", x, 4), check_array("w", w, 4)
    win = _conv_window(x, w, stride, padding, dilation)
    b = None if b is None else check_shape("b", check_array("b", b, 1), w.shape[3:])
    check_same_dtype(x=x, w=w, b=b)
    y = np.empty((len(x), win.OH, win.OW, w.shape[3]), x.dtype)
    compute = module(backend).conv2d
    run([partial(compute, x[p], w, b, win, y[p]) for p in pieces(len(x))])
    return y


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    need_dx: bool = True,
    backend: str | None = None,
) -> tuple[Array | None, Array, Array]:
    """The gradients of conv2d.

    dx = Σ dy · w over the outputs that read the pixel; dw = Σ dy · x over the batch and all
    outputs; db = Σ dy.

    Args:
        dy: (N, OH, OW, F), the gradient by y.
        x, w: as given to conv2d.
        need_dx: False leaves out dx (a first layer needs none).

    Returns:
        dx: (N, H, W, C) or None; dw: (KH, KW, C, F); db: (F,).
    """
    x, w = check_array("x", x, 4), check_array("w", w, 4)
    win = _conv_window(x, w, stride, padding, dilation)
    dy = check_backward(dy, (len(x), win.OH, win.OW, w.shape[3]))
    check_same_dtype(dy=dy, x=x, w=w)
    parts = pieces(len(x))
    dx = np.empty_like(x) if need_dx else None
    dw = np.empty((len(parts), *w.shape), w.dtype)
    db = np.empty((len(parts), w.shape[3]), w.dtype)
    compute = module(backend).conv2d_backward
    run(
        [
            partial(compute, dy[p], x[p], w, win, None if dx is None else dx[p], dw[k], db[k])
            for k, p in enumerate(parts)
        ]
    )
    return dx, dw.sum(axis=0), db.sum(axis=0)


def max_pool2d(
    x: Array,
    size: IntOrPair = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
    backend: str | None = None,
) -> tuple[Array, Array]:
    """The maximum of each window. Padding never wins.

    Of equal values the first in row-major order wins; a NaN beats every number, and the first
    NaN wins.

    Args:
        x: (N, H, W, C).
        stride: defaults to size.

    Returns:
        y: (N, OH, OW, C); argmax: the same shape, int32: i*KW + j of the tap that won.
    """
    x = check_array("x", x, 4)
    win = pool_window(x.shape[1], x.shape[2], size, stride, padding)
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
    """The gradient of max_pool2d: dy goes to the pixel that won.

    Args:
        dy: (N, OH, OW, C), the gradient by y.
        argmax: int32, as max_pool2d returned it for the same arguments.
        x_shape: (N, H, W, C).

    Returns:
        dx: (N, H, W, C).
    """
    N, H, W, C = _image_batch(x_shape)
    win = pool_window(H, W, size, stride, padding)
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
    win = pool_window(x.shape[1], x.shape[2], size, stride, padding)
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
    N, H, W, C = _image_batch(x_shape)
    win = pool_window(H, W, size, stride, padding)
    dy = check_backward(dy, (N, win.OH, win.OW, C))
    dx = np.empty(x_shape, dy.dtype)
    compute = module(backend).avg_pool2d_backward
    run([partial(compute, dy[p], win, dx[p]) for p in pieces(len(dx))])
    return dx


def dense(x: Array, w: Array, b: Array | None = None, *, backend: str | None = None) -> Array:
    """y = x · w + b.

    Args:
        x: (N, D).
        w: (D, U).
        b: (U,) or None.

    Returns:
        y: (N, U).
    """
    x, w = check_array("x", x, 2), check_shape("w", check_array("w", w, 2), (x.shape[1], None))
    b = None if b is None else check_shape("b", check_array("b", b, 1), w.shape[1:])
    check_same_dtype(x=x, w=w, b=b)
    y = np.empty((len(x), w.shape[1]), x.dtype)
    compute = module(backend).dense
    run([partial(compute, x[p], w, b, y[p]) for p in pieces(len(x))])
    return y


def dense_backward(
    dy: Array, x: Array, w: Array, *, need_dx: bool = True, backend: str | None = None
) -> tuple[Array | None, Array, Array]:
    """The gradients of dense: dx = dy · wᵀ, dw = xᵀ · dy, db = Σ dy.

    dx is cut by images, dw by input features: each of its numbers is one sum over the batch,
    so no partial sums need adding.

    Args:
        dy: (N, U), the gradient by y.
        x, w: as given to dense.

    Returns:
        dx: (N, D) or None; dw: (D, U); db: (U,).
    """
    x, w = check_array("x", x, 2), check_shape("w", check_array("w", w, 2), (x.shape[1], None))
    dy = check_backward(dy, (len(x), w.shape[1]))
    check_same_dtype(dy=dy, x=x, w=w)
    dx = np.empty_like(x) if need_dx else None
    dw, db = np.empty_like(w), np.empty(w.shape[1:], w.dtype)
    compute = module(backend).dense_backward
    tasks = [partial(compute, dy, x[:, p], w[p], None, dw[p], None) for p in pieces(len(w), 64)]
    if dx is not None:
        tasks += [partial(compute, dy[p], x[p], w, dx[p], None, None) for p in pieces(len(x))]
    tasks += [partial(compute, dy, x, w, None, None, db)]
    run(tasks)
    return dx, dw, db


def im2col(
    x: Array,
    kernel: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    backend: str | None = None,
) -> Array:
    """Copy every KH×KW window of x into one row.

    cols[(n, oh, ow)] = x[n, oh*SH - top : … : DH, ow*SW - left : … : DW, :].ravel()

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW), pixels.

    Returns:
        cols: (N*OH*OW, KH*KW*C); zero where the window reads padding.

    Source: Chellapilla, Puri, Simard (2006); see gemm.py.
    """
    x = check_array("x", x, 4)
    win = make_window(x.shape[1], x.shape[2], kernel, stride, padding, dilation)
    rows, K = win.OH * win.OW, win.KH * win.KW * x.shape[3]
    cols = np.empty((len(x), rows, K), x.dtype)
    copy = module(backend).im2col
    run([partial(copy, x[p], win, cols[p].reshape(-1, K)) for p in pieces(len(x))])
    return cols.reshape(-1, K)


def col2im(
    cols: Array,
    x_shape: tuple[int, ...],
    kernel: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    backend: str | None = None,
) -> Array:
    """The adjoint of im2col: add every row back to the pixels that it was read from.

    Args:
        cols: (N*OH*OW, KH*KW*C).
        x_shape: (N, H, W, C).
        kernel: (KH, KW), pixels.

    Returns:
        x: (N, H, W, C); a pixel that k windows read is the sum of k numbers.
    """
    N, H, W, C = _image_batch(x_shape)
    win = make_window(H, W, kernel, stride, padding, dilation)
    rows, K = win.OH * win.OW, win.KH * win.KW * C
    cols = check_shape("cols", check_array("cols", cols, 2), (N * rows, K))
    x = np.empty(x_shape, cols.dtype)
    add = module(backend).col2im
    by_image = cols.reshape(N, rows, K)
    run([partial(add, by_image[p].reshape(-1, K), win, x[p]) for p in pieces(N)])
    return x


def _conv_window(x: Array, w: Array, stride: Any, padding: Any, dilation: Any) -> Window:
    KH, KW, C, _ = w.shape
    if x.shape[3] != C:
        raise ValueError(
            f"expected w (KH, KW, {x.shape[3]}, F) for x with {x.shape[3]} channels, "
            f"received w {w.shape}"
        )
    return make_window(x.shape[1], x.shape[2], (KH, KW), stride, padding, dilation)


def _image_batch(x_shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    if len(x_shape) != 4 or min(x_shape[1:]) < 1 or x_shape[0] < 0:
        raise ValueError(f"expected x_shape as (N, H, W, C), received {x_shape!r}")
    return x_shape[0], x_shape[1], x_shape[2], x_shape[3]
