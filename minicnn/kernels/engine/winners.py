"""The backward pass of convolution + ReLU + max-pool (fused.py): from winner to winner.

Only winners carry a gradient: one in four outputs for 2×2 pooling, and less where ReLU cut them
off. So nothing runs over the convolution's outputs. For each winner, with gradient d,

    dw[f] += d · (the patch that it saw)        f by f, the sum over all winners in registers
    dx[its patch] += d · w[f]                   window by window, the sum over f in registers

In the second sum the winners of one window differ by filter. Their patches lie in one region of
KH + (PH-1)·SH lines, and a filter shifted within that region is the same filter read from another
place of a table in which zeros surround it; so each is one add_rows (rows.py), without a branch.

The results are those of the separate steps, unless a pixel or a filter is infinite or NaN: these
steps multiply it with the zero gradients of those that did not win, too, and 0 · ∞ = NaN; here
those are not visited.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..jit import inner, jit
from .codegen.rows import Rows, add_rows, add_up
from .codegen.simd import Vectors, largest_divisor, split_evenly, vectors
from .correlation import KERNELS
from .fused import ConvPool
from .nonfinite import count_wild
from .padded_copy import fill
from .threads.work_sharing import share
from .weight_gradient import add_parts


@lru_cache(KERNELS)
def backward(shape: ConvPool, need_dx: bool, dtype: np.dtype[Any]) -> Callable[..., None]:
    """The kernel (team, dy, winner, x, w, table, dx, dws, dbs, dw, db, images) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        dy: (N, QH*QW*F); winner: the same, from forward.
        x: (N, H, W, C); w: (KH, KW, C, F).
        table: (F*TH*TW*C,): room for the filters with zeros around them.
        dx: (N, H*W*C), left alone if not need_dx.
        dws, dbs: (parts, F*KH*KW*C) and (parts, F): room for the sums of each part of the batch.
        dw: (KH*KW*C, F); db: (F,): their sum, added in the order of the parts.
        images: in a part.
    """
    conv, unit, itemsize = shape.conv, vectors(), np.dtype(dtype).itemsize
    HEIGHT, WIDTH = conv.padded
    H, W, C, F, TOP, LEFT = conv.H, conv.W, conv.C, conv.F, conv.top, conv.left
    FRAMED, PIXELS, K = conv.has_padding, HEIGHT * WIDTH * C, conv.KH * conv.KW * C
    (QH, QW), (REGION, _), (TH, TW) = shape.pooled, shape.region, shape.table
    PH, PW, SH, SW, KH, KW, TAPS = (
        shape.PH, shape.PW, conv.SH, conv.SW, conv.KH, conv.KW, shape.PH * shape.PW
    )  # fmt: skip
    LINE, TABLE_LINE, TABLE = WIDTH * C, TW * C, TH * TW * C
    NEED_DX, LARGEST = need_dx, float(np.finfo(dtype).max)
    sum_by_filter = _sum_kernel(QH * QW, F, unit, itemsize)
    add_patches = _rows_kernel(QH * QW, F, KH, KW * C, (LINE, KW * C), unit, itemsize)
    add_filters = _rows_kernel(
        F, 1, REGION, shape.region[1] * C, (TABLE_LINE, LINE), unit, itemsize
    )

    @inner
    def fill_table(table, w):  # type: ignore[no-untyped-def]
        """Each filter in the middle of its zeros."""
        table[:] = 0
        first = (PH - 1) * SH * TABLE_LINE + (PW - 1) * SW * C
        for i in range(KH):
            for j in range(KW):
                for c in range(C):
                    at = first + i * TABLE_LINE + j * C + c
                    for f in range(F):
                        table[f * TABLE + at] = w[i, j, c, f]

    @inner
    def first_taps(seen, shifted):  # type: ignore[no-untyped-def]
        """Of each winner, if it were the window's first tap: where in the image the patch lies
        that it saw, and where in the table its filter lies, shifted as that tap."""
        for qh in range(QH):
            for qw in range(QW):
                for f in range(F):
                    q = (qh * QW + qw) * F + f
                    seen[q] = qh * PH * SH * LINE + qw * PW * SW * C
                    shifted[q] = f * TABLE + (PH - 1) * SH * TABLE_LINE + (PW - 1) * SW * C

    @inner
    def find_winners(dy, winner, gradient, first, seen, first_shifted, shifted, db):  # type: ignore[no-untyped-def]
        """The same for the taps that won, and their gradient: 0 where ReLU cut it off."""
        # A loop for each result: of three in one, LLVM does not check whether arrays overlap, and
        # then makes no vector code.
        for q in range(QH * QW * F):
            gradient[q] = dy[q] if winner[q] < TAPS else dy.dtype.type(0)
        for q in range(QH * QW * F):
            tap = np.int32(winner[q])
            tap = tap if tap < TAPS else np.int32(0)  # where it is cut off: any place to read
            i = tap // np.int32(PW)
            j = tap - i * np.int32(PW)
            seen[q] = first[q] + i * np.int32(SH * LINE) + j * np.int32(SW * C)
        for q in range(QH * QW * F):
            tap = np.int32(winner[q])
            tap = tap if tap < TAPS else np.int32(0)
            i = tap // np.int32(PW)
            j = tap - i * np.int32(PW)
            shifted[q] = first_shifted[q] - i * np.int32(SH * TABLE_LINE) - j * np.int32(SW * C)
        sum_by_filter(gradient, db)

    @inner
    def add_filters_alone(table, gradient, seen, dimage):  # type: ignore[no-untyped-def]
        """The same as add_filters, winner by winner, without the zeros around the filters: what is
        infinite or NaN times zero would be NaN, beside the patch that the winner saw."""
        for q in range(QH * QW * F):
            at = q % F * TABLE + (PH - 1) * SH * TABLE_LINE + (PW - 1) * SW * C
            if gradient[q] != 0:
                for i in range(KH):
                    for k in range(KW * C):
                        part = gradient[q] * table[at + i * TABLE_LINE + k]
                        dimage[seen[q] + i * LINE + k] += part

    @inner
    def piece(number, dy, winner, x, table, dx, dws, dbs, images):  # type: ignore[no-untyped-def]
        frame = np.zeros(PIXELS if FRAMED else 1, x.dtype)
        dframe = np.zeros(PIXELS if FRAMED and NEED_DX else 1, x.dtype)
        gradient = np.empty(QH * QW * F, x.dtype)
        seen, shifted = np.empty(QH * QW * F, np.int32), np.empty(QH * QW * F, np.int32)
        first, first_shifted = np.empty_like(seen), np.empty_like(seen)
        wild = np.zeros(1, np.int64)
        first_taps(first, first_shifted)
        dw, db = dws[number], dbs[number]
        dw[:] = 0
        db[:] = 0
        for n in range(number * images, min((number + 1) * images, len(x))):
            find_winners(dy[n], winner[n], gradient, first, seen, first_shifted, shifted, db)
            image = x[n].reshape(-1)
            if FRAMED:
                fill(frame, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = frame
            for f in range(F):
                add_patches(image, gradient, f, seen, dw, f * K)
            if NEED_DX:
                dimage = dx[n]
                if FRAMED:
                    dimage = dframe
                dimage[:] = 0
                count_wild(gradient, LARGEST, wild)
                for qh in range(QH if wild[0] == 0 else 0):
                    for qw in range(QW):
                        q = (qh * QW + qw) * F
                        to = qh * PH * SH * LINE + qw * PW * SW * C
                        add_filters(table, gradient, q, shifted, dimage, to)
                if wild[0] > 0:
                    add_filters_alone(table, gradient, seen, dimage)
                if FRAMED:
                    fill(dx[n], dimage, HEIGHT, WIDTH, C, H, W, -TOP, -LEFT)

    @jit
    def kernel(team, dy, winner, x, w, table, dx, dws, dbs, dw, db, images):  # type: ignore[no-untyped-def]
        if NEED_DX:
            fill_table(table, w)
        share(team, len(dws), piece, (dy, winner, x, table, dx, dws, dbs, images))
        total = np.empty(F * K, w.dtype)
        add_parts(team, dws, total)
        add_parts(team, dbs, db)
        for f in range(F):
            for k in range(K):
                dw[k, f] = total[f * K + k]

    return kernel


def _sum_kernel(rows: int, F: int, unit: Vectors, itemsize: int) -> Any:
    """A part: sums[f] += Σ numbers[row, f] over all rows."""
    lanes = unit.lanes(F, itemsize)
    wide = min(unit.accumulators, -(-F // lanes)) * lanes
    whole, rest = divmod(F, wide)
    count = -(-rest // lanes)
    WIDE, STOP, ROWS, NO = wide, whole * wide, rows, False
    ALL, LAST = (wide // lanes, lanes, lanes), (count, lanes, rest - (count - 1) * lanes)

    @inner
    def sums_of(numbers, sums):  # type: ignore[no-untyped-def]
        for f in range(0, STOP, WIDE):
            add_up(numbers, f, F, sums, f, numbers, 0, ROWS, ALL, NO)
        if STOP < F:
            add_up(numbers, STOP, F, sums, STOP, numbers, 0, ROWS, LAST, NO)

    return sums_of


def _rows_kernel(
    count: int,
    stride: int,
    runs: int,
    length: int,
    pitches: tuple[int, int],
    unit: Vectors,
    itemsize: int,
) -> Any:
    """C += Σ_i factor[i] · row_i, for rows of runs × length numbers: as many tiles as it takes."""
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

    @inner
    def rows(table, factors, first, offsets, out, to):  # type: ignore[no-untyped-def]
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

    return rows
