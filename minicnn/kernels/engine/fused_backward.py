"""The backward pass of convolution + ReLU + max-pool (fused.py): it visits only the winners.

A winner is the output that a pooling window passed on; only winners have a gradient. With 2×2
pooling that is one in four outputs, and fewer where ReLU is zero. For each winner, with gradient d,

    dw[f] += d · (the patch it was computed from)   filter by filter, all winners in registers
    dx[that patch] += d · w[f]                      window by window, the sum over f in registers

In the second sum, the winners of one window differ by filter. Their patches lie in one region of
KH + (PH-1)·SH lines. A filter shifted within that region is the same filter, read from another
place of a table in which zeros surround it. So each winner is one add_rows (rows.py), without a
branch.

The results equal those of the separate steps, unless a pixel or a filter is infinite or NaN: the
separate steps also multiply it by the zero gradients of outputs that did not win, and 0 · ∞ = NaN.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..jit import Inlined, Kernel, inlined, jit
from ..memory import DType
from .codegen.rows import Rows, add_rows, add_up
from .codegen.simd import Vectors, largest_divisor, split_evenly, vectors
from .correlation import KERNEL_CACHE_SIZE
from .fused import ConvPool
from .nonfinite import count_nonfinite, largest_finite
from .padded_copy import copy_padded
from .threads.work_sharing import share
from .weight_gradient import add_pieces


@lru_cache(KERNEL_CACHE_SIZE)
def backward(shape: ConvPool, need_dx: bool, dtype: DType) -> Kernel:
    """The kernel (team, dy, argmax, x, w, table, dx, dws, dbs, dw, db, images) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        dy: (N, QH*QW*F); argmax: the same, from forward.
        x: (N, H, W, C); w: (KH, KW, C, F).
        table: (F*TH*TW*C,): a buffer for the filters with zeros around them.
        dx: (N, H*W*C), not written unless need_dx.
        dws, dbs: (pieces, F*KH*KW*C) and (pieces, F): buffers for the sums of each batch piece.
        dw: (KH*KW*C, F); db: (F,): their sum, added in the order of the pieces.
        images: in a piece.
    """
    conv = shape.conv
    NEED_DX, F, K = need_dx, conv.F, conv.KH * conv.KW * conv.C
    fill_table, piece = _fill_table(shape), _piece(shape, need_dx, dtype)

    @jit
    def kernel(team, dy, argmax, x, w, table, dx, dws, dbs, dw, db, images):  # type: ignore[no-untyped-def]
        if NEED_DX:
            fill_table(table, w)
        share(team, len(dws), piece, (dy, argmax, x, table, dx, dws, dbs, images))
        total = np.empty(F * K, w.dtype)
        add_pieces(team, dws, total)
        add_pieces(team, dbs, db)
        for f in range(F):
            for k in range(K):
                dw[k, f] = total[f * K + k]

    return kernel


def _piece(shape: ConvPool, need_dx: bool, dtype: DType) -> Inlined:
    """An inlined function for a piece of the batch: dx, and the piece's sums of dw and db."""
    conv, unit, itemsize = shape.conv, vectors(), np.dtype(dtype).itemsize
    HEIGHT, WIDTH = conv.padded
    H, W, C, F, TOP, LEFT = conv.H, conv.W, conv.C, conv.F, conv.top, conv.left
    COPIED, PIXELS, K = conv.has_padding, HEIGHT * WIDTH * C, conv.KH * conv.KW * C
    NEED_DX, WINNERS = need_dx, shape.pooled[0] * shape.pooled[1] * F
    run = conv.KW * C
    first_taps, find_winners = _first_taps(shape), _find_winners(shape, unit, itemsize)
    add_patches = _sum_of_rows(WINNERS // F, F, conv.KH, run, (WIDTH * C, run), unit, itemsize)
    add_filters = _add_filters(shape, dtype)

    @inlined
    def piece(number, dy, argmax, x, table, dx, dws, dbs, images):  # type: ignore[no-untyped-def]
        padded = np.zeros(PIXELS if COPIED else 1, x.dtype)
        dpadded = np.zeros(PIXELS if COPIED and NEED_DX else 1, x.dtype)
        gradient = np.empty(WINNERS, x.dtype)
        seen, shifted = np.empty(WINNERS, np.int32), np.empty(WINNERS, np.int32)
        first, first_shifted = np.empty_like(seen), np.empty_like(seen)
        nonfinite = np.zeros(1, np.int64)
        first_taps(first, first_shifted)
        dw, db = dws[number], dbs[number]
        dw[:] = 0
        db[:] = 0
        for n in range(number * images, min((number + 1) * images, len(x))):
            find_winners(dy[n], argmax[n], gradient, first, seen, first_shifted, shifted, db)
            image = x[n].reshape(-1)
            if COPIED:
                copy_padded(padded, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = padded
            for f in range(F):
                add_patches(image, gradient, f, seen, dw, f * K)
            if NEED_DX:
                dimage = dx[n]
                if COPIED:
                    dimage = dpadded
                dimage[:] = 0
                add_filters(table, gradient, seen, shifted, dimage, nonfinite)
                if COPIED:
                    copy_padded(dx[n], dimage, HEIGHT, WIDTH, C, H, W, -TOP, -LEFT)

    return piece


def _fill_table(shape: ConvPool) -> Inlined:
    """An inlined function that copies each filter to the middle of its zeros."""
    conv, (TH, TW) = shape.conv, shape.table
    KH, KW, C, F, LINE, TABLE = conv.KH, conv.KW, conv.C, conv.F, TW * conv.C, TH * TW * conv.C
    FIRST = (shape.PH - 1) * conv.SH * LINE + (shape.PW - 1) * conv.SW * C

    @inlined
    def fill_table(table, w):  # type: ignore[no-untyped-def]
        table[:] = 0
        for i in range(KH):
            for j in range(KW):
                for c in range(C):
                    at = FIRST + i * LINE + j * C + c
                    for f in range(F):
                        table[f * TABLE + at] = w[i, j, c, f]

    return fill_table


def _first_taps(shape: ConvPool) -> Inlined:
    """An inlined function: if each winner were its window's first tap, where its patch begins in
    the image (`seen`), and where its filter begins in the table (`shifted`)."""
    conv, (QH, QW), (TH, TW) = shape.conv, shape.pooled, shape.table
    F, C, LINE, TABLE_LINE = conv.F, conv.C, conv.padded[1] * conv.C, TW * conv.C
    TABLE, DOWN, ACROSS = TH * TABLE_LINE, shape.PH * conv.SH * LINE, shape.PW * conv.SW * C
    FIRST = (shape.PH - 1) * conv.SH * TABLE_LINE + (shape.PW - 1) * conv.SW * C

    @inlined
    def first_taps(seen, shifted):  # type: ignore[no-untyped-def]
        for qh in range(QH):
            for qw in range(QW):
                for f in range(F):
                    q = (qh * QW + qw) * F + f
                    seen[q] = qh * DOWN + qw * ACROSS
                    shifted[q] = f * TABLE + FIRST

    return first_taps


def _find_winners(shape: ConvPool, unit: Vectors, itemsize: int) -> Inlined:
    """An inlined function: the same for the taps that won, their gradient (0 where ReLU is 0), and
    the sums of the gradients by filter."""
    conv, (QH, QW), PW, TAPS = shape.conv, shape.pooled, shape.PW, shape.PH * shape.PW
    F, ACROSS, DOWN = conv.F, conv.SW * conv.C, conv.SH * conv.padded[1] * conv.C
    TABLE_DOWN = conv.SH * shape.table[1] * conv.C
    sum_by_filter = _sum_by_filter(QH * QW, F, unit, itemsize)

    @inlined
    def find_winners(dy, argmax, gradient, first, seen, first_shifted, shifted, db):  # type: ignore[no-untyped-def]
        # One loop for each result: with three results in one loop, LLVM does not check whether
        # the arrays overlap, and does not vectorize it.
        for q in range(QH * QW * F):
            gradient[q] = dy[q] if argmax[q] < TAPS else dy.dtype.type(0)
        for q in range(QH * QW * F):
            tap = np.int32(argmax[q])
            tap = tap if tap < TAPS else np.int32(0)  # no winner: any readable place
            i = tap // np.int32(PW)
            j = tap - i * np.int32(PW)
            seen[q] = first[q] + i * np.int32(DOWN) + j * np.int32(ACROSS)
        for q in range(QH * QW * F):
            tap = np.int32(argmax[q])
            tap = tap if tap < TAPS else np.int32(0)
            i = tap // np.int32(PW)
            j = tap - i * np.int32(PW)
            shifted[q] = first_shifted[q] - i * np.int32(TABLE_DOWN) - j * np.int32(ACROSS)
        sum_by_filter(gradient, db)

    return find_winners


def _add_filters(shape: ConvPool, dtype: DType) -> Inlined:
    """An inlined function: dimage += Σ gradient · filter, window after window."""
    conv, (QH, QW) = shape.conv, shape.pooled
    F, LINE, LARGEST = conv.F, conv.padded[1] * conv.C, largest_finite(dtype)
    DOWN, ACROSS = shape.PH * conv.SH * LINE, shape.PW * conv.SW * conv.C
    region_h, region_w = shape.region
    pitches = shape.table[1] * conv.C, LINE
    itemsize = np.dtype(dtype).itemsize
    add_window = _sum_of_rows(F, 1, region_h, region_w * conv.C, pitches, vectors(), itemsize)
    add_without_zeros = _add_filters_without_zeros(shape)

    @inlined
    def add_filters(table, gradient, seen, shifted, dimage, nonfinite):  # type: ignore[no-untyped-def]
        count_nonfinite(gradient, LARGEST, nonfinite)
        for qh in range(QH if nonfinite[0] == 0 else 0):
            for qw in range(QW):
                q = (qh * QW + qw) * F
                add_window(table, gradient, q, shifted, dimage, qh * DOWN + qw * ACROSS)
        if nonfinite[0] > 0:
            add_without_zeros(table, gradient, seen, dimage)

    return add_filters


def _add_filters_without_zeros(shape: ConvPool) -> Inlined:
    """An inlined function: the same, winner by winner, without the zeros around the filters. An
    infinite or NaN gradient times such a zero would give NaN beside the winner's patch."""
    conv, (QH, QW), (TH, TW) = shape.conv, shape.pooled, shape.table
    KH, RUN, F, LINE, TABLE_LINE = (
        conv.KH, conv.KW * conv.C, conv.F, conv.padded[1] * conv.C, TW * conv.C
    )  # fmt: skip
    TABLE = TH * TABLE_LINE
    FIRST = (shape.PH - 1) * conv.SH * TABLE_LINE + (shape.PW - 1) * conv.SW * conv.C

    @inlined
    def add_filters_without_zeros(table, gradient, seen, dimage):  # type: ignore[no-untyped-def]
        for q in range(QH * QW * F):
            at = q % F * TABLE + FIRST
            if gradient[q] != 0:
                for i in range(KH):
                    for k in range(RUN):
                        product = gradient[q] * table[at + i * TABLE_LINE + k]
                        dimage[seen[q] + i * LINE + k] += product

    return add_filters_without_zeros


def _sum_by_filter(rows: int, F: int, unit: Vectors, itemsize: int) -> Inlined:
    """An inlined function: sums[f] += Σ numbers[row, f] over all rows."""
    lanes = unit.lanes(F, itemsize)
    wide = min(unit.accumulators, -(-F // lanes)) * lanes
    whole, rest = divmod(F, wide)
    count = -(-rest // lanes)
    WIDE, STOP, ROWS, COPY = wide, whole * wide, rows, False
    ALL, LAST = (wide // lanes, lanes, lanes), (count, lanes, rest - (count - 1) * lanes)

    @inlined
    def sum_by_filter(numbers, sums):  # type: ignore[no-untyped-def]
        for f in range(0, STOP, WIDE):
            add_up(numbers, f, F, sums, f, numbers, 0, ROWS, ALL, COPY)
        if STOP < F:
            add_up(numbers, STOP, F, sums, STOP, numbers, 0, ROWS, LAST, COPY)

    return sum_by_filter


def _sum_of_rows(
    count: int,
    stride: int,
    runs: int,
    length: int,
    pitches: tuple[int, int],
    unit: Vectors,
    itemsize: int,
) -> Inlined:
    """An inlined function: out += Σ_i factor[i] · row_i, for rows of runs × length numbers, tile
    after tile."""
    lanes = unit.lanes(length, itemsize)
    segments, across, rest = split_evenly(-(-length // lanes), unit.accumulators)
    down = largest_divisor(runs, unit.accumulators // across) if segments == 1 and not rest else 1
    tail = length - (-(-length // lanes) - 1) * lanes
    pitch, out_pitch = pitches
    whole = Rows(count, stride, down, pitch, out_pitch, across, lanes, lanes)
    MAIN = tuple(whole)
    LAST = tuple(whole._replace(vectors=rest or across, tail=tail))
    RUNS, DOWN, WIDE, PITCH, OUT_PITCH = runs, down, across * lanes, pitch, out_pitch
    STOP = (segments if rest else segments - 1) * across * lanes

    @inlined
    def sum_of_rows(table, factors, first, offsets, out, to):  # type: ignore[no-untyped-def]
        for run in range(0, RUNS, DOWN):
            at = run * PITCH
            for start in range(0, STOP, WIDE):
                add_rows(
                    table, at + start, factors, first, offsets, first,
                    out, to + run * OUT_PITCH + start, MAIN,
                )  # fmt: skip
            add_rows(
                table, at + STOP, factors, first, offsets, first,
                out, to + run * OUT_PITCH + STOP, LAST,
            )  # fmt: skip

    return sum_of_rows
