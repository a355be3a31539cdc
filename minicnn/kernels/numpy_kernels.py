"""The kernels in NumPy: stride tricks, slices and matrix products; no loop over pixels.

Same names, order and meaning as in reference.py. Loops run over the taps of the window (KH*KW of
them, nine or so); each step works on whole images.

Convolution is a matrix product (GEMM), K = KH*KW*C:

    y  = cols(x) · w          (rows: output pixels)
    dw = cols(x)ᵀ · dy
    dx = col2im(dy · wᵀ)

The patch matrix is built for a block of images at a time, small enough for the second-level cache:
its numbers are written, multiplied and overwritten before they reach main memory.

Source: Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document
Processing" (2006), where it is called unrolling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..typing import Array
from .window import Window

Im2col = Callable[[Array, Window, Array], None]

BLOCK_BYTES = 1 << 20  # of patch matrix: about half a modern core's second-level cache


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


def conv2d(
    x: Array, w: Array, b: Array | None, window: Window, y: Array, *, im2col: Im2col = im2col
) -> None:
    """y = cols(x) · w + b, block by block."""
    F = w.shape[3]
    for images, cols in _blocks(x, window):
        im2col(x[images], window, cols)
        block = y[images]
        np.matmul(cols, w.reshape(-1, F), out=block.reshape(-1, F))
        if b is not None:
            # a row of pixels at once: NumPy's inner loop is then OW*F long, not F
            block.reshape(-1, window.OW * F)[...] += np.tile(b, window.OW)


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    window: Window,
    dx: Array | None,
    dw: Array,
    db: Array,
    *,
    im2col: Im2col = im2col,
    col2im: Im2col = col2im,
) -> None:
    """dw = Σ cols(x)ᵀ · dy, db = Σ dy, dx = col2im(dy · wᵀ), added block by block in order."""
    F = w.shape[3]
    matrix = w.reshape(-1, F)
    dw[...] = 0
    db[...] = 0
    for images, cols in _blocks(x, window):
        im2col(x[images], window, cols)
        rows = dy[images].reshape(-1, F)
        dw.reshape(-1, F)[...] += cols.T @ rows
        db += np.ones(len(rows), rows.dtype) @ rows
        if dx is not None:
            np.matmul(rows, matrix.T, out=cols)
            col2im(cols, window, dx[images])


def max_pool2d(x: Array, window: Window, y: Array, argmax: Array) -> None:
    """A running maximum over the taps; argmax = how many taps come before the first maximum."""
    taps = list(_tap_slices(window, x.shape[1:3]))
    y[...] = -np.inf
    for _, _, outputs, pixels in taps:
        np.maximum(y[outputs], x[pixels], out=y[outputs])  # a NaN stays
    argmax[...] = 0
    searching = np.ones(y.shape, bool)
    for _, _, outputs, pixels in taps:
        value = x[pixels]
        won = value == y[outputs]
        won |= value != value  # the maximum is NaN: its first NaN wins
        searching[outputs] &= ~won
        argmax += searching


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
    """y = x · w + b."""
    np.matmul(x, w, out=y)
    if b is not None:
        y += b


def dense_backward(
    dy: Array, x: Array, w: Array, dx: Array | None, dw: Array | None, db: Array | None
) -> None:
    """dx = dy · wᵀ, dw = xᵀ · dy, db = Σ dy."""
    if dx is not None:
        np.matmul(dy, w.T, out=dx)
    if dw is not None:
        np.matmul(x.T, dy, out=dw)
    if db is not None:
        np.sum(dy, axis=0, out=db)


def where_or_zero(mask: Array, a: Array) -> Array:
    """np.where(mask, a, 0) for floats, several times faster if the mask is irregular.

    It multiplies the bits of a by 1 or 0, which needs no branch. A product of floats would turn an
    infinity outside the mask into NaN; this gives 0.
    """
    bits = a.view(np.uint32 if a.itemsize == 4 else np.uint64)
    return (bits * mask).view(a.dtype)


def _blocks(x: Array, window: Window) -> Iterator[tuple[slice, Array]]:
    """Slices of the batch, each with a patch matrix to fill; their sizes depend on shapes only."""
    N, _, _, C = x.shape
    rows, K = window.OH * window.OW, window.KH * window.KW * C
    size = max(1, BLOCK_BYTES // (rows * K * x.itemsize))
    cols = np.empty((min(size, N) * rows, K), x.dtype)
    for start in range(0, N, size):
        stop = min(start + size, N)
        yield slice(start, stop), cols[: (stop - start) * rows]


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
