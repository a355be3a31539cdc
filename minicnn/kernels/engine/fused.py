"""Convolution + bias + ReLU + max-pool in one pass: what only Numba can do. Backward: winners.py.

A register tile holds all the convolution's outputs of a few pooling windows; only the maximum of
each window, and which tap won, is ever stored. The results are those of the separate steps:
max(ReLU(y)) = ReLU(max(y)), ties and NaN included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..jit import inner, jit
from .codegen.multiply import multiply_pool
from .codegen.simd import Vectors, split_evenly, vectors
from .codegen.tile import Tile
from .correlation import KERNELS, Correlation, sums_at_once, taps_together
from .padded_copy import fill
from .panels import Panels, grouped, pack, panels
from .threads.work_sharing import share


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
    """A part for one image and one panel of the filters: tile after tile of pooling windows."""
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
