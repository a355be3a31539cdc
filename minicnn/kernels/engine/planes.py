"""Correlation for few output channels: the lanes of a vector are pixels, not channels.

With one or two output channels, vectors of channels are mostly empty. So the image is first
copied into planes, line by line: (H, C, W) instead of (H, W, C). Then a vector is a piece of one
plane's line, and each filter number multiplies all of it:

    y[f, oh, ow : ow+lanes] = Σ_icj w[f, i, c, j] · planes[oh + i, c, ow + j : ow + j + lanes]

This is the register tile again, with the filters as A and the planes as B. The backward pass by
the data uses it in the first layers of a network, where images have few channels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...typing import Array
from ..jit import Inlined, Kernel, inlined, jit
from ..memory import DType
from .codegen.multiply import multiply_planes
from .codegen.simd import Vectors, vectors
from .codegen.tile import Tile
from .codegen.transpose import transpose_block
from .correlation import KERNEL_CACHE_SIZE, Correlation
from .nonfinite import count_nonfinite, largest_finite
from .threads.work_sharing import share

MIN_STEPS = 64  # of a sum: with fewer, copying into planes costs more than it saves
MAX_FILTERS = 2  # with more, vectors shared by steps are fuller (`share_vectors` in panels.py)


def worth_it(shape: Correlation, dtype: DType) -> bool:
    """Whether to use planes; the strides must be 1."""
    wide = vectors().most_lanes(np.dtype(dtype).itemsize) // 2 <= shape.OW
    steps = shape.KH * shape.KW * shape.C
    return shape.F <= MAX_FILTERS and wide and steps >= MIN_STEPS and (shape.SH, shape.SW) == (1, 1)


@lru_cache(KERNEL_CACHE_SIZE)
def correlation(shape: Correlation, dtype: DType) -> Kernel:
    """The kernel (team, x, w, y, images, pieces) for one geometry; strides must be 1.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C).
        w: (F, KH*C*KW), from `packed`.
        y: written from out_first on.
        images: in a piece; pieces: how many.

    Returns (the kernel):
        Whether there is padding, and filters that are infinite or NaN.
    """
    HAS_PADDING, LARGEST = shape.has_padding, largest_finite(dtype)
    piece = _piece(shape, np.dtype(dtype).itemsize)

    @jit
    def kernel(team, x, w, y, images, pieces):  # type: ignore[no-untyped-def]
        share(team, pieces, piece, (x, w, y, images))
        nonfinite = np.zeros(1, np.int64)
        if HAS_PADDING:
            count_nonfinite(w, LARGEST, nonfinite)
        return nonfinite[0] > 0

    return kernel


def _piece(shape: Correlation, itemsize: int) -> Inlined:
    """An inlined function for a piece of the batch: block after block of each image's outputs."""
    unit = vectors()
    lanes = unit.lanes(shape.OW, itemsize)
    across = min(2, -(-shape.OW // lanes))
    down = min(shape.OH, max(1, unit.accumulators // (shape.F * across)))
    OH, OW, F, C, DOWN, STRETCH = shape.OH, shape.OW, shape.F, shape.C, down, across * lanes
    HEIGHT, WIDTH = shape.padded[0], -(-OW // STRETCH) * STRETCH + shape.KW - 1
    OUT_ROW, OUT_PIXEL, OUT_IMAGE, OUT_FIRST = (
        shape.out_row, shape.out_pixel, shape.out_image, shape.out_first
    )  # fmt: skip
    MAIN = tuple(_tile(shape, lanes, across, down, WIDTH))
    copy_to_planes = _copy_to_planes(shape, WIDTH, unit, itemsize)

    @inlined
    def piece(number, x, w, y, images):  # type: ignore[no-untyped-def]
        planes = np.zeros(HEIGHT * C * WIDTH, x.dtype)
        block = np.empty(F * DOWN * STRETCH, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            copy_to_planes(planes, x[n].reshape(-1))
            for line in range(0, OH, DOWN):
                oh = min(line, OH - DOWN)  # the last block may repeat lines
                for ow in range(0, OW, STRETCH):
                    multiply_planes(w, 0, planes, oh * C * WIDTH + ow, block, 0, MAIN)
                    first = n * OUT_IMAGE + OUT_FIRST + oh * OUT_ROW + ow * OUT_PIXEL
                    for r in range(DOWN):
                        for j in range(min(STRETCH, OW - ow)):
                            to = first + r * OUT_ROW + j * OUT_PIXEL
                            for f in range(F):
                                y[to + f] = block[(f * DOWN + r) * STRETCH + j]

    return piece


def _tile(shape: Correlation, lanes: int, across: int, down: int, width: int) -> Tile:
    """Rows: filters. Columns: `across` vectors in each of `down` lines of planes."""
    return Tile(
        rows=1,
        row_pitch=0,
        cols=shape.F,
        col_pitch=shape.KH * shape.C * shape.KW,
        runs=shape.KH * shape.C,
        length=shape.KW,
        run_pitch=shape.KW,
        step=1,
        b_run_pitch=width,
        b_pitch=1,
        vectors=across,
        lanes=lanes,
        tail=lanes,
        out_pitch=0,
        out_step=down * across * lanes,
        b_lines=down,
        b_line_pitch=shape.C * width,
    )


def _copy_to_planes(shape: Correlation, width: int, unit: Vectors, itemsize: int) -> Inlined:
    """An inlined function that copies an image into planes, and clips what lies outside."""
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    HEIGHT, WIDTH = shape.padded[0], width
    START, STOP = max(0, -LEFT), min(W, WIDTH - LEFT)
    LANES = unit.most_lanes(itemsize)
    while LANES > 1 and min(C, STOP - START) < LANES:
        LANES //= 2
    # the last block of a line may repeat pixels, and the last block of a pixel channels
    LAST_PIXEL, LAST_CHANNEL = STOP - LANES, C - LANES

    @inlined
    def copy_to_planes(planes, image):  # type: ignore[no-untyped-def]
        for ih in range(max(0, -TOP), min(H, HEIGHT - TOP)):
            to, at = (ih + TOP) * C * WIDTH + LEFT, ih * W * C
            for start in range(START, STOP, LANES):
                iw = min(start, LAST_PIXEL)
                for channel in range(0, C, LANES):
                    c = min(channel, LAST_CHANNEL)
                    transpose_block(
                        image, at + iw * C + c, C, planes, to + c * WIDTH + iw, WIDTH, LANES
                    )

    return copy_to_planes


def packed(w: Array) -> Array:
    """Filters (KH, KW, C, F), in any memory order, as (F·KH·C·KW,)."""
    return np.ascontiguousarray(w.transpose(3, 0, 2, 1)).reshape(-1)
