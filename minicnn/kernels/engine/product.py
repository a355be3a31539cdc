"""Matrix products of dense layers with the register tile: y = x·w + b and its gradients.

The layer's sizes are compiled in; the number of images is not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..jit import Inlined, Kernel, inlined, jit
from ..memory import DType
from .codegen.multiply import multiply, multiply_add
from .codegen.simd import split_evenly, vectors
from .codegen.tile import Tile
from .codegen.transpose import transpose_block
from .correlation import KERNEL_CACHE_SIZE
from .panels import Panels, cut_panels
from .threads.work_sharing import share


def rows_at_once(U: int, dtype: DType) -> int:
    """Images of a tile of `forward`; a smaller batch needs its small_batch kernel."""
    unit = vectors()
    return unit.accumulators // cut_panels(U, unit, np.dtype(dtype).itemsize).vectors


@lru_cache(KERNEL_CACHE_SIZE)
def forward(D: int, U: int, relu: bool, small_batch: bool, dtype: DType) -> Kernel:
    """The kernel (team, x, w, b, y): y = x·w + b, or its ReLU, for at least rows_at_once images.

    With small_batch, for fewer: a tile of one image, with panels of eight vectors to keep the
    multipliers busy. The results are the same to the bit.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, D); w: (D, U); b: (U,); y: (N, U).
    """
    unit = vectors()
    panels = cut_panels(U, unit, np.dtype(dtype).itemsize, widest=8 if small_batch else 2)
    FULL, LAST, WIDTH = panels.full, panels.last, panels.width
    ROWS = 1 if small_batch else rows_at_once(U, dtype)
    MIN_IMAGES = ROWS * (2 if D * U > 1 << 14 else 8)  # of a piece
    full = _rows_of_y(D, U, relu, panels, panels.vectors, panels.lanes, ROWS)
    last = _rows_of_y(D, U, relu, panels, panels.last, panels.tail, ROWS) if panels.last else full

    @inlined
    def piece(number, x, w, b, y, images, larger):  # type: ignore[no-untyped-def]
        first = number * images + min(
            number, larger
        )  # the first `larger` pieces have one image more
        stop = first + images + (1 if number < larger else 0)
        for p in range(FULL):
            full(x.reshape(-1), w.reshape(-1), b, y.reshape(-1), p * WIDTH, first, stop)
        if LAST > 0:
            last(x.reshape(-1), w.reshape(-1), b, y.reshape(-1), FULL * WIDTH, first, stop)

    @jit
    def kernel(team, x, w, b, y):  # type: ignore[no-untyped-def]
        pieces = max(1, len(x) // MIN_IMAGES)
        images, larger = len(x) // pieces, len(x) % pieces
        share(team, pieces, piece, (x, w, b, y, images, larger))

    return kernel


def _rows_of_y(
    D: int, U: int, relu: bool, panels: Panels, count: int, tail: int, rows_of_tile: int
) -> Inlined:
    """An inlined function for rows first…stop of one panel of y, at least a tile of them."""
    MAIN = tuple(
        Tile(
            rows=1,
            row_pitch=0,
            cols=rows_of_tile,
            col_pitch=D,
            runs=1,
            length=D,
            run_pitch=0,
            step=1,
            b_run_pitch=0,
            b_pitch=U,
            vectors=count,
            lanes=panels.lanes,
            tail=tail,
            out_pitch=0,
            out_step=U,
            masked=1,
        )
    )
    RELU, ROWS = relu, rows_of_tile

    @inlined
    def rows(x, w, b, y, p, first, stop):  # type: ignore[no-untyped-def]
        for start in range(first, stop, ROWS):
            n = min(start, stop - ROWS)  # the last tile may repeat rows
            multiply(x, n * D, w, p, b, p, y, n * U + p, 1, RELU, MAIN)

    return rows


@lru_cache(KERNEL_CACHE_SIZE)
def weight_gradient(D: int, U: int, dtype: DType) -> Kernel:
    """The kernel (team, x, dy, dw, db): dw = xᵀ·dy and db = Σ dy.

    The pieces are rows of dw, so they need no sums of their own.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, D); dy: (N, U); dw: (D, U); db: (U,).
    """
    unit = vectors()
    panels = cut_panels(U, unit, np.dtype(dtype).itemsize)
    FULL, LAST, WIDTH = panels.full, panels.last, panels.width
    _, most, _ = split_evenly(D, max(1, unit.accumulators // panels.vectors - 1))
    full = _rows_of_dw(D, U, most, panels, panels.vectors, panels.lanes)
    last = _rows_of_dw(D, U, most, panels, panels.last, panels.tail) if panels.last else full
    ROWS = most * max(1, -(-D // most) // 16)

    @inlined
    def piece(number, x, dy, dw, db):  # type: ignore[no-untyped-def]
        first, stop = number * ROWS, min((number + 1) * ROWS, D)
        dw[first:stop] = 0
        if number == 0:
            db[:] = 0
        n, rows, total = len(x), dw.reshape(-1), db
        for p in range(FULL):
            full(x.reshape(-1), dy.reshape(-1), rows, total, p * WIDTH, first, stop, n)
        if LAST > 0:
            last(x.reshape(-1), dy.reshape(-1), rows, total, FULL * WIDTH, first, stop, n)

    @jit
    def kernel(team, x, dy, dw, db):  # type: ignore[no-untyped-def]
        share(team, (D + ROWS - 1) // ROWS, piece, (x, dy, dw, db))

    return kernel


def _rows_of_dw(D: int, U: int, most: int, panels: Panels, count: int, tail: int) -> Inlined:
    """An inlined function for rows first…stop of one panel of dw; with row 0 also for db."""
    tile = Tile(
        rows=1,
        row_pitch=0,
        cols=most,
        col_pitch=1,
        runs=0,  # known when the kernel runs: the number of images
        length=1,
        run_pitch=D,
        step=0,
        b_run_pitch=U,
        b_pitch=0,
        vectors=count,
        lanes=panels.lanes,
        tail=tail,
        out_pitch=0,
        out_step=U,
        masked=1,
    )
    MAIN, REST = tuple(tile), tuple(tile._replace(cols=D % most or most))
    MOST, YES, NO = most, True, False

    @inlined
    def rows(x, dy, dw, db, p, first, stop, n):  # type: ignore[no-untyped-def]
        whole = first + (stop - first) // MOST * MOST
        if first == 0:
            multiply_add(x, 0, dy, p, db, p, dw, p, n, 1, YES, MAIN)
        for d in range(max(first, MOST), whole, MOST):
            multiply_add(x, d, dy, p, db, p, dw, d * U + p, n, 1, NO, MAIN)
        if whole < stop:
            multiply_add(x, whole, dy, p, db, p, dw, whole * U + p, n, 1, NO, REST)

    return rows


@lru_cache(KERNEL_CACHE_SIZE)
def transpose(dtype: DType) -> Kernel:
    """The kernel (team, w, transposed): transposed = wᵀ, for w (D, U)."""
    LANES = vectors().most_lanes(np.dtype(dtype).itemsize)

    @inlined
    def piece(number, w, transposed, columns):  # type: ignore[no-untyped-def]
        D, U = w.shape
        first, stop = number * columns, min((number + 1) * columns, U)
        whole_d = D // LANES * LANES
        whole_u = first + (stop - first) // LANES * LANES
        flat, out = w.reshape(-1), transposed.reshape(-1)
        for d in range(0, whole_d, LANES):
            for u in range(first, whole_u, LANES):
                transpose_block(flat, d * U + u, U, out, u * D + d, D, LANES)
            for u in range(whole_u, stop):
                for i in range(d, d + LANES):
                    transposed[u, i] = w[i, u]
        for d in range(whole_d, D):
            for u in range(first, stop):
                transposed[u, d] = w[d, u]

    @jit
    def kernel(team, w, transposed):  # type: ignore[no-untyped-def]
        D, U = w.shape
        columns = U if D * U < 1 << 15 else LANES * ((U + 16 * LANES - 1) // (16 * LANES))
        share(team, (U + columns - 1) // columns, piece, (w, transposed, columns))

    return kernel
