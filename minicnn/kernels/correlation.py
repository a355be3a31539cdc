"""Correlation without a patch matrix: the register tile reads the image itself (implicit im2col).

One kernel for each geometry, made and compiled when it is first needed. It is the forward pass of
a convolution; and, with dy in the place of x and the flipped filters in that of w, its backward
pass by the data.

The tile wants no special cases at the border, so an image that has padding is first copied into
a frame of zeros (it stays in the cache until the tile reads it).

Source: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning" (2014), section 3, for
the idea; tile.py for the tile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import team as teams
from . import tile as tiles
from .jit import inner, jit
from .simd import Vectors, largest_divisor, split_evenly, vectors
from .tile import Tile

KERNELS = 512  # made at most and kept; then the one least recently used is made anew
SMALL = 1 << 14  # filter numbers: less is packed by one thread


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
    def framed(self) -> bool:
        """Whether the tile can't read the image where it lies."""
        return any((self.top, self.bottom, self.left, self.right))

    @property
    def multiply_adds(self) -> int:
        """Of one image."""
        return self.OH * self.OW * self.KH * self.KW * self.C * self.F


class Panels(NamedTuple):
    """How the filters are cut into panels, as wide as a tile each: `full` ones, and a last one."""

    full: int
    vectors: int  # of a full panel
    lanes: int
    last: int  # vectors of the last panel; 0: there is none
    tail: int  # lanes in use of its last vector

    @property
    def width(self) -> int:
        """Filters of a full panel."""
        return self.vectors * self.lanes

    @property
    def total(self) -> int:
        """All panels."""
        return self.full + (self.last > 0)


