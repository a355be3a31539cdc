"""Separate ink from background: which pixels of a scan, a photo or a drawing are the digit.

A drawing program gives two clean values. A photo of paper has shadows, grain, JPEG blocks and part
of the table. The steps:

1. Average the picture to a coarse one, which removes the grain.
2. Divide by the brightness of the background, which removes shadows.
3. Separate ink from background with Otsu's threshold.
4. Keep the strokes; remove dust and edges.
5. Scale the rest to 0 … 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..typing import Array
from .components import Components, connected_components
from .imaging import bounds, closed, dilated, noise, opened, otsu, reduce, slices

COARSE_SIDE = 96  # pixels a side of the coarse picture
UNEVEN = 0.25  # share of the contrast: a background that varies more is flattened
FINE = (3, 5, 9, 17)  # coarse pixels: widths of strokes and of the gaps between them
CLEAR = 0.1  # minimum difference of dark and bright fine structures, as a share of both
MAX_STROKE = 1 / 3  # of the shorter side: strokes are narrower, shadows are wider
MIN_SIGNAL = 6.0  # standard deviations of the background: ink is stronger
MIN_CONTRAST = 0.08  # of ink with its background, of 0 … 1
DUST = 0.08  # of the mass of the heaviest stroke: dust is lighter


@dataclass(frozen=True)
class Ink:
    """ink (H, W) float32: 0 is background, 1 the median strength of the ink."""

    ink: Array
    inverted: bool  # the picture was dark on bright
    flattened: bool  # its background was uneven, and was flattened
    threshold: float  # Otsu's, on the scale of `ink`


def find(grey: Array, dark: bool | None = None) -> Ink:
    """Separate ink from background.

    Args:
        grey: (H, W) floats in [0, 1].
        dark: whether the ink is darker than its background; None: see is_dark_on_bright.

    Raises:
        DataError: nothing is drawn: no pixels are stronger than the noise of the background and
            differ from it by at least 0.08.
    """
    grey = checked(grey)
    step = _coarse_step(grey)
    coarse = reduce(grey, step)
    dark = is_dark_on_bright(coarse) if dark is None else dark
    background, flattened = _background(coarse, dark)
    contrast = _contrast(coarse, background, dark)
    # a closing follows the peaks of the noise that is left
    strokes, peak = _strokes(contrast - np.median(contrast) if flattened else contrast)
    if flattened:
        background = _enlarged(background, step, grey.shape)
    contrast = _contrast(grey, background, dark)
    grain = noise(contrast[::step, ::step][~strokes]) if not strokes.all() else 0.0
    near, part = _near(strokes, step, grey.shape)
    inside = contrast[part][near]
    threshold = otsu(inside)
    strength = float(np.median(inside[inside > threshold])) if inside.max() > threshold else peak
    if strength < MIN_CONTRAST:
        raise _nothing_drawn(strength)
    floor = min(3 * grain, threshold / 2)
    stretched = np.zeros(grey.shape, np.float32)
    stretched[part] = np.where(
        near, np.clip((contrast[part] - floor) / (strength - floor), 0, 1), 0
    )
    return Ink(stretched, dark, flattened, (threshold - floor) / (strength - floor))


def is_dark_on_bright(grey: Array) -> bool:
    """Whether the ink is darker than its background.

    Otsu's threshold divides the picture into bright and dark; most of the border is background. If
    the border is mixed (shadows, a digit that fills the picture), the finer structure is the ink,
    if one is clearly finer: morphological closings with squares of 3, 5, 9 and 17 coarse pixels
    fill fine dark structures, openings remove fine bright ones.
    """
    coarse = reduce(checked(grey), _coarse_step(grey))
    mostly_bright = float((_border(coarse) > otsu(coarse)).mean()) > 0.5
    if not _is_uneven(coarse):
        return mostly_bright
    dark = sum(float((closed(coarse, size) - coarse).sum()) for size in FINE)
    bright = sum(float((coarse - opened(coarse, size)).sum()) for size in FINE)
    clear = abs(dark - bright) > CLEAR * (dark + bright)
    return dark > bright if clear else mostly_bright


def _coarse_step(grey: Array) -> int:
    return -(-max(grey.shape) // COARSE_SIDE)


def widened(ink: Array, least: float) -> tuple[Array, int]:
    """`ink` with strokes at least `least` pixels wide on average; and by how many it was widened.

    The width of strokes is 2·area/perimeter. The perimeter is the number of changes between ink and
    background along rows and columns, times π/4 (Crofton's formula in two directions).
    """
    drawn = ink > 0.5
    drawn = np.pad(drawn[slices(bounds(drawn))], 1)
    steps = (drawn[1:] != drawn[:-1]).sum() + (drawn[:, 1:] != drawn[:, :-1]).sum()
    width = 2 * drawn.sum() / max(steps * np.pi / 4, 1)
    half = max(round((least - width) / 2), 0)
    return dilated(ink, half) if half else ink, 2 * half


def checked(grey: Array) -> Array:
    """`grey` as an array; ValueError unless it is (H, W), of finite floats."""
    grey = np.asarray(grey)
    if grey.ndim != 2 or 0 in grey.shape or grey.dtype.kind != "f":
        raise ValueError(
            f"expected grey values (H, W), floats in [0, 1], received {grey.dtype} {grey.shape}; "
            "pictures.prepare.grey() makes them"
        )
    if not np.isfinite(grey).all():
        raise ValueError("expected grey values in [0, 1], received NaN or infinity")
    return grey


def _background(coarse: Array, dark: bool) -> tuple[Array, bool]:
    """The brightness of the background, and whether it varies.

    Even: one number, the median of the background's side of Otsu's threshold. Uneven: an array
    without structures narrower than MAX_STROKE, by a morphological closing (dark ink) or opening.
    """
    if _is_uneven(coarse):
        size = 2 * max(round(min(coarse.shape) * MAX_STROKE / 2), 1) + 1
        # continue a slope beyond the edges, or it would end in a step
        around = np.pad(coarse, size, mode="reflect", reflect_type="odd")
        return (closed if dark else opened)(around, size)[size:-size, size:-size], True
    threshold = otsu(coarse)
    side = coarse[coarse > threshold] if dark else coarse[coarse <= threshold]
    return np.median(side if side.size else coarse), False


def _is_uneven(coarse: Array) -> bool:
    low, high = np.percentile(_border(coarse), (5, 95))
    return bool(high - low > UNEVEN * (coarse.max() - coarse.min()))


def _contrast(grey: Array, background: Array, dark: bool) -> Array:
    """How much the ink covers the background. Dark ink absorbs the same share of the light in the
    sun and in a shadow, 1 − grey/background; bright ink adds light."""
    return 1 - grey / np.maximum(background, 1 / 255) if dark else grey - background


def _strokes(contrast: Array) -> tuple[Array, float]:
    """The mask (h, w) of the strokes and of one pixel around them; and the maximum contrast."""
    peak, grain = float(contrast.max()), noise(contrast)
    if peak < max(MIN_SIGNAL * grain, MIN_CONTRAST / 8):  # the coarse picture fades a thin line
        raise _nothing_drawn(peak)
    threshold = otsu(np.maximum(contrast, 0))
    found = connected_components(contrast > max(threshold / 2, min(4 * grain, threshold)), contrast)
    if not (found.peak > threshold).any():  # very faint: rounding removed the difference
        raise _nothing_drawn(peak)
    strokes = np.append(_are_strokes(found, threshold), False)[found.number]
    return dilated(strokes, 1), peak


def _near(strokes: Array, step: int, shape: tuple[int, int]) -> tuple[Array, tuple[slice, slice]]:
    """The mask of the strokes in pixels of the picture, cropped; and the slices of the crop."""
    top, left, bottom, right = bounds(strokes)
    near = strokes[top:bottom, left:right].repeat(step, 0).repeat(step, 1)
    part = slices((top * step, left * step, bottom * step, right * step))
    return near[: shape[0] - top * step, : shape[1] - left * step], part


def _are_strokes(found: Components, threshold: float) -> Array:
    """Which components are strokes, (n,) bool.

    Not dust; and not what touches the edge of the picture (the end of the page, a finger), unless
    there is little else.
    """
    strong = np.where(found.peak > threshold, found.mass, 0)
    inner = np.where(found.touches_edge, 0, strong)
    mass = inner if inner.max() > strong.max() / 10 else strong
    return (mass > 0) & (mass >= DUST * mass.max())


def _nothing_drawn(strength: float) -> DataError:
    return DataError(
        "nothing drawn: expected a digit that stands out from its background, received a picture "
        f"whose strongest part differs from the rest by {max(strength, 0):.1%} of white"
    )


def _border(coarse: Array) -> Array:
    """The values of the two outermost rows and columns."""
    mask = np.ones(coarse.shape, bool)
    mask[2:-2, 2:-2] = False
    return coarse[mask]


def _enlarged(background: Array, step: int, shape: tuple[int, int]) -> Array:
    """The coarse background, interpolated at every pixel of the picture."""
    from PIL import Image

    size = (background.shape[1] * step, background.shape[0] * step)
    large = Image.fromarray(background.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(large)[: shape[0], : shape[1]]
