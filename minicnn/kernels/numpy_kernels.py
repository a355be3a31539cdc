"""The kernels in NumPy: stride tricks, slices and matrix products; no loop over pixels.

Same names, order and meaning as in reference.py. Loops here run over the taps of the window
(KH*KW of them, nine or so), each step working on whole images at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..typing import Array
from . import gemm
from .numpy_elementwise import where_or_zero
from .window import Window


def im2col(x: Array, window: Window, cols: Array) -> None:
    """Read the padded image through a view with six axes, and copy that view once."""
    KH, KW, SH, SW, DH, DW, top, bottom, left, right, OH, OW = window
    if top or bottom or left or right:
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    N, _, _, C = x.shape
    n, h, w, c = x.strides
    patches = as_strided(
        x,
        shape=(N, OH, OW, KH, KW, C),
        strides=(n, h * SH, w * SW, h * DH, w * DW, c),
        writeable=False,
    )
    cols.reshape(patches.shape)[...] = patches


def col2im(cols: Array, window: Window, dx: Array) -> None:
    """Add each tap's column of pixels back where im2col read it."""
    N, H, W, C = dx.shape
    rows = cols.reshape(N, window.OH, window.OW, window.KH, window.KW, C)
    dx[...] = 0
    for i, j, outputs, pixels in _tap_slices(window, (H, W)):
        dx[pixels] += rows[outputs][..., i, j, :]


def conv2d(x: Array, w: Array, b: Array | None, window: Window, y: Array) -> None:
    """im2col and one matrix product for a block of images."""
    gemm.conv2d(im2col, x, w, b, window, y)


def conv2d_backward(
    dy: Array, x: Array, w: Array, window: Window, dx: Array | None, dw: Array, db: Array
) -> None:
    """Two matrix products and col2im for a block of images."""
    gemm.conv2d_backward(im2col, col2im, dy, x, w, window, dx, dw, db)


def max_pool2d(x: Array, window: Window, y: Array, argmax: Array) -> None:
    """A running maximum over the taps; then argmax = how many taps come before the first winner."""
    taps = list(_tap_slices(window, x.shape[1:3]))
    y[...] = -np.inf
    for _, _, outputs, pixels in taps:
        np.maximum(y[outputs], x[pixels], out=y[outputs])  # a NaN stays
    argmax[...] = 0
    waiting = np.ones(y.shape, bool)
    for _, _, outputs, pixels in taps:
        value = x[pixels]
        won = value == y[outputs]
        won |= value != value  # the maximum is NaN: its first NaN wins
        waiting[outputs] &= ~won
        argmax += waiting


def max_pool2d_backward(dy: Array, argmax: Array, window: Window, dx: Array) -> None:
    """For each tap, add dy where that tap won."""
    dx[...] = 0
    for i, j, outputs, pixels in _tap_slices(window, dx.shape[1:3]):
        dx[pixels] += where_or_zero(argmax[outputs] == i * window.KW + j, dy[outputs])


def avg_pool2d(x: Array, window: Window, y: Array) -> None:
    """Sum over the taps, divided by how many lie inside the image."""
    y[...] = 0
    for _, _, outputs, pixels in _tap_slices(window, x.shape[1:3]):
        y[outputs] += x[pixels]
    y /= _tap_count(window, x.shape[1:3]).astype(y.dtype)


def avg_pool2d_backward(dy: Array, window: Window, dx: Array) -> None:
    """Each tap inside the image gets dy / count."""
    share = dy / _tap_count(window, dx.shape[1:3]).astype(dy.dtype)
    dx[...] = 0
    for _, _, outputs, pixels in _tap_slices(window, dx.shape[1:3]):
        dx[pixels] += share[outputs]


def dense(x: Array, w: Array, b: Array | None, y: Array) -> None:
    """One matrix product."""
    gemm.dense(x, w, b, y)