def panels(F: int, unit: Vectors, itemsize: int, widest: int = 2) -> Panels:
    """Cut F filters into panels of `widest` vectors (or three, where two is not all but three is).

    The wider the panel, the fewer numbers of the image are loaded for each multiply-add; the
    narrower, the more pixels fit the registers, and the fewer of the filters' are loaded.
    """
    lanes = unit.lanes(F, itemsize)
    count = -(-F // lanes)
    if count == 3 and unit.registers >= 32:
        widest = 3
    widest = min(count, widest)
    full, last = divmod(count, widest)
    tail = F - (count - 1) * lanes
    if tail < lanes and not last:  # the last panel is not like the others
        full, last = full - 1, widest
    return Panels(full, widest, lanes, last, tail)


@lru_cache(KERNELS)
def correlation(shape: Correlation, dtype: np.dtype[Any]) -> Callable[..., None]:
    """The kernel (team, x, w, b, packed, bias, packers, y, images, pieces) for one geometry.

    Args (of the kernel):
        team: the words of a Team.
        x: (N, H, W, C); w: (KH, KW, C, F), in any memory order; b: (F,).
        packed: (panels, KH*KW*C, panel width), bias: (panels·panel width,), packers: see `pack`.
        y: flat, written from out_first on.
        images: in a piece; pieces: how many.
    """
    unit, itemsize = vectors(), np.dtype(dtype).itemsize
    cut = panels(shape.F, unit, itemsize)
    height, width = shape.padded
    PIXELS, OUT_IMAGE, OUT_FIRST = height * width * shape.C, shape.out_image, shape.out_first
    H, W, C, TOP, LEFT = shape.H, shape.W, shape.C, shape.top, shape.left
    HEIGHT, WIDTH, FRAMED = height, width, shape.framed
    PANEL = shape.KH * shape.KW * shape.C * cut.width
    FULL, LAST, PANEL_WIDTH = cut.full, cut.last, cut.width
    full = _panel(shape, cut, cut.vectors, cut.lanes, unit)
    last = _panel(shape, cut, cut.last, cut.tail, unit) if cut.last else full

    @inner
    def piece(number, x, w, b, y, images):  # type: ignore[no-untyped-def]
        frame = np.zeros(PIXELS if FRAMED else 1, x.dtype)
        for n in range(number * images, min((number + 1) * images, len(x))):
            image = x[n].reshape(-1)
            if FRAMED:
                fill(frame, image, H, W, C, HEIGHT, WIDTH, TOP, LEFT)
                image = frame
            for p in range(FULL):
                full(image, w, p * PANEL, b, p * PANEL_WIDTH, y, n * OUT_IMAGE + OUT_FIRST)
            if LAST > 0:
                last(image, w, FULL * PANEL, b, FULL * PANEL_WIDTH, y, n * OUT_IMAGE + OUT_FIRST)

    @jit
    def kernel(team, x, w, b, packed, bias, packers, y, images, pieces):  # type: ignore[no-untyped-def]
        pack(team, w, b, packed, bias, packers)
        teams.share(team, pieces, piece, (x, packed, bias, y, images))

    return kernel


def _panel(shape: Correlation, cut: Panels, count: int, tail: int, unit: Vectors) -> Any:
    """A kernel for one image and one panel of the filters: tile after tile of the output."""
    _, width = shape.padded
    most = max(1, unit.accumulators // count)
    tiles_across, across, rest = split_evenly(shape.OW, most)
    down = largest_divisor(shape.OH, most // across) if not rest and tiles_across == 1 else 1
    tile = Tile(
        rows=down,
        row_pitch=shape.SH * width * shape.C,
        cols=across,
        col_pitch=shape.SW * shape.C,
        runs=shape.KH,
        length=shape.KW * shape.C,
        run_pitch=width * shape.C,
        step=1,
        b_run_pitch=shape.KW * shape.C * cut.width,
        b_pitch=cut.width,
        vectors=count,
        lanes=cut.lanes,
        tail=tail,
        out_pitch=shape.out_row,
        out_step=shape.out_pixel,
    )
    MAIN, REST = tuple(tile), tuple(tile._replace(cols=rest or across))
    OH, DOWN, ACROSS = shape.OH, down, across
    ROW, PIXEL = tile.row_pitch, tile.col_pitch
    OUT_ROW, OUT_PIXEL, RELU = shape.out_row, shape.out_pixel, shape.relu
    FIRST_REST = tiles_across * across
    STOP = shape.OW

    @inner
    def panel(x, w, w0, b, b0, y, y0):  # type: ignore[no-untyped-def]
        first = y0 + b0
        for oh in range(0, OH, DOWN):
            for ow in range(0, FIRST_REST, ACROSS):
                tiles.multiply(
                    x, oh * ROW + ow * PIXEL, w, w0, b, b0,
                    y, first + oh * OUT_ROW + ow * OUT_PIXEL, RELU, MAIN,
                )  # fmt: skip
            for ow in range(FIRST_REST, STOP, ACROSS):
                tiles.multiply(
                    x, oh * ROW + ow * PIXEL, w, w0, b, b0,
                    y, first + oh * OUT_ROW + ow * OUT_PIXEL, RELU, REST,
                )  # fmt: skip

    return panel


@inner
def fill(frame, image, H, W, C, HEIGHT, WIDTH, top, left):  # type: ignore[no-untyped-def]
    """Copy an image to (top, left) of a frame of zeros; what lies outside of it is left out."""
    first, stop = max(0, -top), min(H, HEIGHT - top)
    start, count = max(0, -left), min(W, WIDTH - left) - max(0, -left)
    for ih in range(first, stop):
        to = ((ih + top) * WIDTH + start + left) * C
        at = (ih * W + start) * C
        copy(frame[to : to + count * C], image[at : at + count * C])


@inner
def copy(to, numbers):  # type: ignore[no-untyped-def]
    """to = numbers; a loop from 0 on, with no negative indices to look after, is vector code."""
    for i in range(len(to)):
        to[i] = numbers[i]


@inner
def pack(team, w, b, packed, bias, packers):  # type: ignore[no-untyped-def]
    """packed[p, (i, j, c), l] = w[i, j, c, p*width + l], and the bias likewise; zeros where a panel
    is wider than what is left. So the tile reads its filters from beginning to end.

    `packers` is 1, or KH·panels: then each piece packs one line of the window for one panel.
    """
    for f in range(len(bias)):  # (to assign a slice would compile how to report misfits: seconds)
        bias[f] = b[f] if f < len(b) else b.dtype.type(0)
    teams.share(team, packers, _pack_piece, (w, packed, packers))


@inner
def _pack_piece(number, w, packed, packers):  # type: ignore[no-untyped-def]
    KH, KW, C, F = w.shape
    count, _, width = packed.shape
    for item in range(KH * count):
        p, i = item // KH, item % KH
        if packers > 1 and item != number:
            continue
        used = min(width, F - p * width)
        for j in range(KW):
            for c in range(C):
                row = packed[p, (i * KW + j) * C + c]
                for lane in range(used):
                    row[lane] = w[i, j, c, p * width + lane]
                for lane in range(used, width):
                    row[lane] = 0
