"""Correlation without a patch matrix: the register tile reads the image itself (implicit im2col).

One kernel for each geometry, made and compiled when it is first needed. It is the forward pass of
a convolution; and, with dy in the place of x and the flipped filters in that of w, its backward
pass by the data.

Padding costs nothing: no zeros are stored, none are multiplied. Lines of the window that lie above
or below the image are not summed over; columns beside it are left out of the code of the first and
the last tile of a line (`lead` and `line` in tile.py). Where that would leave too little to do at
once (images of a few pixels), or padding is wider than a tile, the image is copied into a frame of
zeros.

Source: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning" (2014), section 3, for
the idea; tile.py for the tile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..jit import inner, jit
from .codegen.multiply import multiply
from .codegen.simd import Vectors, largest_divisor, split_evenly, vectors
from .codegen.tile import Tile
from .nonfinite import count_wild_piece
from .padded_copy import fill
from .panels import Panels, grouped, pack, panels
from .threads.work_sharing import share

KERNELS = 512  # made at most and kept; then the one least recently used is made anew
BUSY = 8  # sums at once that keep the multipliers busy: two of them, each result four steps late


class Correlation(NamedTuple):
    """y[oh, ow, f] = b[f] + Σ_ijc x[oh*SH - top + i, ow*SW - left + j, c] · w[i, j, c, f].

    Padding may be negative: those pixels are left out. Outputs lie apart by pitches of their own,
    so that a gradient can be written in between others.
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
    out_first: int  # where in an image the first one lies
    relu: bool

    @property
    def padded(self) -> tuple[int, int]:
        """(height, width) of the image with its padding."""
        return self.H + self.top + self.bottom, self.W + self.left + self.right

    @property
    def has_padding(self) -> bool:
        """Whether it is more, or less, than the image."""
        return any((self.top, self.bottom, self.left, self.right))

    @property
    def framed(self) -> Correlation:
        """The same of an image in a frame of its padding."""
        height, width = self.padded
        return self._replace(H=height, W=width, top=0, bottom=0, left=0, right=0)

    @property
    def multiply_adds(self) -> int:
        """Of one image."""
        return self.OH * self.OW * self.KH * self.KW * self.C * self.F


