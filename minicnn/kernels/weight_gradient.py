"""The gradient by a convolution's filters: dw = Σ x · dy over all pixels, and db = Σ dy.

The transposed patch matrix times dy, again without a patch matrix: a tile's rows are
neighbouring numbers of the patch, and its sum runs over the pixels of a block of lines. Each
piece of the batch has sums of its own, which are added in the order of the pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import team as teams
from . import tile as tiles
from .correlation import KERNELS, Correlation, Panels, fill, panels
from .jit import inner, jit
from .simd import Vectors, largest_divisor, split_evenly, vectors
from .tile import Tile

BLOCK_BYTES = 1 << 19  # of image and gradient at a time: half a second-level cache


@lru_cache(KERNELS)
def weight_gradient(shape: Correlation, dtype: np.dtype[Any]) -> Callable[..., None]:
    """The kernel (team, x, dy, dws, dbs, dw, db, images) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); dy: (N, OH, OW, F).
        dws, dbs: (parts, KH*KW*C*F) and (parts, F): room for the sums of each part of the batch.
        dw: (KH*KW*C*F,); db: (F,): their sum, added in the order of the parts.
        images: in a part.
    """
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    cut = panels(shape.F, unit, itemsize)
    height, width = shape.padded
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    HEIGHT, WIDTH, FRAMED, PIXELS = height, width, shape.framed, height * width * shape.C
    line = (shape.OW * shape.F + shape.SH * width * shape.C) * itemsize
    block = largest_divisor(shape.OH, max(1, BLOCK_BYTES // line))
    OH, BLOCK, F = shape.OH, block, shape.F
    PANELS, FULL, PANEL_WIDTH = cut.total, cut.full, cut.width
    ROW, OUT_ROW = shape.SH * width * shape.C, shape.OW * shape.F
    full = _patch_tiles(shape, cut, block, cut.vectors, cut.lanes, unit)
    last = _patch_tiles(shape, cut, block, cut.last, cut.tail, unit) if cut.last else full

    @inner
    def piece(number, x, dy, dws, dbs, images):  # type: ignore[no-untyped-def]
        part, panel = number // PANELS, number % PANELS
        first = panel * PANEL_WIDTH
        frame = np.zeros(PIXELS if FRAMED else 1, x.dtype)
        dw, db = dws[part], dbs[part]
        for row in range(0, len(dw), F):
            dw[row + first : row + min(F, first + PANEL_WIDTH)] = 0
        db[first : first + PANEL_WIDTH] = 0
        for n in range(part * images, min((part + 1) * images, len(x))):
            image, gradient = x[n].reshape(-1), dy[n].reshape(-1)
            if FRAMED:
                fill(frame, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = frame
            for oh in range(0, OH, BLOCK):
                if panel < FULL:
                    full(image, oh * ROW, gradient, oh * OUT_ROW, first, dw, db)
                else:
                    last(image, oh * ROW, gradient, oh * OUT_ROW, first, dw, db)

    @jit
    def kernel(team, x, dy, dws, dbs, dw, db, images):  # type: ignore[no-untyped-def]
        teams.share(team, len(dws) * PANELS, piece, (x, dy, dws, dbs, images))
        add_parts(team, dws, dw)
        add_parts(team, dbs, db)

    return kernel


def _patch_tiles(
    shape: Correlation, cut: Panels, block: int, count: int, tail: int, unit: Vectors
) -> Any:
    """A kernel for a block of lines and one panel: all of dw, tile after tile of the patch."""
    _, width = shape.padded
    run = shape.KW * shape.C
    most = max(1, unit.accumulators // count - 1)  # one is for db
    tiles_across, across, rest = split_evenly(run, most)
    down = largest_divisor(shape.KH, most // across) if not rest and tiles_across == 1 else 1
    tile = Tile(
        rows=down,
        row_pitch=width * shape.C,
        cols=across,
        col_pitch=1,
        runs=block,
        length=shape.OW,
        run_pitch=shape.SH * width * shape.C,
        step=shape.SW * shape.C,
        b_run_pitch=shape.OW * shape.F,
        b_pitch=shape.F,
        vectors=count,
        lanes=cut.lanes,
        tail=tail,
        out_pitch=run * shape.F,
        out_step=shape.F,
        masked=1,
    )
    MAIN, REST = tuple(tile), tuple(tile._replace(cols=rest or across))
    KH, F, RUN, DOWN, ACROSS, LINE = shape.KH, shape.F, run, down, across, tile.row_pitch
    FIRST_REST = tiles_across * across
    ADD_UP, NOT = True, False

    @inner
    def tiles_of_patch(x, x0, dy, dy0, p0, dw, db):  # type: ignore[no-untyped-def]
        tiles.multiply_add(x, x0, dy, dy0 + p0, db, p0, dw, p0, 0, ADD_UP, MAIN)
        for i in range(0, KH, DOWN):
            at, to = x0 + i * LINE, i * RUN * F + p0
            for j in range(ACROSS if i == 0 else 0, FIRST_REST, ACROSS):
                tiles.multiply_add(x, at + j, dy, dy0 + p0, db, p0, dw, to + j * F, 0, NOT, MAIN)
            for j in range(FIRST_REST, RUN, ACROSS):
                tiles.multiply_add(x, at + j, dy, dy0 + p0, db, p0, dw, to + j * F, 0, NOT, REST)

    return tiles_of_patch


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
