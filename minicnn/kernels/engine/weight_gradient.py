"""The gradient by a convolution's filters: dw = Σ x · dy over all pixels, and db = Σ dy.

This is the transposed patch matrix times dy, again without a patch matrix: a tile's rows are
neighbouring numbers of the patch, and its sum runs over the pixels of a block of lines. Each batch
piece has its own sums, which are added in the order of the pieces.

If a pixel has enough channels for tiles of its own, padding is free: each tap of the window is
summed over the outputs for which it lies inside the image. Otherwise the image is copied with its
padding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..jit import Inlined, Kernel, inlined, jit
from ..memory import DType
from .codegen.multiply import multiply_add
from .codegen.rows import add_up
from .codegen.simd import Vectors, largest_divisor, split_evenly, vectors
from .codegen.tile import Tile
from .correlation import KERNEL_CACHE_SIZE, Correlation
from .nonfinite import count_nonfinite, largest_finite
from .padded_copy import copy_padded
from .panels import Panels, cut_panels
from .threads.work_sharing import share

BLOCK_BYTES = 1 << 17  # of a panel's gradients at a time, so that they stay in the cache
MIN_CHANNELS = 8  # for tiles of one pixel


class Spans(NamedTuple):
    """Along one axis, for each tap of the window: the outputs whose tap lies inside the image."""

    first: tuple[int, ...]
    stop: tuple[int, ...]


def spans(taps: int, outputs: int, stride: int, size: int, before: int) -> Spans:
    """The outputs o with 0 <= o·stride + tap - before < size, for each tap."""
    first = [max(0, -((tap - before) // stride)) for tap in range(taps)]
    stop = [min(outputs, (size - 1 - tap + before) // stride + 1) for tap in range(taps)]
    return Spans(tuple(first), tuple(stop))


def reads_in_place(shape: Correlation) -> bool:
    """Whether no padded copy is needed."""
    return not shape.has_padding or shape.C >= MIN_CHANNELS


@lru_cache(KERNEL_CACHE_SIZE)
def weight_gradient(shape: Correlation, dtype: DType) -> Kernel:
    """The kernel (team, x, dy, dws, dbs, dw, db, images) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); dy: (N, OH, OW, F).
        dws, dbs: (pieces, KH*KW*C*F) and (pieces, F): buffers for the sums of each batch piece,
            panel after panel.
        dw: (KH*KW*C*F,); db: (F,): their sum, added in the order of the pieces.
        images: in a piece.

    Returns (the kernel):
        Whether padding was skipped that meets infinite or NaN gradients.
    """
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    panels = cut_panels(shape.F, unit, itemsize)
    K = shape.KH * shape.KW * shape.C
    PANELS, SUMS = panels.total, min(16, K)
    SKIPS_PADDING = shape.has_padding and reads_in_place(shape)
    LARGEST = largest_finite(dtype)
    piece = _piece(shape, panels, unit, itemsize)
    sum_piece = _sum_piece(shape.F, K, SUMS, panels)

    @jit
    def kernel(team, x, dy, dws, dbs, dw, db, images):  # type: ignore[no-untyped-def]
        share(team, len(dws) * PANELS, piece, (x, dy, dws, dbs, images))
        share(team, SUMS, sum_piece, (dws, dw))
        add_pieces(team, dbs, db)
        # a non-finite gradient makes the sum non-finite too
        nonfinite = np.zeros(1, np.int64)
        if SKIPS_PADDING:
            count_nonfinite(db, LARGEST, nonfinite)
        return nonfinite[0] > 0

    return kernel


def _piece(shape: Correlation, panels: Panels, unit: Vectors, itemsize: int) -> Inlined:
    """An inlined function for one panel of one batch piece: block after block of output lines."""
    COPIES_IMAGE, (HEIGHT, WIDTH) = not reads_in_place(shape), shape.padded
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    line = shape.OW * min(panels.width, shape.F) * itemsize
    block = largest_divisor(shape.OH, max(1, BLOCK_BYTES // line))
    OH, OW, BLOCK, F, K = shape.OH, shape.OW, block, shape.F, shape.KH * shape.KW * C
    PANELS, FULL, PANEL_WIDTH = panels.total, panels.full, panels.width
    COPIES_DY, PIXELS = panels.total > 1, block * shape.OW
    seen = shape.of_padded_image if COPIES_IMAGE else shape
    full = last = _patch_tiles(seen, panels, block, panels.vectors, panels.lanes, unit)
    if panels.last:
        last = _patch_tiles(seen, panels, block, panels.last, panels.tail, unit)

    @inlined
    def piece(number, x, dy, dws, dbs, images):  # type: ignore[no-untyped-def]
        batch_piece, panel = number // PANELS, number % PANELS
        first = panel * PANEL_WIDTH
        used = min(PANEL_WIDTH, F - first)
        padded = np.zeros(HEIGHT * WIDTH * C if COPIES_IMAGE else 1, x.dtype)
        panel_dy = np.empty(PIXELS * PANEL_WIDTH if COPIES_DY else 1, x.dtype)
        dw = dws[batch_piece, K * first : K * (first + used)]
        db = dbs[batch_piece, first : first + used]
        zero(dw)
        zero(db)
        for n in range(batch_piece * images, min((batch_piece + 1) * images, len(x))):
            image, gradient = x[n].reshape(-1), dy[n].reshape(-1)
            if COPIES_IMAGE:
                copy_padded(padded, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = padded
            for oh in range(0, OH, BLOCK):
                if panel < FULL:
                    full(image, gradient, oh * OW * F + first, panel_dy, oh, dw, db)
                else:
                    last(image, gradient, oh * OW * F + first, panel_dy, oh, dw, db)

    return piece


def _sum_piece(F: int, K: int, sums: int, panels: Panels) -> Inlined:
    """An inlined function for one of `sums` stretches of the patch: the pieces' sums, in order."""
    FULL, PANEL_WIDTH, REST = panels.full, panels.width, F - panels.full * panels.width
    ROW = panels.vectors, panels.lanes, panels.lanes
    LAST_ROW = panels.last, panels.lanes, panels.tail
    SUMS, COPY = sums, False

    @inlined
    def sum_piece(number, dws, dw):  # type: ignore[no-untyped-def]
        pieces, flat = len(dws), dws.reshape(-1)
        for k in range(number * K // SUMS, (number + 1) * K // SUMS):
            zero(dw[k * F : (k + 1) * F])
            for p in range(FULL):
                at, to = p * PANEL_WIDTH * K + k * PANEL_WIDTH, k * F + p * PANEL_WIDTH
                add_up(flat, at, K * F, dw, to, dw, 0, pieces, ROW, COPY)
            if REST > 0:
                at, to = FULL * PANEL_WIDTH * K + k * REST, k * F + FULL * PANEL_WIDTH
                add_up(flat, at, K * F, dw, to, dw, 0, pieces, LAST_ROW, COPY)

    return sum_piece


class Patch(NamedTuple):
    """How a patch is cut into tiles of down × across numbers. A stretch is `size` numbers that lie
    inside the image for the same outputs."""

    size: int
    whole: int  # tiles of a stretch
    across: int
    rest: int  # numbers of a smaller tile; 0: there is none
    down: int
    lines: Spans
    columns: Spans  # by stretch

    @classmethod
    def of(cls, shape: Correlation, most: int) -> Patch:
        """Into tiles of at most `most` numbers: of one pixel if that skips padding, otherwise of
        one or several lines of the window."""
        lines = spans(shape.KH, shape.OH, shape.SH, shape.H, shape.top)
        if shape.left or shape.right:
            columns = spans(shape.KW, shape.OW, shape.SW, shape.W, shape.left)
            return cls(shape.C, *split_evenly(shape.C, most), 1, lines, columns)
        size, down = shape.KW * shape.C, 1
        whole, across, rest = split_evenly(size, most)
        if whole == 1 and not rest and not shape.has_padding:
            down = largest_divisor(shape.KH, most // across)
        return cls(size, whole, across, rest, down, lines, Spans((0,), (shape.OW,)))


def _patch_tiles(
    shape: Correlation, panels: Panels, block: int, count: int, tail: int, unit: Vectors
) -> Inlined:
    """An inlined function for a block of lines and one panel: all of dw, tile after tile."""
    patch = Patch.of(shape, max(1, unit.accumulators // count - 1))  # one is for db
    # If there are several panels, a panel's gradients are copied to be contiguous. The first tile
    # adds them up to db, unless they are copied or a tap may miss some: then a pass of its own.
    COPIED, OUTPUTS = panels.total > 1, block * shape.OW
    FIRST_ADDS, YES, NO = not COPIED and not shape.has_padding, True, False
    tile = _tile(shape, panels, patch, count, tail, count * panels.lanes if COPIED else shape.F)
    MAIN, LAST = tuple(tile), tuple(tile._replace(cols=patch.rest or patch.across))
    ROW, F = (count, panels.lanes, tail), shape.F
    (FIRST_LINE, STOP_LINE), (FIRST, STOP) = patch.lines, patch.columns
    STRETCHES, SIZE, DOWN, ACROSS = len(FIRST), patch.size, patch.down, patch.across
    STOP_WHOLE, BLOCK, OW, DY, DW = (
        patch.whole * ACROSS, block, shape.OW, tile.b_pitch, tile.out_step
    )  # fmt: skip
    KH, KW, SH, SW, C, TOP, LEFT, LINE = (
        shape.KH, shape.KW, shape.SH, shape.SW, shape.C, shape.top, shape.left, tile.row_pitch
    )  # fmt: skip

    @inlined
    def tiles_of_patch(x, gradient, gradient0, panel_dy, oh, dw, db):  # type: ignore[no-untyped-def]
        if not FIRST_ADDS:
            add_up(gradient, gradient0, F, db, 0, panel_dy, 0, OUTPUTS, ROW, COPIED)
        dy, dy0 = (panel_dy, 0) if COPIED else (gradient, gradient0)
        for i in range(0, KH, DOWN):
            first = max(oh, FIRST_LINE[i])
            runs = min(oh + BLOCK, STOP_LINE[i]) - first
            for j in range(STRETCHES):
                x0 = (first * SH + i - TOP) * LINE + (FIRST[j] * SW + j - LEFT) * C
                at = dy0 + ((first - oh) * OW + FIRST[j]) * DY
                to, length = (i * KW + j) * C * DW, STOP[j] - FIRST[j]
                for c in range(0, STOP_WHOLE, ACROSS):
                    if FIRST_ADDS and i == 0 and c == 0:
                        multiply_add(x, x0, dy, at, db, 0, dw, to, runs, length, YES, MAIN)
                    else:
                        multiply_add(
                            x, x0 + c, dy, at, db, 0, dw, to + c * DW, runs, length, NO, MAIN
                        )
                for c in range(STOP_WHOLE, SIZE, ACROSS):
                    multiply_add(x, x0 + c, dy, at, db, 0, dw, to + c * DW, runs, length, NO, LAST)

    return tiles_of_patch


def _tile(
    shape: Correlation, panels: Panels, patch: Patch, count: int, tail: int, pitch: int
) -> Tile:
    """Rows: numbers of the patch. The sum: the outputs, whose gradients lie `pitch` apart."""
    line, used = shape.W * shape.C, (count - 1) * panels.lanes + tail
    return Tile(
        rows=patch.down,
        row_pitch=line,
        cols=patch.across,
        col_pitch=1,
        runs=0,
        length=0,
        run_pitch=shape.SH * line,
        step=shape.SW * shape.C,
        b_run_pitch=shape.OW * pitch,
        b_pitch=pitch,
        vectors=count,
        lanes=panels.lanes,
        tail=tail,
        out_pitch=shape.KW * shape.C * used,
        out_step=used,
        masked=1,
    )


@inlined
def zero(numbers):  # type: ignore[no-untyped-def]
    """numbers = 0."""
    for i in range(len(numbers)):
        numbers[i] = 0


@inlined
def add_pieces(team, sums, total):  # type: ignore[no-untyped-def]
    """total = Σ sums over the first axis, the batch pieces, in order."""
    size = max(4096, (len(total) + 15) // 16)
    share(team, (len(total) + size - 1) // size, _add_slice, (sums, total, size))


@inlined
def _add_slice(number, sums, total, size):  # type: ignore[no-untyped-def]
    first, stop = number * size, min((number + 1) * size, len(total))
    for i in range(first, stop):
        total[i] = sums[0, i]
    for row in sums[1:]:
        for i in range(first, stop):
            total[i] += row[i]
