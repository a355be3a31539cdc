"""Public functions: convolution. Common arguments and errors: see the package's docstring."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..typing import Array, Shape
from . import choose
from .backend import current_backend, engine, module
from .batch_pieces import pieces, run
from .checks import (
    check_array,
    check_backward,
    check_same_dtype,
    check_shape,
    conv_window,
    image_batch,
    window_over,
)
from .window import IntOrPair, Padding, Window


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    relu: bool = False,
    algorithm: str | None = None,
    backend: str | None = None,
) -> Array:
    """2-D convolution (cross-correlation, as in every framework).

    y[n, oh, ow, f] = b[f] + Σ_ijc x[n, oh*SH - top + i*DH, ow*SW - left + j*DW, c] · w[i, j, c, f]

    Args:
        x: (N, H, W, C).
        w: (KH, KW, C, F).
        b: (F,) or None.
        relu: give max(y, 0) instead (a NaN stays), without another pass over y.
        algorithm: "implicit" or "im2col"; None: by the rule of choose.py.

    Returns:
        y: (N, OH, OW, F), where OH = (H + padding - (KH - 1)*DH - 1) // SH + 1.
    """
    x, w = check_array("x", x, 4), check_array("w", w, 4)
    win = conv_window(x.shape[1:], w.shape, stride, padding, dilation)
    b = None if b is None else check_shape("b", check_array("b", b, 1), w.shape[3:])
    check_same_dtype(x=x, w=w, b=b)
    if _is_implicit(algorithm, backend, win, w.shape):
        return engine().Convolution(x.shape, w.shape, win, relu, x.dtype).forward(x, w, b)
    y = np.empty((len(x), win.OH, win.OW, w.shape[3]), x.dtype)
    compute = module(backend).conv2d
    run([partial(compute, x[p], w, b, win, y[p]) for p in pieces(len(x))])
    return np.maximum(y, 0, out=y) if relu else y


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    need_dx: bool = True,
    algorithm: str | None = None,
    backend: str | None = None,
) -> tuple[Array | None, Array, Array]:
    """The gradients of conv2d.

    dx = Σ dy · w over the outputs that read the pixel; dw = Σ dy · x over the batch and all
    outputs; db = Σ dy.

    Args:
        dy: (N, OH, OW, F), the gradient of y.
        x, w: as given to conv2d.
        need_dx: False leaves out dx (a first layer does not need it).
        algorithm: as in conv2d.

    Returns:
        dx: (N, H, W, C) or None; dw: (KH, KW, C, F); db: (F,).
    """
    x, w = check_array("x", x, 4), check_array("w", w, 4)
    win = conv_window(x.shape[1:], w.shape, stride, padding, dilation)
    dy = check_backward(dy, (len(x), win.OH, win.OW, w.shape[3]))
    check_same_dtype(dy=dy, x=x, w=w)
    if _is_implicit(algorithm, backend, win, w.shape):
        prepared = engine().Convolution(x.shape, w.shape, win, False, x.dtype)
        return prepared.backward(dy, x, w, need_dx)
    dx = np.empty_like(x) if need_dx else None
    parts = pieces(len(x))
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

    Source: Chellapilla, Puri, Simard (2006); see numpy_kernels.py.
    """
    x = check_array("x", x, 4)
    win = window_over(x.shape[1], x.shape[2], kernel, stride, padding, dilation)
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
    N, H, W, C = image_batch(x_shape)
    win = window_over(H, W, kernel, stride, padding, dilation)
    rows, K = win.OH * win.OW, win.KH * win.KW * C
    cols = check_shape("cols", check_array("cols", cols, 2), (N * rows, K))
    x = np.empty(x_shape, cols.dtype)
    add = module(backend).col2im
    by_image = cols.reshape(N, rows, K)
    run([partial(add, by_image[p].reshape(-1, K), win, x[p]) for p in pieces(N)])
    return x


def _is_implicit(
    algorithm: str | None, backend: str | None, window: Window, w_shape: Shape
) -> bool:
    """Whether the engine computes it; without Numba there is nothing to choose."""
    if algorithm is None and (backend or current_backend()) != "numba":
        return False
    return choose.convolution(algorithm, backend, window, w_shape) == "implicit"