def dense_backward(
    dy: Array,
    x: Array,
    w: Array,
    dx: Array | None,
    dw: Array | None,
    db: Array | None,
) -> None:
    """Two matrix products and a sum."""
    gemm.dense_backward(dy, x, w, dx, dw, db)


def warp(
    x: Array, matrices: Array, rows: Array, columns: Array, displacement: Array, y: Array
) -> None:
    """Where every pixel is read, then four gathers from an image with zeros around it."""
    (N, H, W, C), real = x.shape, x.dtype.type
    (u, down), (v, right) = (
        _floor_and_rest(
            _places(matrices[:, axis], rows, columns, displacement[..., axis], axis), size
        )
        for axis, size in enumerate((H, W))
    )
    pixels = np.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0))).reshape(-1, C)
    image = np.arange(N).reshape(N, 1, 1) * (H + 3)
    corner = ((image + u + 1) * (W + 3) + v + 1).reshape(-1)
    down, right = down.reshape(-1, 1), right.reshape(-1, 1)

    def line(corner: Array) -> Array:
        """Between two pixels of one line; the second is not read if its weight is 0."""
        second = np.where(right > 0, pixels[corner + 1], real(0))
        return pixels[corner] * (1 - right) + second * right

    lower = np.where(down > 0, line(corner + W + 3), real(0))
    y.reshape(-1, C)[...] = line(corner) * (1 - down) + lower * down


Slices = tuple[slice, slice, slice]


def _tap_slices(
    window: Window, image: tuple[int, ...]
) -> Iterator[tuple[int, int, Slices, Slices]]:
    """For each tap (i, j): the outputs whose tap lies inside the image, and those pixels."""
    for i in range(window.KH):
        oh, ih = _inside(image[0], i * window.DH - window.top, window.SH, window.OH)
        for j in range(window.KW):
            ow, iw = _inside(image[1], j * window.DW - window.left, window.SW, window.OW)
            yield i, j, (slice(None), oh, ow), (slice(None), ih, iw)


def _inside(size: int, offset: int, stride: int, outputs: int) -> tuple[slice, slice]:
    """Along one axis: the outputs o with 0 <= o*stride + offset < size, and those pixels."""
    first = max(0, -(offset // stride))  # ceil(-offset / stride)
    stop = max(first, min(outputs, (size - 1 - offset) // stride + 1))
    start = first * stride + offset
    return slice(first, stop), slice(start, start + (stop - first) * stride, stride)


def _tap_count(window: Window, image: tuple[int, ...]) -> Array:
    """(OH, OW, 1): how many taps of each output lie inside the image."""
    count = np.zeros((1, window.OH, window.OW, 1))
    for _, _, outputs, _ in _tap_slices(window, image):
        count[outputs] += 1
    return count[0]


def _places(matrix: Array, rows: Array, columns: Array, field: Array, axis: int) -> Array:
    """(N, H, W): the coordinate along `axis` at which each pixel is read; matrix (N, 3)."""
    real, sizes = matrix.dtype.type, (len(rows), len(columns))
    middle = [real(size - 1) / real(2) for size in sizes]
    di, dj = (np.arange(size, dtype=real) - m for size, m in zip(sizes, middle, strict=True))
    a, b, c = matrix.T[:, :, None, None]
    places = (a * di[:, None] + (c + middle[axis])) + b * dj
    for row, knots in zip(rows.T, np.moveaxis(field, 1, 0), strict=True):
        bent = np.zeros((len(field), len(columns)), real)
        for column, knot in zip(columns.T, knots.T, strict=True):
            bent += column * knot[:, None]
        places += row[:, None] * bent[:, None]
    return places


def _floor_and_rest(places: Array, size: int) -> tuple[Array, Array]:
    """Whole numbers in -1…size, and what the places have beyond them; NaN is outside."""
    places = np.fmin(np.fmax(places, -1), size)
    whole = np.floor(places)
    return whole.astype(np.intp), places - whole
