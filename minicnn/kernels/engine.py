"""The kernels that stand on the register tile, called for whole batches.

Here a geometry is worked out and looked up, the batch is cut into pieces, and room is found for
what is passed between; the arithmetic is in correlation.py, planes.py, weight_gradient.py,
fused.py and product.py. Shapes as in the doorway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..typing import Array, Shape
from . import correlation, fused, planes, pointwise, product
from . import team as teams
from . import weight_gradient as by_weights
from .correlation import Correlation
from .fused import ConvPool
from .memory import Room, fresh
from .simd import vectors
from .threads import MOST_PIECES
from .window import Window

LEAST_WORK = 1 << 18  # multiply-adds of a piece; less is not worth handing to another thread


def conv2d(
    x: Array, w: Array, b: Array | None, window: Window, y: Array, relu: bool, room: Room = fresh
) -> None:
    """y = correlate(x, w) + b, or its ReLU."""
    shape = layer_shape(x.shape, w.shape[3], window, relu)
    _correlate(shape, x, w, b, y, room)


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    window: Window,
    dx: Array | None,
    dw: Array,
    db: Array,
    room: Room = fresh,
) -> None:
    """dx, phase by phase; then dw and db."""
    N, H, W, C = x.shape
    F = w.shape[3]
    if dx is not None:
        for phase in phases(H, W, C, F, window):
            if phase.shape is None:  # a stride larger than the kernel: nothing read these pixels
                dx[:, phase.first_h :: window.SH, phase.first_w :: window.SW] = 0
            else:
                _correlate(phase.shape, dy, phase.filters(w, window), None, dx, room)
    shape = layer_shape(x.shape, F, window, relu=False)
    panels = correlation.panels(F, vectors(), x.itemsize).count
    images, parts = _cut(N, shape.multiply_adds, -(-MOST_PIECES // panels))
    dws, dbs = room("dws", (parts, w.size), x.dtype), room("dbs", (parts, F), x.dtype)
    kernel = by_weights.weight_gradient(shape, x.dtype)
    teams.call(kernel, x, dy, dws, dbs, dw.reshape(-1), db, images)


def conv2d_relu_pool(
    x: Array,
    w: Array,
    b: Array | None,
    window: Window,
    size: tuple[int, int],
    y: Array,
    winner: Array,
    room: Room = fresh,
) -> None:
    """All in one pass."""
    shape = ConvPool(layer_shape(x.shape, w.shape[3], window, relu=True), *size)
    images, pieces = _cut(len(x), shape.conv.multiply_adds)
    kernel = fused.forward(shape, x.dtype)
    packed, bias = _packed(w, b, x.dtype, room)
    teams.call(kernel, x, packed, bias, y.reshape(-1), winner.reshape(-1), images, pieces)


def conv2d_relu_pool_backward(
    dy: Array,
    winner: Array,
    x: Array,
    w: Array,
    window: Window,
    size: tuple[int, int],
    dx: Array | None,
    dw: Array,
    db: Array,
    room: Room = fresh,
) -> None:
    """Only the winners are visited."""
    N, F = len(x), w.shape[3]
    shape = ConvPool(layer_shape(x.shape, F, window, relu=True), *size)
    images, parts = _cut(N, shape.conv.multiply_adds)
    dws, dbs = room("dws", (parts, w.size), x.dtype), room("dbs", (parts, F), x.dtype)
    need_dx = dx is not None
    table = room("table", (F * shape.table[0] * shape.table[1] * x.shape[3],), x.dtype)
    images_of_dx = np.empty((N, 0), x.dtype) if dx is None else dx.reshape(N, -1)
    kernel = fused.backward(shape, need_dx, x.dtype)
    teams.call(
        kernel,
        dy.reshape(N, -1),
        winner.reshape(N, -1),
        x,
        w,
        table,
        images_of_dx,
        dws,
        dbs,
        dw.reshape(-1, F),
        db,
        images,
    )


def fits(size: tuple[int, int], F: int, dtype: np.dtype[Any]) -> bool:
    """Whether a convolution with F filters and a pooling of this size can be fused."""
    return fused.fits(size[0] * size[1], F, dtype)


def dense(x: Array, w: Array, b: Array | None, y: Array, relu: bool) -> None:
    """y = x·w + b, or its ReLU."""
    bias = np.zeros(w.shape[1], w.dtype) if b is None else b
    teams.call(product.forward(*w.shape, relu, x.dtype), x, w, bias, y)


def dense_backward(
    dy: Array, x: Array, w: Array, dx: Array | None, dw: Array, db: Array, room: Room = fresh
) -> None:
    """dw = xᵀ·dy, db = Σ dy; dx = dy·wᵀ, which is a forward pass with the transposed weights."""
    D, U = w.shape
    teams.call(product.weight_gradient(D, U, x.dtype), x, dy, dw, db)
    if dx is not None:
        transposed = room("transposed", (U, D), w.dtype)
        teams.call(product.transpose, w, transposed)
        zeros = room("zeros", (D,), w.dtype)
        zeros[:] = 0
        teams.call(product.forward(U, D, False, x.dtype), dy, transposed, zeros, dx)


def relu_backward(dy: Array, y: Array, dz: Array) -> None:
    """dz = dy where y > 0, else 0."""
    teams.call(pointwise.relu_backward, dy.reshape(-1), y.reshape(-1), dz.reshape(-1))


def softmax_crossentropy(z: Array, q: Array, losses: Array, dz: Array) -> None:
    """Row by row; see pointwise.py."""
    teams.call(pointwise.softmax_crossentropy, z, q, losses, dz)


def adam(parameters: Sequence[tuple[Array, ...]], numbers: tuple[float, ...]) -> None:
    """One pass over all (w, g, m, s)."""
    kinds = (tuple(array.reshape(-1) for array in kind) for kind in zip(*parameters, strict=True))
    teams.call(pointwise.adam, *kinds, numbers)


def take_scaled(pixels: Array, rows: Array, scaled: Array) -> None:
    """scaled = pixels[rows] / 255."""
    teams.call(pointwise.take_scaled, pixels, rows, scaled)


# ---- geometry ----


def layer_shape(x_shape: Shape, F: int, window: Window, relu: bool) -> Correlation:
    """The forward pass as a correlation."""
    _, H, W, C = x_shape
    KH, KW, SH, SW, _, _, top, bottom, left, right, OH, OW = window
    # what the last window doesn't reach needs no padding
    bottom = min(bottom, (OH - 1) * SH + KH - H - top)
    right = min(right, (OW - 1) * SW + KW - W - left)
    return Correlation(
        H, W, C, top, max(0, bottom), left, max(0, right), KH, KW, SH, SW, OH, OW, F,
        out_row=OW * F, out_pixel=F, out_image=OH * OW * F, out_first=0, relu=relu,
    )  # fmt: skip


class Phase(NamedTuple):
    """The pixels of dx that the same taps read: one in SH×SW of them."""

    tap_h: int  # the first tap that reads them; then every SH-th
    tap_w: int
    first_h: int  # the first of the pixels; then every SH-th
    first_w: int
    shape: Correlation | None  # what computes them; None: no tap reads them

    def filters(self, w: Array, window: Window) -> Array:
        """The filters of these taps, flipped, with input and output channels exchanged."""
        taps = w[self.tap_h :: window.SH, self.tap_w :: window.SW]
        return taps[::-1, ::-1].transpose(0, 1, 3, 2)


@lru_cache(1024)
def phases(H: int, W: int, C: int, F: int, window: Window) -> tuple[Phase, ...]:
    """dx as correlations of dy with stride 1.

    dx[ih] = Σ_i dy[(ih + top - i) / SH] · w[i] over those i for which the quotient is whole: taps
    r, r + SH, … for the pixels with (ih + top) mod SH = r. With stride 1 that is one phase.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), section
    4; that strided transposed convolutions split in this way avoids multiplying zeros.
    """
    found = []
    for h in _axis(H, window.top, window.KH, window.SH, window.OH):
        for v in _axis(W, window.left, window.KW, window.SW, window.OW):
            shape = None
            if h.taps and v.taps:
                shape = Correlation(
                    window.OH, window.OW, F, h.before, h.after, v.before, v.after,
                    h.taps, v.taps, 1, 1, h.count, v.count, C,
                    out_row=window.SH * W * C,
                    out_pixel=window.SW * C,
                    out_image=H * W * C,
                    out_first=(h.first * W + v.first) * C,
                    relu=False,
                )  # fmt: skip
            found.append(Phase(h.tap, v.tap, h.first, v.first, shape))
    return tuple(found)


class _Axis(NamedTuple):
    """A phase along one axis: `count` pixels from `first` on, read by `taps` taps from `tap` on;
    and how much dy must be padded (or, if negative, cut) before and after."""

    tap: int
    first: int
    count: int
    taps: int
    before: int
    after: int


def _axis(size: int, lead: int, kernel: int, stride: int, outputs: int) -> Iterator[_Axis]:
    for tap in range(stride):
        first = (tap - lead) % stride
        if first < size:
            count, taps = -(-(size - first) // stride), len(range(tap, kernel, stride))
            newest = (first + lead) // stride  # the last output that reads the first pixel
            after = newest + count - outputs
            yield _Axis(tap, first, count, taps, taps - 1 - newest, after)


# ---- cutting and packing ----


def _correlate(
    shape: Correlation, x: Array, w: Array, b: Array | None, y: Array, room: Room
) -> None:
    images, pieces = _cut(len(x), shape.multiply_adds)
    if b is None and planes.worth_it(shape, x.dtype):
        kernel = planes.correlation(shape, x.dtype)
        teams.call(kernel, x, planes.packed(w), y.reshape(-1), images, pieces)
        return
    kernel = correlation.correlation(shape, x.dtype)
    teams.call(kernel, x, *_packed(w, b, x.dtype, room), y.reshape(-1), images, pieces)


def _packed(w: Array, b: Array | None, dtype: np.dtype[Any], room: Room) -> tuple[Array, Array]:
    """Filters and bias in panels, as correlation.pack lays them out."""
    KH, KW, C, F = w.shape
    cut = correlation.panels(F, vectors(), w.itemsize)
    matrix = room("packed", (cut.count, KH * KW * C, cut.width), dtype)
    bias = room("bias", (cut.count * cut.width,), dtype)
    teams.call(correlation.pack, w, matrix, KH * cut.count if w.size > correlation.SMALL else 1)
    bias[F:] = 0
    bias[:F] = 0 if b is None else b
    return matrix, bias


def _cut(n: int, work: int, most: int = MOST_PIECES) -> tuple[int, int]:
    """(images of a piece, pieces): by shapes alone, so that sums are the same for any team."""
    smallest = max(1, -(-LEAST_WORK // work))
    images = max(1, -(-n // max(1, min(most, n // smallest))))
    return images, -(-n // images)
