"""Plain loops: the definition of what is right. Slow is fine, clever is not.

Every function fills the arrays handed to it as its last arguments; an output that is None is
not computed. Shapes: x (N, H, W, C), w (KH, KW, C, F), y and dy (N, OH, OW, F or C).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from ..typing import Array
from .window import Window


def taps(
    window: Window, oh: int, ow: int, image: tuple[int, ...]
) -> Iterator[tuple[int, int, int, int]]:
    """The taps (i, j) of output pixel (oh, ow), each with the input pixel (ih, iw) it reads.

    Taps that fall on padding are left out: padding adds nothing to a sum, never wins a
    maximum, and is not counted in a mean.
    """
    H, W = image
    for i, j in product(range(window.KH), range(window.KW)):
        ih = oh * window.SH - window.top + i * window.DH
        iw = ow * window.SW - window.left + j * window.DW
        if 0 <= ih < H and 0 <= iw < W:
            yield i, j, ih, iw


def im2col(x: Array, window: Window, cols: Array) -> None:
    """cols[(n, oh, ow), (i, j, c)] = x[n, ih, iw, c]; zero on padding."""
    N, H, W, C = x.shape
    rows = cols.reshape(N, window.OH, window.OW, window.KH, window.KW, C)
    rows[...] = 0
    for n, oh, ow in np.ndindex(N, window.OH, window.OW):
        for i, j, ih, iw in taps(window, oh, ow, (H, W)):
            rows[n, oh, ow, i, j] = x[n, ih, iw]


def col2im(cols: Array, window: Window, dx: Array) -> None:
    """The adjoint of im2col: dx[n, ih, iw, c] = sum of the cols that read that pixel."""
    N, H, W, C = dx.shape
    rows = cols.reshape(N, window.OH, window.OW, window.KH, window.KW, C)
    dx[...] = 0
    for n, oh, ow in np.ndindex(N, window.OH, window.OW):
        for i, j, ih, iw in taps(window, oh, ow, (H, W)):
            dx[n, ih, iw] += rows[n, oh, ow, i, j]


def conv2d(x: Array, w: Array, b: Array | None, window: Window, y: Array) -> None:
    """y[n, oh, ow, f] = b[f] + sum over i, j, c of x[n, ih, iw, c] * w[i, j, c, f]."""
    _, H, W, C = x.shape
    for n, oh, ow, f in np.ndindex(*y.shape):
        total = 0.0 if b is None else float(b[f])
        for i, j, ih, iw in taps(window, oh, ow, (H, W)):
            for c in range(C):
                total += float(x[n, ih, iw, c]) * float(w[i, j, c, f])
        y[n, oh, ow, f] = total


def conv2d_backward(
    dy: Array, x: Array, w: Array, window: Window, dx: Array | None, dw: Array, db: Array
) -> None:
    """Each product x*w of the forward sum hands dy*w to its x and dy*x to its w."""
    _, H, W, C = x.shape
    dw[...] = 0
    db[...] = 0
    if dx is not None:
        dx[...] = 0
    for n, oh, ow, f in np.ndindex(*dy.shape):
        d = dy[n, oh, ow, f]
        db[f] += d
        for i, j, ih, iw in taps(window, oh, ow, (H, W)):
            for c in range(C):
                dw[i, j, c, f] += d * x[n, ih, iw, c]
                if dx is not None:
                    dx[n, ih, iw, c] += d * w[i, j, c, f]


def max_pool2d(x: Array, window: Window, y: Array, argmax: Array) -> None:
    """y = the window's maximum; argmax = i*KW + j of the tap that won.

    Ties go to the first tap in row-major order; a NaN beats every number, the first NaN wins.
    """
    _, H, W, _ = x.shape
    for n, oh, ow, c in np.ndindex(*y.shape):
        best, winner = None, -1
        for i, j, ih, iw in taps(window, oh, ow, (H, W)):
            value = x[n, ih, iw, c]
            if best is None or value > best or (np.isnan(value) and not np.isnan(best)):
                best, winner = value, i * window.KW + j
        y[n, oh, ow, c] = best
        argmax[n, oh, ow, c] = winner


def max_pool2d_backward(dy: Array, argmax: Array, window: Window, dx: Array) -> None:
    """dy goes to the tap that won; the others get nothing."""
    dx[...] = 0
    for n, oh, ow, c in np.ndindex(*dy.shape):
        i, j = divmod(int(argmax[n, oh, ow, c]), window.KW)
        ih, iw = oh * window.SH - window.top + i, ow * window.SW - window.left + j
        dx[n, ih, iw, c] += dy[n, oh, ow, c]


def avg_pool2d(x: Array, window: Window, y: Array) -> None:
    """y = the mean of the window's pixels; padding is not counted."""
    _, H, W, _ = x.shape
    for n, oh, ow, c in np.ndindex(*y.shape):
        values = [float(x[n, ih, iw, c]) for _, _, ih, iw in taps(window, oh, ow, (H, W))]
        y[n, oh, ow, c] = sum(values) / len(values)


def avg_pool2d_backward(dy: Array, window: Window, dx: Array) -> None:
    """Each of the window's pixels gets an equal share of dy."""
    _, H, W, _ = dx.shape
    dx[...] = 0
    for n, oh, ow, c in np.ndindex(*dy.shape):
        pixels = list(taps(window, oh, ow, (H, W)))
        for _, _, ih, iw in pixels:
            dx[n, ih, iw, c] += dy[n, oh, ow, c] / len(pixels)


def dense(x: Array, w: Array, b: Array | None, y: Array) -> None:
    """y[n, u] = b[u] + sum over d of x[n, d] * w[d, u]."""
    for n, u in np.ndindex(*y.shape):
        total = 0.0 if b is None else float(b[u])
        for d in range(x.shape[1]):
            total += float(x[n, d]) * float(w[d, u])
        y[n, u] = total


def dense_backward(
    dy: Array,
    x: Array,
    w: Array,
    dx: Array | None,
    dw: Array | None,
    db: Array | None,
) -> None:
    """dx[n, d] = sum_u dy*w; dw[d, u] = sum_n x*dy; db[u] = sum_n dy."""
    for output in (dx, dw, db):
        if output is not None:
            output[...] = 0
    for n, u in np.ndindex(*dy.shape):
        d = dy[n, u]
        if db is not None:
            db[u] += d
        if dw is not None:
            dw[:, u] += d * x[n]
        if dx is not None:
            dx[n] += d * w[:, u]
