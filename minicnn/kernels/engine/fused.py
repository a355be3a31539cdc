"""Convolution + bias + ReLU + max-pool in one pass, which only compiled kernels can do.

A register tile holds all convolution outputs of a few pooling windows. Only each window's maximum
is stored, and which tap won (argmax). The results equal those of the separate steps, since
max(ReLU(y)) = ReLU(max(y)), ties and NaN included. Backward: fused_backward.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..jit import Inlined, Kernel, inlined, jit
from ..memory import DType
from .codegen.multiply import multiply_pool
from .codegen.simd import Vectors, split_evenly, vectors
from .codegen.tile import Tile
from .correlation import KERNEL_CACHE_SIZE, Correlation, interleaved_taps, sums_at_once
from .padded_copy import copy_padded
from .panels import Panels, cut_panels, pack, share_vectors
from .threads.work_sharing import share


class ConvPool(NamedTuple):
    """A convolution, and a max-pool of PH×PW windows without overlap or gaps."""

    conv: Correlation
    PH: int
    PW: int

    @property
    def pooled(self) -> tuple[int, int]:
        """(height, width) after pooling; leftover outputs of the convolution are dropped."""
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


def fits(taps: int, F: int, dtype: DType) -> bool:
    """Whether the registers hold all outputs of a pooling window of `taps`, for a panel of F."""
    unit = vectors()
    return taps * cut_panels(F, unit, np.dtype(dtype).itemsize).vectors <= unit.accumulators


def filter_panels(conv: Correlation, dtype: DType) -> Panels:
    """The filters' panels of `forward`."""
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    panels = cut_panels(conv.F, unit, itemsize)
    return share_vectors(panels, conv.KH, conv.KW * conv.C, unit, itemsize)


@lru_cache(KERNEL_CACHE_SIZE)
def forward(shape: ConvPool, dtype: DType) -> Kernel:
    """The kernel (team, x, w, b, packed, bias, pack_pieces, y, argmax, images, pieces).

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); w: (KH, KW, C, F); b: (F,); packed, bias, pack_pieces: see panels.pack.
        y: (N·QH·QW·F,); argmax: the same, uint8, see multiply_pool.
        images: in a piece; pieces: how many.
    """
    panels = filter_panels(shape.conv, dtype)
    STEPS_PER_VECTOR = panels.steps_per_vector
    piece = _piece(shape, panels, vectors())

    @jit
    def kernel(team, x, w, b, packed, bias, pack_pieces, y, argmax, images, pieces):  # type: ignore[no-untyped-def]
        pack(team, w, b, packed, bias, pack_pieces, STEPS_PER_VECTOR)
        share(team, pieces, piece, (x, packed, bias, y, argmax, images))

    return kernel


def _piece(shape: ConvPool, panels: Panels, unit: Vectors) -> Inlined:
    """An inlined function for a piece of the batch: panel after panel, for each image."""
    conv = shape.conv
    HEIGHT, WIDTH = conv.padded
    H, W, C, TOP, LEFT = conv.H, conv.W, conv.C, conv.top, conv.left
    COPIED, PIXELS = conv.has_padding, HEIGHT * WIDTH * C
    PANEL = conv.KH * panels.steps(conv.KW * C) * panels.width
    FULL, LAST, PANEL_WIDTH, FILTERS = panels.full, panels.last, panels.width, panels.filters
    OUT_IMAGE = shape.pooled[0] * shape.pooled[1] * conv.F
    full = _panel(shape, panels, panels.vectors, FILTERS // panels.vectors, unit)
    last = _panel(shape, panels, panels.last, panels.tail, unit) if panels.last else full
    full = full if panels.full else last

    @inlined
    def piece(number, x, w, b, y, argmax, images):  # type: ignore[no-untyped-def]
        padded = np.zeros(PIXELS if COPIED else 1, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            image = x[n].reshape(-1)
            if COPIED:
                copy_padded(padded, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = padded
            to = n * OUT_IMAGE
            for p in range(FULL):
                full(image, w, p * PANEL, b, p * PANEL_WIDTH, y, argmax, to + p * FILTERS)
            if LAST > 0:
                last(image, w, FULL * PANEL, b, FULL * PANEL_WIDTH, y, argmax, to + FULL * FILTERS)

    return piece


def _panel(shape: ConvPool, panels: Panels, count: int, tail: int, unit: Vectors) -> Inlined:
    """An inlined function for one image and one panel of the filters: tile after tile."""
    conv, (pooled_h, pooled_w) = shape.conv, shape.pooled
    _, width = conv.padded
    taps, window = interleaved_taps(conv, panels, count, unit), shape.PH * shape.PW * count
    taps = taps if sums_at_once(taps, unit) >= window else 1
    most = max(1, sums_at_once(taps, unit) // window)
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
        b_run_pitch=panels.steps(conv.KW * conv.C) * panels.width,
        b_pitch=panels.width,
        vectors=count,
        lanes=panels.lanes,
        tail=tail,
        out_pitch=0,
        out_step=conv.F,
        steps_per_vector=panels.steps_per_vector,
        interleaved_taps=taps,
    )
    MAIN, REST = tuple(tile), tuple(tile._replace(cols=(rest or across) * shape.PW))
    QH, QW, ACROSS, PW, F = pooled_h, pooled_w, across, shape.PW, conv.F
    FIRST_REST = tiles_across * across
    ROW, PIXEL = shape.PH * tile.row_pitch, shape.PW * tile.col_pitch

    @inlined
    def panel(x, w, w0, b, b0, y, argmax, y0):  # type: ignore[no-untyped-def]
        for qh in range(QH):
            for qw in range(0, FIRST_REST, ACROSS):
                out = y0 + (qh * QW + qw) * F
                multiply_pool(x, qh * ROW + qw * PIXEL, w, w0, b, b0, y, out, argmax, out, PW, MAIN)
            for qw in range(FIRST_REST, QW, ACROSS):
                out = y0 + (qh * QW + qw) * F
                multiply_pool(x, qh * ROW + qw * PIXEL, w, w0, b, b0, y, out, argmax, out, PW, REST)

    return panel
