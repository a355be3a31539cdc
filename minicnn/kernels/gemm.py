"""Convolution and dense layers as matrix products (GEMM), given an im2col and a col2im.

    y  = cols(x) · w          (rows: output pixels, K = KH*KW*C)
    dw = cols(x)ᵀ · dy
    dx = col2im(dy · wᵀ)

The patch matrix is built a block of images at a time, small enough to stay in the second-level
cache: each number is written, multiplied and forgotten before it ever reaches main memory.

Source: Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document
Processing" (2006), where it is called unrolling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..typing import Array
from .window import Window

Im2col = Callable[[Array, Window, Array], None]

BLOCK_BYTES = 1 << 20  # of patch matrix: about half a modern core's second-level cache


def conv2d(im2col: Im2col, x: Array, w: Array, b: Array | None, window: Window, y: Array) -> None:
    """y = cols(x) · w + b, block by block. Shapes as in reference.conv2d."""
    F = w.shape[3]
    for images, cols in _blocks(x, window):
        im2col(x[images], window, cols)
        block = y[images]
        np.matmul(cols, w.reshape(-1, F), out=block.reshape(-1, F))
        if b is not None:
            # a row of pixels at once: NumPy's inner loop is then OW*F long, not F
            block.reshape(-1, window.OW * F)[...] += np.tile(b, window.OW)


def conv2d_backward(
    im2col: Im2col,
    col2im: Im2col,
    dy: Array,
    x: Array,
    w: Array,
    window: Window,
    dx: Array | None,
    dw: Array,
    db: Array,
) -> None:
    """dw = Σ cols(x)ᵀ · dy, db = Σ dy, dx = col2im(dy · wᵀ), summed block by block in order."""
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


def dense(x: Array, w: Array, b: Array | None, y: Array) -> None:
    """y = x · w + b. Shapes: x (N, D), w (D, U), y (N, U)."""
    np.matmul(x, w, out=y)
    if b is not None:
        y += b


def dense_backward(
    dy: Array, x: Array, w: Array, dx: Array | None, dw: Array | None, db: Array | None
) -> None:
    """dx = dy · wᵀ, dw = xᵀ · dy, db = Σ dy; an output that is None is not computed."""
    if dx is not None:
        np.matmul(dy, w.T, out=dx)
    if dw is not None:
        np.matmul(x.T, dy, out=dw)
    if db is not None:
        np.sum(dy, axis=0, out=db)


def _blocks(x: Array, window: Window) -> Iterator[tuple[slice, Array]]:
    """Slices of the batch, each with a patch matrix to fill; the sizes follow from shapes alone."""
    N, _, _, C = x.shape
    rows, K = window.OH * window.OW, window.KH * window.KW * C
    size = max(1, BLOCK_BYTES // (rows * K * x.itemsize))
    cols = np.empty((min(size, N) * rows, K), x.dtype)
    for start in range(0, N, size):
        stop = min(start + size, N)
        yield slice(start, stop), cols[: (stop - start) * rows]
