"""A convolution layer's correlations: one for the forward pass, and those of its gradient by x."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ...typing import Array, Shape
from ..window import Window
from .correlation import Correlation


def layer_shape(x_shape: Shape, F: int, window: Window, relu: bool) -> Correlation:
    """The forward pass as a correlation."""
    _, H, W, C = x_shape
    KH, KW, SH, SW, _, _, top, bottom, left, right, OH, OW = window
    # pixels beyond the last window need no padding
    bottom = min(bottom, (OH - 1) * SH + KH - H - top)
    right = min(right, (OW - 1) * SW + KW - W - left)
    return Correlation(
        H, W, C, top, max(0, bottom), left, max(0, right), KH, KW, SH, SW, OH, OW, F,
        out_row=OW * F, out_pixel=F, out_image=OH * OW * F, out_first=0, relu=relu,
    )  # fmt: skip


class Phase(NamedTuple):
    """The pixels of dx that the same taps read: one in SH×SW."""

    tap_h: int  # the first tap that reads them; then every SH-th
    tap_w: int
    first_h: int  # the first of the pixels; then every SH-th
    first_w: int
    shape: Correlation | None  # None: no tap reads these pixels

    def filters(self, w: Array, window: Window) -> Array:
        """The filters of these taps, flipped, with input and output channels exchanged."""
        taps = w[self.tap_h :: window.SH, self.tap_w :: window.SW]
        return taps[::-1, ::-1].transpose(0, 1, 3, 2)


@lru_cache(1024)
def phases(image: tuple[int, ...], F: int, window: Window) -> tuple[Phase, ...]:
    """The gradient by images (H, W, C), of F filters, as correlations of dy with stride 1.

    dx[ih] = Σ_i dy[(ih + top - i) / SH] · w[i], over the i for which the quotient is an integer:
    taps r, r + SH, … for the pixels with (ih + top) mod SH = r. With stride 1 that is one phase.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), section
    4. Split in this way, strided transposed convolutions multiply no zeros.
    """
    H, W, C = image
    found = []
    for h in _axis(H, window.top, window.KH, window.SH, window.OH):
        for v in _axis(W, window.left, window.KW, window.SW, window.OW):
            shape = None
            if h.taps and v.taps:
                shape = Correlation(
                    window.OH, window.OW, F, h.before, h.after, v.before, v.after,
                    h.taps, v.taps, 1, 1, h.pixels, v.pixels, C,
                    out_row=window.SH * W * C,
                    out_pixel=window.SW * C,
                    out_image=H * W * C,
                    out_first=(h.first * W + v.first) * C,
                    relu=False,
                )  # fmt: skip
            found.append(Phase(h.tap, v.tap, h.first, v.first, shape))
    return tuple(found)


class _Axis(NamedTuple):
    """A phase along one axis: `pixels` pixels from `first` on, read by `taps` taps from `tap` on,
    and the padding of dy before and after (negative: pixels to cut off)."""

    tap: int
    first: int
    pixels: int
    taps: int
    before: int
    after: int


def _axis(size: int, before: int, kernel: int, stride: int, outputs: int) -> Iterator[_Axis]:
    for tap in range(stride):
        first = (tap - before) % stride
        if first < size:
            count, taps = -(-(size - first) // stride), len(range(tap, kernel, stride))
            newest = (first + before) // stride  # the last output that reads the first pixel
            after = newest + count - outputs
            yield _Axis(tap, first, count, taps, taps - 1 - newest, after)
