"""Convolution + bias + ReLU + max-pool in one pass, forward and backward: what only Numba can do.

Forward, a register tile holds all the convolution's outputs of a few pooling windows; only the
maximum of each window, and which tap won, is ever stored.

Backward, only winners carry a gradient: one in four outputs for 2×2 pooling, and less where ReLU
cut them off. So nothing runs over the convolution's outputs. For each winner, with gradient d,

    dw[f] += d · (the patch that it saw)        f by f, the sum over all winners in registers
    dx[its patch] += d · w[f]                   window by window, the sum over f in registers

In the second sum the winners of one window differ by filter. Their patches lie in one region of
KH + (PH-1)·SH lines, and a filter shifted within that region is the same filter read from another
place of a table in which zeros surround it; so each is one add_rows (rows.py), without a branch.

Forward gives what the separate steps give: max(ReLU(y)) = ReLU(max(y)), ties and NaN included.
So does backward, unless a pixel or a filter is infinite or NaN: the separate steps multiply it with
the zero gradients of those that did not win too, and 0 · ∞ = NaN; here they are not visited.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .correlation import KERNELS, Correlation, sums_at_once, taps_together
from .frame import fill
from .jit import inner, jit
from .multiply import multiply_pool
from .panels import Panels, grouped, pack, panels
from .rows import Rows, add_rows, add_up
from .sharing import share
from .simd import Vectors, largest_divisor, split_evenly, vectors
from .tile import Tile
from .weight_gradient import add_parts
from .wild import count_wild


class ConvPool(NamedTuple):
    """A convolution, and a max-pool of PH×PW windows that neither overlap nor leave gaps."""

    conv: Correlation
    PH: int
    PW: int

    @property
    def pooled(self) -> tuple[int, int]:
        """(height, width) after pooling; what is left of the convolution's outputs is dropped."""
        return self.conv.OH // self.PH, self.conv.OW // self.PW

    @property
    def region(self) -> tuple[int, int]:
        """(height, width) of the pixels that a pooling window's outputs read."""
        c = self.conv
        return c.KH + (self.PH - 1) * c.SH, c.KW + (self.PW - 1) * c.SW

    @property
    def table(self) -> tuple[int, int]:
        """(height, width) of a filter with the zeros around it."""
        c = self.conv
        return c.KH + 2 * (self.PH - 1) * c.SH, c.KW + 2 * (self.PW - 1) * c.SW


def fits(taps: int, F: int, dtype: np.dtype[Any]) -> bool:
    """Whether the registers hold all outputs of a pooling window of `taps`, for a panel of F."""
    unit = vectors()
    return taps * panels(F, unit, np.dtype(dtype).itemsize).vectors <= unit.accumulators


def cut(conv: Correlation, dtype: np.dtype[Any]) -> Panels:
    """The filters' panels of `forward`."""
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    return grouped(panels(conv.F, unit, itemsize), conv.KH, conv.KW * conv.C, unit, itemsize)


@lru_cache(KERNELS)
def forward(shape: ConvPool, dtype: np.dtype[Any]) -> Callable[..., None]:
    """The kernel (team, x, w, b, packed, bias, packers, y, winner, images, pieces).

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); w: (KH, KW, C, F); b: (F,); packed, bias, packers: see panels.pack.
        y: (N·QH·QW·F,); winner: the same, uint8, as multiply_pool says.
        images: in a piece; pieces: how many.
    """
    conv, unit, parts = shape.conv, vectors(), cut(shape.conv, dtype)
    HEIGHT, WIDTH = conv.padded
    H, W, C, TOP, LEFT = conv.H, conv.W, conv.C, conv.top, conv.left
    FRAMED, PIXELS = conv.has_padding, HEIGHT * WIDTH * C
    PANEL = conv.KH * parts.steps(conv.KW * C) * parts.width
    FULL, LAST, WIDE, FILTERS, GROUP = (
        parts.full, parts.last, parts.width, parts.filters, parts.group
    )  # fmt: skip
    OUT_IMAGE = shape.pooled[0] * shape.pooled[1] * conv.F
    full = _pooling_panel(shape, parts, parts.vectors, parts.filters // parts.vectors, unit)
    last = _pooling_panel(shape, parts, parts.last, parts.tail, unit) if parts.last else full
    full = full if parts.full else last

    @inner
    def piece(number, x, w, b, y, winner, images):  # type: ignore[no-untyped-def]
        frame = np.zeros(PIXELS if FRAMED else 1, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            image = x[n].reshape(-1)
            if FRAMED:
                fill(frame, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = frame
            first = n * OUT_IMAGE
            for p in range(FULL):
                full(image, w, p * PANEL, b, p * WIDE, y, winner, first + p * FILTERS)
            if LAST > 0:
                last(image, w, FULL * PANEL, b, FULL * WIDE, y, winner, first + FULL * FILTERS)

    @jit
    def kernel(team, x, w, b, packed, bias, packers, y, winner, images, pieces):  # type: ignore[no-untyped-def]
        pack(team, w, b, packed, bias, packers, GROUP)
        share(team, pieces, piece, (x, packed, bias, y, winner, images))

    return kernel


def _pooling_panel(shape: ConvPool, parts: Panels, count: int, tail: int, unit: Vectors) -> Any:
    """A kernel for one image and one panel of the filters: tile after tile of pooling windows."""
    conv, (pooled_h, pooled_w) = shape.conv, shape.pooled
    _, width = conv.padded
    together, window = taps_together(conv, parts, count, unit), shape.PH * shape.PW * count
    together = together if sums_at_once(together, unit) >= window else 1
    most = max(1, sums_at_once(together, unit) // window)
    tiles_across, across, rest = split_evenly(pooled_w, most)
    tile = Tile(
        rows=shape.PH,
        row_pitch=conv.SH * width * conv.C,
        cols=across * shape.PW,
        col_pitch=conv.SW * conv.C,
        runs=conv.KH,
        length=conv.KW * conv.C,
        run_pitch=width * conv.C,
        step=1,
        b_run_pitch=parts.steps(conv.KW * conv.C) * parts.width,
        b_pitch=parts.width,
        vectors=count,
        lanes=parts.lanes,
        tail=tail,
        out_pitch=0,
        out_step=conv.F,
        group=parts.group,
        taps=together,
    )
    MAIN, REST = tuple(tile), tuple(tile._replace(cols=(rest or across) * shape.PW))
    QH, QW, ACROSS, PW, F = pooled_h, pooled_w, across, shape.PW, conv.F
    FIRST_REST = tiles_across * across
    ROW, PIXEL = shape.PH * tile.row_pitch, shape.PW * tile.col_pitch

    @inner
    def panel(x, w, w0, b, b0, y, winner, y0):  # type: ignore[no-untyped-def]
        for qh in range(QH):
            for qw in range(0, FIRST_REST, ACROSS):
                out = y0 + (qh * QW + qw) * F
                multiply_pool(x, qh * ROW + qw * PIXEL, w, w0, b, b0, y, out, winner, out, PW, MAIN)
            for qw in range(FIRST_REST, QW, ACROSS):
                out = y0 + (qh * QW + qw) * F
                multiply_pool(x, qh * ROW + qw * PIXEL, w, w0, b, b0, y, out, winner, out, PW, REST)

    return panel


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
