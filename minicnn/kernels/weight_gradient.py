"""The gradient by a convolution's filters: dw = Σ x · dy over all pixels, and db = Σ dy.

The transposed patch matrix times dy, again without a patch matrix: a tile's rows are
neighbouring numbers of the patch, and its sum runs over the pixels of a block of lines. Each
piece of the batch has sums of its own, which are added in the order of the pieces.

Where a pixel has numbers enough for tiles of its own, padding costs nothing: each pixel of the
window is summed over those outputs for which it lies inside the image. Else the image is copied
into a frame of zeros. (What a zero makes of an infinite gradient is put right in padding.py.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import team as teams
from . import tile as tiles
from .correlation import KERNELS, Correlation
from .frame import fill
from .jit import inner, jit
from .panels import Panels, panels
from .simd import Vectors, largest_divisor, split_evenly, vectors
from .tile import Tile

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
def weight_gradient(shape: Correlation, dtype: np.dtype[Any]) -> Callable[..., None]:
    """The kernel (team, x, dy, dws, dbs, dw, db, images) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); dy: (N, OH, OW, F).
        dws, dbs: (parts, KH*KW*C*F) and (parts, F): room for the sums of each part of the batch,
            panel after panel.
        dw: (KH*KW*C*F,); db: (F,): their sum, added in the order of the parts.
        images: in a part.
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
                tiles.add_up(flat, at, K * F, dw, to, dw, 0, parts, ROW, NOT)
            if REST > 0:
                at, to = FULL * WIDE * K + k * REST, k * F + FULL * WIDE
                tiles.add_up(flat, at, K * F, dw, to, dw, 0, parts, LAST_ROW, NOT)

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

    @jit
    def kernel(team, x, dy, dws, dbs, dw, db, images):  # type: ignore[no-untyped-def]
        teams.share(team, len(dws) * PANELS, piece, (x, dy, dws, dbs, images))
        teams.share(team, SUMS, sum_piece, (dws, dw))
        add_parts(team, dbs, db)

    return kernel


def _patch_tiles(
    shape: Correlation, cut: Panels, block: int, count: int, tail: int, unit: Vectors
) -> Any:
    """A part for a block of lines and one panel: all of dw, tile after tile of the patch."""
    by_pixel = shape.left > 0 or shape.right > 0
    size = shape.C if by_pixel else shape.KW * shape.C  # numbers that are summed over the same span
    number, across, rest = split_evenly(size, max(1, unit.accumulators // count - 1))
    down, used = 1, (count - 1) * cut.lanes + tail
    if number == 1 and not rest and not shape.has_padding:
        down = largest_divisor(shape.KH, max(1, (unit.accumulators // count - 1) // across))
    pitch = cut.width if cut.total > 1 else shape.F
    line, of_dw = shape.W * shape.C, shape.KW * shape.C
    tile = Tile(
        rows=down,
        row_pitch=line,
        cols=across,
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
        out_pitch=of_dw * used,
        out_step=used,
        masked=1,
    )
    MAIN, REST = tuple(tile), tuple(tile._replace(cols=rest or across))
    ROW = (count, cut.lanes, tail)
    lines = spans(shape.KH, shape.OH, shape.SH, shape.H, shape.top)
    columns = spans(shape.KW if by_pixel else 1, shape.OW, shape.SW, shape.W, shape.left)
    if not by_pixel:
        columns = Spans((0,), (shape.OW,))
    (FIRST_LINE, STOP_LINE), (FIRST, STOP) = lines, columns
    TAPS, SIZE, DOWN, ACROSS, USED, BLOCK = len(FIRST), size, down, across, used, block
    KH, SH, SW, C, TOP, LEFT, LINE = (
        shape.KH, shape.SH, shape.SW, shape.C, shape.top, shape.left, line
    )  # fmt: skip
    FIRST_REST, OW, PITCH, DW_LINE = number * across, shape.OW, pitch, of_dw * used
    # a panel's gradients lie apart: they are brought together. Where no tap may see all of them,
    # they are added up by themselves, else by the first tile.
    COPIED, F, PIXELS = cut.total > 1, shape.F, block * shape.OW
    ADD_UP, NOT = not COPIED and not shape.has_padding, False

    @inner
    def tiles_of_patch(x, gradient, gradient0, panel_dy, oh, dw, db):  # type: ignore[no-untyped-def]
        if not ADD_UP:
            tiles.add_up(gradient, gradient0, F, db, 0, panel_dy, 0, PIXELS, ROW, COPIED)
        dy, dy0 = (panel_dy, 0) if COPIED else (gradient, gradient0)
        for i in range(0, KH, DOWN):
            first = max(oh, FIRST_LINE[i])
            runs = min(oh + BLOCK, STOP_LINE[i]) - first
            for j in range(TAPS):
                x0 = (first * SH + i - TOP) * LINE + (FIRST[j] * SW + j - LEFT) * C
                g0 = dy0 + ((first - oh) * OW + FIRST[j]) * PITCH
                to, length = i * DW_LINE + j * C * USED, STOP[j] - FIRST[j]
                for c in range(0, FIRST_REST, ACROSS):
                    if ADD_UP and i == 0 and c == 0:
                        tiles.multiply_add(
                            x, x0, dy, g0, db, 0, dw, to, runs, length, ADD_UP, MAIN
                        )
                    else:
                        tiles.multiply_add(
                            x, x0 + c, dy, g0, db, 0, dw, to + c * USED, runs, length, NOT, MAIN
                        )
                for c in range(FIRST_REST, SIZE, ACROSS):
                    tiles.multiply_add(
                        x, x0 + c, dy, g0, db, 0, dw, to + c * USED, runs, length, NOT, REST
                    )

    return tiles_of_patch


@inner
def zero(numbers):  # type: ignore[no-untyped-def]
    """numbers = 0."""
    for i in range(len(numbers)):
        numbers[i] = 0


@inner
def add_parts(team, parts, total):  # type: ignore[no-untyped-def]
    """total = Σ parts over the first axis, in order."""
    size = max(4096, (len(total) + 15) // 16)
    teams.share(team, (len(total) + size - 1) // size, _add_piece, (parts, total, size))


@inner
def _add_piece(number, parts, total, size):  # type: ignore[no-untyped-def]
    first, stop = number * size, min((number + 1) * size, len(total))
    for i in range(first, stop):
        total[i] = parts[0, i]
    for part in parts[1:]:
        for i in range(first, stop):
            total[i] += part[i]
