"""The gradient by a convolution's filters: dw = Σ x · dy over all pixels, and db = Σ dy.

The transposed patch matrix times dy, again without a patch matrix: a tile's rows are
neighbouring numbers of the patch, and its sum runs over the pixels of a block of lines. Each
piece of the batch has sums of its own, which are added in the order of the pieces.

Where a pixel has numbers enough for tiles of its own, padding costs nothing: each pixel of the
window is summed over those outputs for which it lies inside the image. Else the image is copied
into a frame of zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..jit import inner, jit
from .codegen.multiply import multiply_add
from .codegen.rows import add_up
from .codegen.simd import Vectors, largest_divisor, split_evenly, vectors
from .codegen.tile import Tile
from .correlation import KERNELS, Correlation
from .nonfinite import count_wild
from .padded_copy import fill
from .panels import Panels, panels
from .threads.work_sharing import share

BLOCK_BYTES = 1 << 17  # of a panel's gradients at a time, so that they stay in the cache
LEAST_ROWS = 8


class Spans(NamedTuple):
    """Along one axis, for each tap of the window: the outputs whose tap lies inside the image."""

    first: tuple[int, ...]
    stop: tuple[int, ...]


def spans(taps: int, outputs: int, stride: int, size: int, before: int) -> Spans:
    """Of outputs o with 0 <= o·stride + tap - before < size."""
    first = [max(0, -((tap - before) // stride)) for tap in range(taps)]
    stop = [min(outputs, (size - 1 - tap + before) // stride + 1) for tap in range(taps)]
    return Spans(tuple(first), tuple(stop))


def read_in_place(shape: Correlation) -> bool:
    """Whether no frame is needed."""
    return not shape.has_padding or shape.C >= LEAST_ROWS


@lru_cache(KERNELS)
def weight_gradient(shape: Correlation, dtype: np.dtype[Any]) -> Callable[..., bool]:
    """The kernel (team, x, dy, dws, dbs, dw, db, images) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); dy: (N, OH, OW, F).
        dws, dbs: (parts, KH*KW*C*F) and (parts, F): room for the sums of each part of the batch,
            panel after panel.
        dw: (KH*KW*C*F,); db: (F,): their sum, added in the order of the parts.
        images: in a part.

    Returns (the kernel):
        Whether padding was left out that would have met infinite or NaN gradients.
    """
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    cut = panels(shape.F, unit, itemsize)
    FRAMED, (HEIGHT, WIDTH) = not read_in_place(shape), shape.padded
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    seen = shape.framed if FRAMED else shape
    line = shape.OW * min(cut.width, shape.F) * itemsize
    block = largest_divisor(shape.OH, max(1, BLOCK_BYTES // line))
    OH, OW, BLOCK, F, K = shape.OH, shape.OW, block, shape.F, shape.KH * shape.KW * C
    PANELS, FULL, WIDE, REST = cut.total, cut.full, cut.width, shape.F - cut.full * cut.width
    COPIED, PIXELS = cut.total > 1, block * shape.OW
    full = _patch_tiles(seen, cut, block, cut.vectors, cut.lanes, unit)
    last = _patch_tiles(seen, cut, block, cut.last, cut.tail, unit) if cut.last else full

    ROW, LAST_ROW = (cut.vectors, cut.lanes, cut.lanes), (cut.last, cut.lanes, cut.tail)
    NOT, SUMS = False, min(16, K)

    @inner
    def sum_piece(number, dws, dw):  # type: ignore[no-untyped-def]
        """One of SUMS stretches of the patch: the parts' sums, in order."""
        parts, flat = len(dws), dws.reshape(-1)
        for k in range(number * K // SUMS, (number + 1) * K // SUMS):
            zero(dw[k * F : (k + 1) * F])
            for p in range(FULL):
                at, to = p * WIDE * K + k * WIDE, k * F + p * WIDE
                add_up(flat, at, K * F, dw, to, dw, 0, parts, ROW, NOT)
            if REST > 0:
                at, to = FULL * WIDE * K + k * REST, k * F + FULL * WIDE
                add_up(flat, at, K * F, dw, to, dw, 0, parts, LAST_ROW, NOT)

    @inner
    def piece(number, x, dy, dws, dbs, images):  # type: ignore[no-untyped-def]
        part, panel = number // PANELS, number % PANELS
        first = panel * WIDE
        used = min(WIDE, F - first)
        frame = np.zeros(HEIGHT * WIDTH * C if FRAMED else 1, x.dtype)
        panel_dy = np.empty(PIXELS * WIDE if COPIED else 1, x.dtype)
        dw, db = dws[part, K * first : K * (first + used)], dbs[part, first : first + used]
        zero(dw)
        zero(db)
        for n in range(part * images, min((part + 1) * images, len(x))):
            image, gradient = x[n].reshape(-1), dy[n].reshape(-1)
            if FRAMED:
                fill(frame, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = frame
            for oh in range(0, OH, BLOCK):
                if panel < FULL:
                    full(image, gradient, oh * OW * F + first, panel_dy, oh, dw, db)
                else:
                    last(image, gradient, oh * OW * F + first, panel_dy, oh, dw, db)

    LEFT_OUT, LARGEST = shape.has_padding and not FRAMED, float(np.finfo(dtype).max)

    @jit
    def kernel(team, x, dy, dws, dbs, dw, db, images):  # type: ignore[no-untyped-def]
        share(team, len(dws) * PANELS, piece, (x, dy, dws, dbs, images))
        share(team, SUMS, sum_piece, (dws, dw))
        add_parts(team, dbs, db)
        # a sum with such a gradient in it is no number either
        wild = np.zeros(1, np.int64)
        if LEFT_OUT:
            count_wild(db, LARGEST, wild)
        return wild[0] > 0

    return kernel


class Patch(NamedTuple):
    """How a patch is cut into tiles: down × across numbers, of a stretch of `size` numbers that lie
    inside the image for the same outputs."""

    size: int
    whole: int  # tiles of a stretch
    across: int
    rest: int  # numbers of one that is smaller; 0: there is none
    down: int
    lines: Spans
    columns: Spans  # by stretch

    @classmethod
    def of(cls, shape: Correlation, most: int) -> Patch:
        """Into tiles of at most `most` numbers: pixel by pixel, where that spares padding; else a
        line of the window at a time, or several."""
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
    shape: Correlation, cut: Panels, block: int, count: int, tail: int, unit: Vectors
) -> Any:
    """A part for a block of lines and one panel: all of dw, tile after tile of the patch."""
    patch = Patch.of(shape, max(1, unit.accumulators // count - 1))  # one is for db
    # A panel's gradients lie apart: they are brought together. Where no tap may see all of them,
    # they are added up by themselves, else by the first tile.
    COPIED, OUTPUTS = cut.total > 1, block * shape.OW
    FIRST_ADDS, YES, NO = not COPIED and not shape.has_padding, True, False
    tile = _tile(shape, cut, patch, count, tail, count * cut.lanes if COPIED else shape.F)
    MAIN, LAST = tuple(tile), tuple(tile._replace(cols=patch.rest or patch.across))
    ROW, F = (count, cut.lanes, tail), shape.F
    (FIRST_LINE, STOP_LINE), (FIRST, STOP) = patch.lines, patch.columns
    STRETCHES, SIZE, DOWN, ACROSS = len(FIRST), patch.size, patch.down, patch.across
    STOP_WHOLE, BLOCK, OW, DY, DW = (
        patch.whole * ACROSS, block, shape.OW, tile.b_pitch, tile.out_step
    )  # fmt: skip
    KH, KW, SH, SW, C, TOP, LEFT, LINE = (
        shape.KH, shape.KW, shape.SH, shape.SW, shape.C, shape.top, shape.left, tile.row_pitch
    )  # fmt: skip

    @inner
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


def _tile(shape: Correlation, cut: Panels, patch: Patch, count: int, tail: int, pitch: int) -> Tile:
    """Rows: numbers of the patch. The sum: the outputs, whose gradients lie `pitch` apart."""
    line, used = shape.W * shape.C, (count - 1) * cut.lanes + tail
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
        lanes=cut.lanes,
        tail=tail,
        out_pitch=shape.KW * shape.C * used,
        out_step=used,
        masked=1,
    )


@inner
def zero(numbers):  # type: ignore[no-untyped-def]
    """numbers = 0."""
    for i in range(len(numbers)):
        numbers[i] = 0


@inner
def add_parts(team, parts, total):  # type: ignore[no-untyped-def]
    """total = Σ parts over the first axis, in order."""
    size = max(4096, (len(total) + 15) // 16)
    share(team, (len(total) + size - 1) // size, _add_piece, (parts, total, size))


@inner
def _add_piece(number, parts, total, size):  # type: ignore[no-untyped-def]
    first, stop = number * size, min((number + 1) * size, len(total))
    for i in range(first, stop):
        total[i] = parts[0, i]
    for part in parts[1:]:
        for i in range(first, stop):
            total[i] += part[i]
