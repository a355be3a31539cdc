"""Correlation without a patch matrix: the register tile reads the image itself (implicit im2col).

There is one kernel for each geometry, compiled at its first use. It is the forward pass of a
convolution; with dy in place of x and the flipped filters in place of w, it is its backward pass
by the data.

Padding is free: zeros are neither stored nor multiplied. Lines of the window above or below the
image are not summed over. Columns beside the image are left out of the code of a line's first and
last tile (`left_overhang` and `line_length` in tile.py). If too few sums would be in flight
(images of a few pixels), or if padding is wider than a tile, the image is copied with its padding.

Source: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning" (2014), section 3, for
the idea; tile.py for the tile.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..jit import Inlined, Kernel, inlined, jit
from ..memory import DType
from .codegen.multiply import multiply
from .codegen.simd import Vectors, largest_divisor, split_evenly, vectors
from .codegen.tile import Tile
from .nonfinite import count_nonfinite_piece, largest_finite
from .padded_copy import copy_padded
from .panels import Panels, cut_panels, pack, share_vectors
from .threads.work_sharing import share

KERNEL_CACHE_SIZE = 512  # kernels of each kind in memory; the least recently used is dropped
MIN_PARALLEL_SUMS = 8  # keep the multipliers busy: two of them, with a latency of four cycles


class Correlation(NamedTuple):
    """y[oh, ow, f] = b[f] + Σ_ijc x[oh*SH - top + i, ow*SW - left + j, c] · w[i, j, c, f].

    Padding can be negative: those pixels are left out. Outputs have pitches of their own, so that
    a gradient can be written between others.
    """

    H: int
    W: int
    C: int
    top: int
    bottom: int
    left: int
    right: int
    KH: int
    KW: int
    SH: int
    SW: int
    OH: int
    OW: int
    F: int
    out_row: int  # from an output to the one below it, in numbers
    out_pixel: int  # to the one beside it
    out_image: int  # to the next image's
    out_first: int  # the first one's place in an image
    relu: bool

    @property
    def padded(self) -> tuple[int, int]:
        """(height, width) of the image with its padding."""
        return self.H + self.top + self.bottom, self.W + self.left + self.right

    @property
    def has_padding(self) -> bool:
        """Whether there is any padding, positive or negative."""
        return any((self.top, self.bottom, self.left, self.right))

    @property
    def of_padded_image(self) -> Correlation:
        """The same correlation, of a copy of the image with its padding."""
        height, width = self.padded
        return self._replace(H=height, W=width, top=0, bottom=0, left=0, right=0)

    @property
    def multiply_adds(self) -> int:
        """Of one image."""
        return self.OH * self.OW * self.KH * self.KW * self.C * self.F


def filter_panels(shape: Correlation, dtype: DType) -> Panels:
    """The filters' panels: wider if a line has few outputs, so that one line fills a tile."""
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    widest = min(4, max(2, unit.accumulators // shape.OW))
    panels = cut_panels(shape.F, unit, itemsize, widest)
    return share_vectors(panels, shape.KH, shape.KW * shape.C, unit, itemsize)


@lru_cache(KERNEL_CACHE_SIZE)
def correlation(shape: Correlation, dtype: DType) -> Kernel:
    """The kernel (team, x, w, b, packed, bias, pack_pieces, y, images, pieces) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); w: (KH, KW, C, F), in any memory order; b: (F,).
        packed: (panels, KH*steps, panel width), bias: (panels·panel width,), pack_pieces: see
            `pack`.
        y: flat, written from out_first on.
        images: in a piece; pieces: how many.

    Returns (the kernel):
        Whether there is padding, and filters that are infinite or NaN.
    """
    panels = filter_panels(shape, dtype)
    STEPS_PER_VECTOR, HAS_PADDING = panels.steps_per_vector, shape.has_padding
    LARGEST = largest_finite(dtype)
    piece = _piece(shape, panels, vectors())

    @jit
    def kernel(team, x, w, b, packed, bias, pack_pieces, y, images, pieces):  # type: ignore[no-untyped-def]
        pack(team, w, b, packed, bias, pack_pieces, STEPS_PER_VECTOR)
        share(team, pieces, piece, (x, packed, bias, y, images))
        nonfinite = np.zeros(pack_pieces, np.int64)
        if HAS_PADDING:
            filters = packed.reshape(-1)
            share(team, pack_pieces, count_nonfinite_piece, (filters, LARGEST, nonfinite))
        return nonfinite.sum() > 0

    return kernel


def _piece(shape: Correlation, panels: Panels, unit: Vectors) -> Inlined:
    """An inlined function for a piece of the batch: panel after panel, for each image."""
    COPIED = shape.has_padding and not _readable_in_place(shape, panels, unit)
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    HEIGHT, WIDTH = shape.padded
    PIXELS, OUT_IMAGE, OUT_FIRST = HEIGHT * WIDTH * C, shape.out_image, shape.out_first
    PANEL = shape.KH * panels.steps(shape.KW * C) * panels.width
    FULL, LAST, PANEL_WIDTH, FILTERS = panels.full, panels.last, panels.width, panels.filters
    seen = shape.of_padded_image if COPIED else shape
    full = _panel(seen, panels, panels.vectors, FILTERS // panels.vectors, unit)
    last = _panel(seen, panels, panels.last, panels.tail, unit) if panels.last else full
    full = full if panels.full else last

    @inlined
    def piece(number, x, w, b, y, images):  # type: ignore[no-untyped-def]
        padded = np.zeros(PIXELS if COPIED else 1, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            image = x[n].reshape(-1)
            if COPIED:
                copy_padded(padded, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = padded
            first = n * OUT_IMAGE + OUT_FIRST
            for p in range(FULL):
                full(image, w, p * PANEL, b, p * PANEL_WIDTH, y, first + p * FILTERS)
            if LAST > 0:
                last(image, w, FULL * PANEL, b, FULL * PANEL_WIDTH, y, first + FULL * FILTERS)

    return piece


def _readable_in_place(shape: Correlation, panels: Panels, unit: Vectors) -> bool:
    """Whether a line's tiles are large enough, and only its first and last tile read padding."""
    for count in (panels.vectors, panels.last):
        if count:
            tiles = _tiles_of_line(shape, _max_outputs(shape, panels, count, unit))
            inside = [_overhang(shape, *tile)[1] == 0 for tile in tiles[1:-1]]
            if not all(inside) or min(c for _, c in tiles) * count < MIN_PARALLEL_SUMS:
                return False
    return True


def _max_outputs(shape: Correlation, panels: Panels, count: int, unit: Vectors) -> int:
    """Outputs of a tile."""
    return sums_at_once(interleaved_taps(shape, panels, count, unit), unit) // count


def _tiles_of_line(shape: Correlation, most: int) -> list[tuple[int, int]]:
    """(first output, outputs) of each tile of a line."""
    number, across, rest = split_evenly(shape.OW, max(1, most))
    found = [(i * across, across) for i in range(number)]
    return [*found, (number * across, rest)] if rest else found


def _overhang(shape: Correlation, first: int, count: int) -> tuple[int, int]:
    """(left_overhang, line_length) of a tile; zeros if it reads no padding."""
    left = shape.left - first * shape.SW
    right = (first + count - 1) * shape.SW + shape.KW - shape.left - shape.W
    return (left * shape.C, shape.W * shape.C) if left > 0 or right > 0 else (0, 0)


def _panel(shape: Correlation, panels: Panels, count: int, tail: int, unit: Vectors) -> Inlined:
    """An inlined function for one image and one panel of the filters: tile after tile."""
    most = _max_outputs(shape, panels, count, unit)
    tiles_of_line = _tiles_of_line(shape, most)
    down = 1
    if len(tiles_of_line) == 1 and not shape.has_padding:
        down = largest_divisor(shape.OH, most // shape.OW)
    length = shape.KW * shape.C
    runs_vary = shape.top > 0 or shape.bottom > 0
    tile = Tile(
        rows=down,
        row_pitch=shape.SH * shape.W * shape.C,
        cols=0,
        col_pitch=shape.SW * shape.C,
        runs=0 if runs_vary else shape.KH,
        length=length,
        run_pitch=shape.W * shape.C,
        step=1,
        b_run_pitch=panels.steps(length) * panels.width,
        b_pitch=panels.width,
        vectors=count,
        lanes=panels.lanes,
        tail=tail,
        out_pitch=shape.out_row,
        out_step=shape.out_pixel,
        steps_per_vector=panels.steps_per_vector,
        interleaved_taps=interleaved_taps(shape, panels, count, unit),
    )
    head, middle, end = _line_sections(shape, tile, tiles_of_line)
    OH, DOWN, SH, TOP, KH, H, LINE = (
        shape.OH, down, shape.SH, shape.top, shape.KH, shape.H, tile.run_pitch
    )  # fmt: skip
    B_RUN, OUT_ROW = tile.b_run_pitch, tile.out_pitch

    @inlined
    def panel(x, w, w0, b, b0, y, y0):  # type: ignore[no-untyped-def]
        for oh in range(0, OH, DOWN):
            ih = oh * SH - TOP
            i = max(0, -ih)  # the first line of the window inside the image
            runs = min(KH, H - ih) - i
            x0, at_w, to = (ih + i) * LINE, w0 + i * B_RUN, y0 + oh * OUT_ROW
            head(x, x0, w, at_w, b, b0, y, to, runs)
            middle(x, x0, w, at_w, b, b0, y, to, runs)
            end(x, x0, w, at_w, b, b0, y, to, runs)

    return panel


def interleaved_taps(shape: Correlation, panels: Panels, count: int, unit: Vectors) -> int:
    """Taps of a line whose steps are done together, because neighbouring outputs read the same
    numbers: all taps if an output has one vector and the registers hold the filters of all; or 1.
    """
    steps = panels.steps(shape.KW * shape.C)
    taps = shape.KW if shape.C % panels.steps_per_vector == 0 else steps
    return taps if count == 1 and shape.SW < shape.KW and 4 * taps <= unit.registers else 1


def sums_at_once(taps: int, unit: Vectors) -> int:
    """Vectors of sums that the registers hold, next to those of the taps' filters."""
    return min(unit.accumulators, unit.registers - 2 - taps)


def _line_sections(
    shape: Correlation, tile: Tile, tiles_of_line: list[tuple[int, int]]
) -> list[Inlined]:
    """Three inlined functions for a line of outputs: all tiles between the first and the last are
    equal."""
    sections: list[tuple[Tile, int, int]] = []  # (tile, first output, stop)
    for first, count in tiles_of_line:
        overhang, length = _overhang(shape, first, count)
        this = tile._replace(cols=count, left_overhang=overhang, line_length=length)
        if sections and sections[-1][0] == this:
            sections[-1] = this, sections[-1][1], first + count
        else:
            sections.append((this, first, first + count))
    found = [_line_section(shape, *section) for section in sections]
    return found + [_no_outputs] * (3 - len(found))


def _line_section(shape: Correlation, tile: Tile, first: int, stop: int) -> Inlined:
    """An inlined function for outputs first…stop of a line, tile after tile."""
    TILE, FIRST, STOP, ACROSS, RELU = tuple(tile), first, stop, tile.cols, shape.relu
    PIXEL, LEFT, OUT_PIXEL = tile.col_pitch, shape.left * shape.C, tile.out_step

    @inlined
    def section(x, x0, w, w0, b, b0, y, y0, runs):  # type: ignore[no-untyped-def]
        for ow in range(FIRST, STOP, ACROSS):
            multiply(
                x, x0 + ow * PIXEL - LEFT, w, w0, b, b0, y, y0 + ow * OUT_PIXEL, runs, RELU, TILE
            )

    return section


@inlined
def _no_outputs(x, x0, w, w0, b, b0, y, y0, runs):  # type: ignore[no-untyped-def]
    """For a line with fewer than three sections."""