def cut(shape: Correlation, dtype: np.dtype[Any]) -> Panels:
    """The filters' panels: wider where a line has few outputs, so that one line fills a tile."""
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    widest = min(4, max(2, unit.accumulators // shape.OW))
    found = panels(shape.F, unit, itemsize, widest)
    return grouped(found, shape.KH, shape.KW * shape.C, unit, itemsize)


@lru_cache(KERNELS)
def correlation(shape: Correlation, dtype: np.dtype[Any]) -> Callable[..., bool]:
    """The kernel (team, x, w, b, packed, bias, packers, y, images, pieces) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); w: (KH, KW, C, F), in any memory order; b: (F,).
        packed: (panels, KH*steps, panel width), bias: (panels·panel width,), packers: see `pack`.
        y: flat, written from out_first on.
        images: in a piece; pieces: how many.

    Returns (the kernel):
        Whether there is padding, and filters that are infinite or NaN.
    """
    unit, parts = vectors(), cut(shape, dtype)
    FRAMED = shape.has_padding and not _readable_in_place(shape, parts, unit)
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    HEIGHT, WIDTH = shape.padded
    PIXELS, OUT_IMAGE, OUT_FIRST = HEIGHT * WIDTH * C, shape.out_image, shape.out_first
    PANEL = shape.KH * parts.steps(shape.KW * C) * parts.width
    FULL, LAST, WIDE, FILTERS, GROUP = (
        parts.full, parts.last, parts.width, parts.filters, parts.group
    )  # fmt: skip
    seen = shape.framed if FRAMED else shape
    full = _panel(seen, parts, parts.vectors, parts.filters // parts.vectors, unit)
    last = _panel(seen, parts, parts.last, parts.tail, unit) if parts.last else full
    full = full if parts.full else last

    @inner
    def piece(number, x, w, b, y, images):  # type: ignore[no-untyped-def]
        frame = np.zeros(PIXELS if FRAMED else 1, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            image = x[n].reshape(-1)
            if FRAMED:
                fill(frame, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = frame
            first = n * OUT_IMAGE + OUT_FIRST
            for p in range(FULL):
                full(image, w, p * PANEL, b, p * WIDE, y, first + p * FILTERS)
            if LAST > 0:
                last(image, w, FULL * PANEL, b, FULL * WIDE, y, first + FULL * FILTERS)

    HAS_PADDING, LARGEST = shape.has_padding, float(np.finfo(dtype).max)

    @jit
    def kernel(team, x, w, b, packed, bias, packers, y, images, pieces):  # type: ignore[no-untyped-def]
        pack(team, w, b, packed, bias, packers, GROUP)
        share(team, pieces, piece, (x, packed, bias, y, images))
        wild = np.zeros(packers, np.int64)
        if HAS_PADDING:
            share(team, packers, count_wild_piece, (packed.reshape(-1), LARGEST, wild))
        return wild.sum() > 0

    return kernel


def _readable_in_place(shape: Correlation, parts: Panels, unit: Vectors) -> bool:
    """Whether the tiles of one line are enough to be busy, and only the first and the last of them
    reach beyond the image."""
    for count in (parts.vectors, parts.last):
        if count:
            tiles_of_line = _tiles_of_line(shape, _most(shape, parts, count, unit))
            inside = [_beside(shape, *of)[1] == 0 for of in tiles_of_line[1:-1]]
            if not all(inside) or min(c for _, c in tiles_of_line) * count < BUSY:
                return False
    return True


def _most(shape: Correlation, parts: Panels, count: int, unit: Vectors) -> int:
    """Outputs of a tile."""
    return sums_at_once(taps_together(shape, parts, count, unit), unit) // count


def _tiles_of_line(shape: Correlation, most: int) -> list[tuple[int, int]]:
    """(first output, how many) of each tile of a line."""
    number, across, rest = split_evenly(shape.OW, max(1, most))
    found = [(i * across, across) for i in range(number)]
    return [*found, (number * across, rest)] if rest else found


def _beside(shape: Correlation, first: int, count: int) -> tuple[int, int]:
    """(lead, line) of a tile (see tile.py); zeros where all that it reads is image."""
    lead = shape.left - first * shape.SW
    beyond = (first + count - 1) * shape.SW + shape.KW - shape.left
    return (lead * shape.C, shape.W * shape.C) if lead > 0 or beyond > shape.W else (0, 0)


def _panel(shape: Correlation, parts: Panels, count: int, tail: int, unit: Vectors) -> Any:
    """A part for one image and one panel of the filters: tile after tile of the output."""
    of_line = _tiles_of_line(shape, _most(shape, parts, count, unit))
    down = 1
    if len(of_line) == 1 and not shape.has_padding:
        down = largest_divisor(shape.OH, _most(shape, parts, count, unit) // shape.OW)
    length = shape.KW * shape.C
    some_lines = shape.top > 0 or shape.bottom > 0
    tile = Tile(
        rows=down,
        row_pitch=shape.SH * shape.W * shape.C,
        cols=0,
        col_pitch=shape.SW * shape.C,
        runs=0 if some_lines else shape.KH,
        length=length,
        run_pitch=shape.W * shape.C,
        step=1,
        b_run_pitch=parts.steps(length) * parts.width,
        b_pitch=parts.width,
        vectors=count,
        lanes=parts.lanes,
        tail=tail,
        out_pitch=shape.out_row,
        out_step=shape.out_pixel,
        group=parts.group,
        taps=taps_together(shape, parts, count, unit),
    )
    head, middle, end = _stretches(shape, tile, of_line)
    OH, DOWN, SH, TOP, KH, H, LINE = (
        shape.OH, down, shape.SH, shape.top, shape.KH, shape.H, tile.run_pitch
    )  # fmt: skip
    B_RUN, OUT_ROW = tile.b_run_pitch, tile.out_pitch

    @inner
    def panel(x, w, w0, b, b0, y, y0):  # type: ignore[no-untyped-def]
        for oh in range(0, OH, DOWN):
            ih = oh * SH - TOP
            i = max(0, -ih)  # the first line of the window that lies in the image
            runs = min(KH, H - ih) - i
            x0, at_w, to = (ih + i) * LINE, w0 + i * B_RUN, y0 + oh * OUT_ROW
            head(x, x0, w, at_w, b, b0, y, to, runs)
            middle(x, x0, w, at_w, b, b0, y, to, runs)
            end(x, x0, w, at_w, b, b0, y, to, runs)

    return panel


def taps_together(shape: Correlation, parts: Panels, count: int, unit: Vectors) -> int:
    """Taps of a line that are taken together, since neighbouring outputs meet the same numbers:
    all, where an output has one vector, and the registers hold those of all the taps; or 1."""
    steps = parts.steps(shape.KW * shape.C)
    taps = shape.KW if shape.C % parts.group == 0 else steps
    return taps if count == 1 and shape.SW < shape.KW and 4 * taps <= unit.registers else 1


def sums_at_once(taps: int, unit: Vectors) -> int:
    """Vectors of sums that the registers hold, beside those of the taps' filters."""
    return min(unit.accumulators, unit.registers - 2 - taps)


def _stretches(shape: Correlation, tile: Tile, of_line: list[tuple[int, int]]) -> list[Any]:
    """Three parts for a line of outputs: the tiles are all alike, but for the first and last."""
    kinds: list[tuple[Tile, int, int]] = []  # (tile, first output, stop)
    for first, count in of_line:
        lead, line = _beside(shape, first, count)
        this = tile._replace(cols=count, lead=lead, line=line)
        if kinds and kinds[-1][0] == this:
            kinds[-1] = this, kinds[-1][1], first + count
        else:
            kinds.append((this, first, first + count))
    parts = [_stretch(shape, *kind) for kind in kinds]
    return parts + [_nothing] * (3 - len(parts))


def _stretch(shape: Correlation, tile: Tile, first: int, stop: int) -> Any:
    """A part for outputs first…stop of a line, tile after tile."""
    TILE, FIRST, STOP, ACROSS, RELU = tuple(tile), first, stop, tile.cols, shape.relu
    PIXEL, LEFT, OUT_PIXEL = tile.col_pitch, shape.left * shape.C, tile.out_step

    @inner
    def stretch(x, x0, w, w0, b, b0, y, y0, runs):  # type: ignore[no-untyped-def]
        for ow in range(FIRST, STOP, ACROSS):
            multiply(
                x, x0 + ow * PIXEL - LEFT, w, w0, b, b0, y, y0 + ow * OUT_PIXEL, runs, RELU, TILE
            )

    return stretch


@inner
def _nothing(x, x0, w, w0, b, b0, y, y0, runs):  # type: ignore[no-untyped-def]
    """No outputs."""
