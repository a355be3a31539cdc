"""Correlation for few output channels: the lanes of a vector are pixels, not channels.

With one or two channels to write, vectors of channels are mostly empty. So the image is
first laid out in planes, line by line: (H, C, W) in the place of (H, W, C). Then a vector is a
stretch of one plane's line, and each filter number multiplies all of it:

    y[f, oh, ow : ow+lanes] = Σ_icj w[f, i, c, j] · planes[oh + i, c, ow + j : ow + j + lanes]

That is the register tile again, with the filters for A and the planes for B. It is what the
backward pass by the data needs in the first layers of a network, where images have few channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...typing import Array
from ..jit import inner, jit
from .codegen.multiply import multiply_planes
from .codegen.simd import Vectors, vectors
from .codegen.tile import Tile
from .codegen.transpose import transpose_block
from .correlation import KERNELS, Correlation
from .nonfinite import count_wild
from .threads.work_sharing import share

LEAST_STEPS = 64  # of a sum: below, laying out planes costs more than it saves
MOST_FILTERS = 2  # with more, vectors of channels and steps are fuller (`grouped` in panels.py)


def worth_it(shape: Correlation, dtype: np.dtype[Any]) -> bool:
    """Whether to lay out planes; the strides must be 1."""
    wide = vectors().most_lanes(np.dtype(dtype).itemsize) // 2 <= shape.OW
    steps = shape.KH * shape.KW * shape.C
    return (
        shape.F <= MOST_FILTERS and wide and steps >= LEAST_STEPS and (shape.SH, shape.SW) == (1, 1)
    )


@lru_cache(KERNELS)
def correlation(shape: Correlation, dtype: np.dtype[Any]) -> Callable[..., bool]:
    """The kernel (team, x, w, y, images, pieces) for one geometry; strides must be 1.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C).
        w: (F, KH*C*KW), as `packed` makes it.
        y: written from out_first on.
        images: in a piece; pieces: how many.

    Returns (the kernel):
        Whether there is padding, and filters that are infinite or NaN.
    """
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    lanes = unit.lanes(shape.OW, itemsize)
    across = min(2, -(-shape.OW // lanes))
    down = min(shape.OH, max(1, unit.accumulators // (shape.F * across)))
    height, _ = shape.padded
    stretch = across * lanes
    width = -(-shape.OW // stretch) * stretch + shape.KW - 1
    MAIN = tuple(
        Tile(
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
            out_step=down * stretch,
            b_lines=down,
            b_line_pitch=shape.C * width,
        )
    )
    lay_out = _layout(shape, width, unit, itemsize)
    HEIGHT, WIDTH, C = height, width, shape.C
    OH, OW, F, DOWN, STRETCH = shape.OH, shape.OW, shape.F, down, stretch
    OUT_ROW, OUT_PIXEL, OUT_IMAGE = shape.out_row, shape.out_pixel, shape.out_image
    OUT_FIRST = shape.out_first

    @inner
    def piece(number, x, w, y, images):  # type: ignore[no-untyped-def]
        planes = np.zeros(HEIGHT * C * WIDTH, x.dtype)
        block = np.empty(F * DOWN * STRETCH, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            lay_out(planes, x[n].reshape(-1))
            for line in range(0, OH, DOWN):
                oh = min(line, OH - DOWN)  # the last block may do lines again
                for ow in range(0, OW, STRETCH):
                    multiply_planes(w, 0, planes, oh * C * WIDTH + ow, block, 0, MAIN)
                    first = n * OUT_IMAGE + OUT_FIRST + oh * OUT_ROW + ow * OUT_PIXEL
                    for r in range(DOWN):
                        for j in range(min(STRETCH, OW - ow)):
                            to = first + r * OUT_ROW + j * OUT_PIXEL
                            for f in range(F):
                                y[to + f] = block[(f * DOWN + r) * STRETCH + j]

    HAS_PADDING, LARGEST = shape.has_padding, float(np.finfo(dtype).max)

    @jit
    def kernel(team, x, w, y, images, pieces):  # type: ignore[no-untyped-def]
        share(team, pieces, piece, (x, w, y, images))
        wild = np.zeros(1, np.int64)
        if HAS_PADDING:
            count_wild(w, LARGEST, wild)
        return wild[0] > 0

    return kernel


def _layout(shape: Correlation, width: int, unit: Vectors, itemsize: int) -> Any:
    """A kernel that lays an image out in planes; what lies outside of them is left out."""
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    HEIGHT, WIDTH = shape.padded[0], width
    START, STOP = max(0, -LEFT), min(W, WIDTH - LEFT)
    LANES = unit.most_lanes(itemsize)
    while LANES > 1 and min(C, STOP - START) < LANES:
        LANES //= 2
    # the last block of a line may do pixels, and that of a pixel channels, a second time
    LAST_PIXEL, LAST_CHANNEL = STOP - LANES, C - LANES

    @inner
    def lay_out(planes, image):  # type: ignore[no-untyped-def]
        for ih in range(max(0, -TOP), min(H, HEIGHT - TOP)):
            to, at = (ih + TOP) * C * WIDTH + LEFT, ih * W * C
            for start in range(START, STOP, LANES):
                iw = min(start, LAST_PIXEL)
                for channel in range(0, C, LANES):
                    c = min(channel, LAST_CHANNEL)
                    transpose_block(
                        image, at + iw * C + c, C, planes, to + c * WIDTH + iw, WIDTH, LANES
                    )

    return lay_out


def packed(w: Array) -> Array:
    """Filters (KH, KW, C, F), in any memory order, as (F·KH·C·KW,)."""
    return np.ascontiguousarray(w.transpose(3, 0, 2, 1)).reshape(-1)
