"""A CNN in plain loops: the definition of what is right. Slow is fine, clever is not.

Every function fills the arrays that it gets as its last arguments; an output that is None is not
computed. Shapes: x (N, H, W, C), w (KH, KW, C, F), y and dy (N, OH, OW, F or C).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from ..typing import Array
from .window import Window


def im2col(x: Array, window: Window, cols: Array) -> None:
    """cols[(n, oh, ow), (i, j, c)] = x[n, oh*SH + i*DH, ow*SW + j*DW, c] of the padded x."""
    padded = _padded(x, window)
    rows = cols.reshape(len(x), window.OH, window.OW, window.KH, window.KW, x.shape[3])
    for n, oh, ow, i, j in np.ndindex(*rows.shape[:5]):
        ih, iw = _pixel(window, oh, ow, i, j)
        rows[n, oh, ow, i, j] = padded[n, ih, iw]


def col2im(cols: Array, window: Window, dx: Array) -> None:
    """The adjoint of im2col: dx[n, ih, iw, c] = sum of the cols that read that pixel."""
    padded = _padded(np.zeros_like(dx), window)
    rows = cols.reshape(len(dx), window.OH, window.OW, window.KH, window.KW, dx.shape[3])
    for n, oh, ow, i, j in np.ndindex(*rows.shape[:5]):
        ih, iw = _pixel(window, oh, ow, i, j)
        padded[n, ih, iw] += rows[n, oh, ow, i, j]
    dx[...] = _cropped(padded, window, dx.shape)


def conv2d(x: Array, w: Array, b: Array | None, window: Window, y: Array) -> None:
    """y[n, oh, ow, f] = b[f] + sum over i, j, c of x[n, ih, iw, c] * w[i, j, c, f].

    Padding is made of zeros, which are multiplied like any pixel: 0 * NaN is NaN.
    """
    padded = _padded(x, window)
    for n, oh, ow, f in np.ndindex(*y.shape):
        total = 0.0 if b is None else float(b[f])
        for i, j, c in np.ndindex(*w.shape[:3]):
            ih, iw = _pixel(window, oh, ow, i, j)
            total += float(padded[n, ih, iw, c]) * float(w[i, j, c, f])
        y[n, oh, ow, f] = total


def conv2d_backward(
    dy: Array, x: Array, w: Array, window: Window, dx: Array | None, dw: Array, db: Array
) -> None:
    """Each product x*w of the forward sum hands dy*w to its x and dy*x to its w."""
    padded = _padded(x, window)
    dpadded = np.zeros_like(padded)
    dw[...] = 0
    db[...] = 0
    for n, oh, ow, f in np.ndindex(*dy.shape):
        d = dy[n, oh, ow, f]
        db[f] += d
        for i, j, c in np.ndindex(*w.shape[:3]):
            ih, iw = _pixel(window, oh, ow, i, j)
            dw[i, j, c, f] += d * padded[n, ih, iw, c]
            dpadded[n, ih, iw, c] += d * w[i, j, c, f]
    if dx is not None:
        dx[...] = _cropped(dpadded, window, x.shape)


def max_pool2d(x: Array, window: Window, y: Array, argmax: Array) -> None:
    """y = the window's maximum; argmax = i*KW + j of the tap that won.

    Ties go to the first tap in row-major order; a NaN beats every number, the first NaN wins.
    """
    _, H, W, _ = x.shape
    for n, oh, ow, c in np.ndindex(*y.shape):
        best, tap = None, -1
        for i, j, ih, iw in _taps(window, oh, ow, (H, W)):
            value = x[n, ih, iw, c]
            if best is None or value > best or (np.isnan(value) and not np.isnan(best)):
                best, tap = value, i * window.KW + j
        y[n, oh, ow, c] = best
        argmax[n, oh, ow, c] = tap


def max_pool2d_backward(dy: Array, argmax: Array, window: Window, dx: Array) -> None:
    """dy goes to the tap that won; the others get nothing."""
    dx[...] = 0
    for n, oh, ow, c in np.ndindex(*dy.shape):
        i, j = divmod(int(argmax[n, oh, ow, c]), window.KW)
        ih, iw = oh * window.SH - window.top + i, ow * window.SW - window.left + j
        if 0 <= ih < dx.shape[1] and 0 <= iw < dx.shape[2]:  # padding never wins
            dx[n, ih, iw, c] += dy[n, oh, ow, c]


def avg_pool2d(x: Array, window: Window, y: Array) -> None:
    """y = the mean of the window's pixels; padding is not counted."""
    _, H, W, _ = x.shape
    for n, oh, ow, c in np.ndindex(*y.shape):
        values = [float(x[n, ih, iw, c]) for _, _, ih, iw in _taps(window, oh, ow, (H, W))]
        y[n, oh, ow, c] = sum(values) / len(values)


def avg_pool2d_backward(dy: Array, window: Window, dx: Array) -> None:
    """Each of the window's pixels gets an equal share of dy."""
    _, H, W, _ = dx.shape
    dx[...] = 0
    for n, oh, ow, c in np.ndindex(*dy.shape):
        pixels = list(_taps(window, oh, ow, (H, W)))
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


def _padded(x: Array, window: Window) -> Array:
    """x with its padding around it, zeros: what a convolution's window slides over."""
    edges = (window.top, window.bottom), (window.left, window.right)
    return np.pad(x, ((0, 0), *edges, (0, 0)))


def _cropped(padded: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """The part of a padded array that is the image, of `shape`."""
    _, H, W, _ = shape
    return padded[:, window.top : window.top + H, window.left : window.left + W]


def _pixel(window: Window, oh: int, ow: int, i: int, j: int) -> tuple[int, int]:
    """The pixel of the padded image that tap (i, j) of output (oh, ow) reads."""
    return oh * window.SH + i * window.DH, ow * window.SW + j * window.DW


def _taps(
    window: Window, oh: int, ow: int, image: tuple[int, ...]
) -> Iterator[tuple[int, int, int, int]]:
    """The taps (i, j) of a pooling window, each with the pixel (ih, iw) of the image it reads.

    Taps on padding are left out: padding never wins a maximum, and is not counted in a mean.
    """
    H, W = image
    for i, j in product(range(window.KH), range(window.KW)):
        ih, iw = oh * window.SH - window.top + i, ow * window.SW - window.left + j
        if 0 <= ih < H and 0 <= iw < W:
            yield i, j, ih, iw
