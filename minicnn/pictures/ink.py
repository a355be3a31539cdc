"""Ink told from ground: which pixels of a scan, a photograph or a drawing are the digit.

A drawing program gives two clean values. A photograph of paper gives shadows, grain and JPEG's
blocks, and a bit of the table. So: look at the picture coarsely, where grain averages out; divide
by the brightness of the ground, which evens out shadows; part ink from ground by Otsu's threshold;
keep the strokes and leave dust and edges out; stretch what is left to 0 … 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..typing import Array
from .components import Blob, blobs
from .imaging import bounds, broader, closed, noise, opened, otsu, reduce, within

COARSE = 96  # pixels a side of the coarse look
UNEVEN = 0.25  # of the contrast: a ground that varies more than this is evened out
FINE = (3, 5, 9, 17)  # coarse pixels: widths of strokes, and of what lies between
CLEAR = 0.1  # dark and bright fine structures differ by this share of both
WIDEST = 1 / 3  # of the shorter side: no stroke is broader, and no shadow narrower
NOISE = 6.0  # standard deviations of the ground: ink is stronger than that
FAINTEST = 0.08  # contrast of ink with its ground, of 0 … 1
DUST = 0.08  # of the strongest stroke: what is less is dust


@dataclass(frozen=True)
class Ink:
    """ink (H, W) float32: 0 is ground, 1 the strength of most of the ink."""

    ink: Array
    inverted: bool  # the picture was dark on bright
    flattened: bool  # its ground was uneven, and was evened out
    threshold: float  # Otsu's, on the scale of `ink`


def find(grey: Array, dark: bool | None = None) -> Ink:
    """Tell ink from ground.

    Args:
        grey: (H, W) floats in [0, 1].
        dark: whether the ink is darker than its ground; None: see is_dark_on_bright.

    Raises:
        DataError: nothing is drawn: no part is stronger than the noise of the ground, and differs
            from it by 0.08 at least.
    """
    grey = checked(grey)
    step = -(-max(grey.shape) // COARSE)
    coarse = reduce(grey, step)
    dark = _is_dark_on_bright(coarse) if dark is None else dark
    ground, flattened = _ground(coarse, dark)
    over = _over(coarse, ground, dark)
    # a closing lies on the peaks of what noise the coarse look has left
    strokes, most = _strokes(over - np.median(over) if flattened else over)
    if flattened:
        ground = _enlarged(ground, step, grey.shape)
    over = _over(grey, ground, dark)
    grain = noise(over[::step, ::step][~strokes]) if not strokes.all() else 0.0
    near, part = _around(strokes, step, grey.shape)
    inside = over[part][near]
    threshold = otsu(inside)
    strength = float(np.median(inside[inside > threshold])) if inside.max() > threshold else most
    if strength < FAINTEST:
        raise _nothing(strength)
    floor = min(3 * grain, threshold / 2)
    stretched = np.zeros(grey.shape, np.float32)
    stretched[part] = np.where(near, np.clip((over[part] - floor) / (strength - floor), 0, 1), 0)
    return Ink(stretched, dark, flattened, (threshold - floor) / (strength - floor))


def is_dark_on_bright(grey: Array) -> bool:
    """Whether the ink is darker than its ground.

    Otsu's threshold parts the picture into bright and dark; the ground is that of which most of
    the border is made. Where the border is mixed (shadows, a digit that fills the picture), the
    finer structure is ink, if one is clearly finer: what morphological closings by squares of 3,
    5, 9 and 17 coarse pixels fill (fine and dark) against what openings remove (fine and bright).
    """
    return _is_dark_on_bright(reduce(checked(grey), -(-max(grey.shape) // COARSE)))


def _is_dark_on_bright(coarse: Array) -> bool:
    mostly_bright = float((_border(coarse) > otsu(coarse)).mean()) > 0.5
    if not _is_uneven(coarse):
        return mostly_bright
    dark = sum(float((closed(coarse, size) - coarse).sum()) for size in FINE)
    bright = sum(float((coarse - opened(coarse, size)).sum()) for size in FINE)
    clear = abs(dark - bright) > CLEAR * (dark + bright)
    return dark > bright if clear else mostly_bright


def widened(ink: Array, least: float) -> tuple[Array, int]:
    """`ink` with strokes of `least` pixels at least, on the average; and by how many it grew.

    A stroke's width is 2·area/perimeter, with the perimeter from the steps between ink and ground
    along rows and columns, times π/4 (Crofton's formula in two directions).
    """
    drawn = ink > 0.5
    drawn = np.pad(drawn[within(bounds(drawn))], 1)
    steps = (drawn[1:] != drawn[:-1]).sum() + (drawn[:, 1:] != drawn[:, :-1]).sum()
    width = 2 * drawn.sum() / max(steps * np.pi / 4, 1)
    half = max(round((least - width) / 2), 0)
    return broader(ink, half) if half else ink, 2 * half


def checked(grey: Array) -> Array:
    """`grey` as an array, if it is one (H, W) of finite floats; else a ValueError."""
    grey = np.asarray(grey)
    if grey.ndim != 2 or 0 in grey.shape or grey.dtype.kind != "f":
        raise ValueError(
            f"expected grey values (H, W), floats in [0, 1], received {grey.dtype} {grey.shape}; "
            "preprocess.grey() makes them"
        )
    if not np.isfinite(grey).all():
        raise ValueError("expected grey values in [0, 1], received NaN or infinity")
    return grey


def _ground(coarse: Array, dark: bool) -> tuple[Array, bool]:
    """The brightness of the ground, and whether it varies.

    Even: one number, the median of the ground's side of Otsu's threshold. Uneven: at every place
    what is left when all structures narrower than a stroke are taken away, by a morphological
    closing (dark ink) or opening.
    """
    if _is_uneven(coarse):
        size = _widest(coarse)
        # beyond the edges a slope goes on as it came, or it would end in a step
        around = np.pad(coarse, size, mode="reflect", reflect_type="odd")
        return (closed if dark else opened)(around, size)[size:-size, size:-size], True
    threshold = otsu(coarse)
    side = coarse[coarse > threshold] if dark else coarse[coarse <= threshold]
    return np.median(side if side.size else coarse), False


def _is_uneven(coarse: Array) -> bool:
    low, high = np.percentile(_border(coarse), (5, 95))
    return bool(high - low > UNEVEN * (coarse.max() - coarse.min()))


def _over(grey: Array, ground: Array, dark: bool) -> Array:
    """How much ink covers the ground. Dark ink takes a share of the light, 1 − grey/ground, be it
    in the sun or in a shadow; bright ink adds to it."""
    return 1 - grey / np.maximum(ground, 1 / 255) if dark else grey - ground


def _strokes(over: Array) -> tuple[Array, float]:
    """Where strokes are, (h, w) bool, a pixel around them; and how strong the strongest is."""
    most, grain = float(over.max()), noise(over)
    if most < max(NOISE * grain, FAINTEST / 8):  # a thin line is pale in the coarse picture
        raise _nothing(most)
    threshold = otsu(np.maximum(over, 0))
    found = blobs(over > max(threshold / 2, min(4 * grain, threshold)), over)
    found = [blob for blob in found if blob.peak > threshold]
    if not found:  # a picture so faint that its shades are lost in rounding
        raise _nothing(most)
    return broader(_kept(found, over.shape), 1), most


def _around(strokes: Array, step: int, shape: tuple[int, int]) -> tuple[Array, tuple[slice, slice]]:
    """Which pixels of the picture are near strokes; of that part of it, also returned, that holds
    them all."""
    top, left, bottom, right = bounds(strokes)
    near = strokes[top:bottom, left:right].repeat(step, 0).repeat(step, 1)
    part = within((top * step, left * step, bottom * step, right * step))
    return near[: shape[0] - top * step, : shape[1] - left * step], part


def _kept(found: list[Blob], shape: tuple[int, int]) -> Array:
    """The mask of the blobs that are strokes.

    Dust is left out; and what touches the picture's edge (the end of the page, a finger), unless
    there is little else.
    """
    inner = [blob for blob in found if not blob.touches_edge]
    strongest = max(blob.mass for blob in found)
    if inner and max(blob.mass for blob in inner) > strongest / 10:
        found, strongest = inner, max(blob.mass for blob in inner)
    mask = np.zeros(shape, bool)
    for blob in found:
        if blob.mass >= DUST * strongest:
            for row, start, stop in blob.runs:
                mask[row, start:stop] = True
    return mask


def _nothing(strength: float) -> DataError:
    return DataError(
        "nothing drawn: expected a digit that stands out from its ground, received a picture whose "
        f"strongest part differs from the rest by {max(strength, 0):.1%} of white"
    )


def _border(coarse: Array) -> Array:
    """The values of the two outermost rows and columns."""
    mask = np.ones(coarse.shape, bool)
    mask[2:-2, 2:-2] = False
    return coarse[mask]


def _widest(image: Array) -> int:
    """Pixels, odd: broader than any stroke."""
    return 2 * max(round(min(image.shape) * WIDEST / 2), 1) + 1


def _enlarged(ground: Array, step: int, shape: tuple[int, int]) -> Array:
    """The coarse ground at every pixel of the picture, interpolated."""
    from PIL import Image

    size = (ground.shape[1] * step, ground.shape[0] * step)
    large = Image.fromarray(ground.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(large)[: shape[0], : shape[1]]
