"""A picture -> the input of a network, made like the images that the network was trained on.

MNIST preprocessing (LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to
document recognition", section III.A): a black-and-white digit is fitted into a box of 20×20 pixels,
with its proportions and with antialiasing, and centred in 28×28 by its centre of mass; white on
black. greyscale.py converts a picture to grey; ink.py finds the digit in a scan or a photo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..typing import Array
from . import ink
from .greyscale import grey, read_grey
from .imaging import bounds

__all__ = [
    "Prepared", "grey", "mnist_like", "polarity", "prepare_picture", "read_grey", "sheet_like",
    "tutorial_like",
]  # fmt: skip

MIN_STROKE = 1.75 / 20  # width of strokes, as a share of the box
INVERT = ("auto", "yes", "no")
MIN_INK = 0.25  # of the ink's strength: weaker pixels don't count for the bounding box


@dataclass(frozen=True)
class Prepared:
    """An image for the network, and how it was made; coordinates are pixels of the picture."""

    image: Array  # (H, W) float32 in [0, 1], bright on dark
    inverted: bool  # the picture was dark on bright
    flattened: bool  # its background was uneven (shadows), and was flattened
    threshold: float | None  # between background (0) and ink (1)
    box: tuple[int, int, int, int]  # top, left, bottom, right of the ink; the last two exclusive
    widened: int  # pixels of the picture by which thin strokes were widened
    scale: float  # pixels of `image` for one of the picture


def polarity(grey: Array) -> str:
    """ "dark-on-bright" (as on paper) or "bright-on-dark" (as in MNIST).

    Args:
        grey: (H, W) floats in [0, 1].

    Most of the border is background. If the border is mixed (shadows, strokes that touch it), the
    finer structure is the ink. See ink.is_dark_on_bright.
    """
    return "dark-on-bright" if ink.is_dark_on_bright(grey) else "bright-on-dark"


def mnist_like(
    grey: Array,
    size: int | Sequence[int] = 28,
    box: int | Sequence[int] | None = None,
    *,
    polarity: str | None = None,
) -> Prepared:
    """MNIST preprocessing: find the digit in a picture, resize and centre it.

    The ink (ink.find) is fitted into `box` with its proportions and with antialiasing, and centred
    in `size` by its centre of mass, to a whole pixel. The brightest ink becomes 1. Thin strokes
    would fade, so they are first widened to 1.75 of 20 pixels of the box; 19 of 20 digits of MNIST
    have wider strokes.

    Args:
        grey: (H, W) floats in [0, 1], from `grey` or `read_grey`.
        size: of the result, pixels: a side, or (H, W).
        box: maximum size of the digit, likewise; None: 20/28 of `size`, rounded.
        polarity: "dark-on-bright" or "bright-on-dark"; None: detected.

    Raises:
        DataError: nothing is drawn.
        ValueError: sizes below 1, a box larger than the image, another polarity.
    """
    height, width = _pair("size", size)
    if box is None:
        box = [max(round(side * 20 / 28), 1) for side in (height, width)]
    box_h, box_w = _pair("box", box)
    if box_h > height or box_w > width:
        raise ValueError(f"expected a box within {height}×{width}, received {box_h}×{box_w}")
    found = ink.find(grey, _dark(grey, polarity))
    top, left, bottom, right = drawn = bounds(found.ink >= MIN_INK)
    scale = min(box_h / (bottom - top), box_w / (right - left))
    strokes, widened = ink.widened(found.ink, MIN_STROKE * min(box_h, box_w) / scale)
    top, left, bottom, right = bounds(strokes >= MIN_INK)
    scale = min(box_h / (bottom - top), box_w / (right - left))
    shape = [max(round(side * scale), 1) for side in (bottom - top, right - left)]
    fitted = _resized(strokes[top:bottom, left:right], (shape[0], shape[1]))
    return Prepared(
        image=_centred(fitted / fitted.max(), (height, width)),
        inverted=found.inverted,
        flattened=found.flattened,
        threshold=found.threshold,
        box=drawn,
        widened=widened,
        scale=scale,
    )


def sheet_like(
    grey: Array,
    size: int | Sequence[int] = 28,
    fit: str = "pad",
    invert: str = "auto",
    *,
    polarity: str | None = None,
) -> Prepared:
    """The preprocessing of `python -m minicnn.sprite build`: the whole picture is resized, and
    inverted if it is dark on bright. It is not cropped or centred.

    Args:
        grey: (H, W) floats in [0, 1], from `grey` or `read_grey`.
        size: of the result, pixels: a side, or (H, W).
        fit: "pad" keeps the proportions, "stretch" does not.
        invert: "yes", "no", or "auto": if the border is bright.
        polarity: "dark-on-bright" or "bright-on-dark"; None: by `invert`.

    Raises:
        ValueError: sizes below 1; another fit, invert or polarity.
    """
    from PIL import Image

    from ..data.picture import FITS, resize

    for name, value, known in (("fit", fit, FITS), ("invert", invert, INVERT)):
        if value not in known:
            raise ValueError(f"expected {name} {', '.join(known)}, received {value!r}")
    grey, (height, width) = ink.checked(grey), _pair("size", size)
    picture = resize(Image.fromarray(np.rint(grey * 255).astype(np.uint8)), (height, width), fit)
    inverted = _dark(grey, polarity)
    if inverted is None:
        inverted = picture.border > 127 if invert == "auto" else invert == "yes"
    pixels = 255 - picture.pixels if inverted else picture.pixels
    return Prepared(
        image=pixels.astype(np.float32) / np.float32(255),
        inverted=inverted,
        flattened=False,
        threshold=None,
        box=(0, 0, *grey.shape),
        widened=0,
        scale=min(height / grey.shape[0], width / grey.shape[1]),
    )


def prepare_picture(
    grey: Array,
    size: int | Sequence[int],
    preparation: Mapping[str, str] | None,
    *,
    polarity: str | None = None,
) -> Prepared:
    """Preprocess a picture like the training images: sheet_like(**preparation), or mnist_like if it
    is None."""
    if preparation is None:
        return mnist_like(grey, size, polarity=polarity)
    return sheet_like(grey, size, **preparation, polarity=polarity)


def tutorial_like(grey: Array, size: int | Sequence[int] = 28) -> Array:
    """No preprocessing, like the drawing page of the TensorFlow.js tutorial.

    Takes every tenth pixel of a 280×280 canvas, and the nearest pixels of any other picture:
    image[i, j] = grey[i*H // h, j*W // w]. Nothing is averaged, cropped, centred or inverted. (The
    page also forgets to divide by 255; this function doesn't.)

    Returns:
        (H, W) of `size`, float32.
    """
    grey = ink.checked(grey)
    height, width = _pair("size", size)
    rows = np.arange(height) * grey.shape[0] // height
    columns = np.arange(width) * grey.shape[1] // width
    return grey[np.ix_(rows, columns)].astype(np.float32)


def _pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    given = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(given) != 2 or min(given) < 1:
        raise ValueError(f"expected {name} as pixels >= 1, a side or (H, W), received {size!r}")
    return int(given[0]), int(given[1])


def _dark(grey: Array, given: str | None) -> bool | None:
    known = {None: None, "dark-on-bright": True, "bright-on-dark": False}
    if given not in known:
        raise ValueError(
            f"expected polarity dark-on-bright, bright-on-dark or None, received {given!r}"
        )
    return known[given]


def _resized(image: Array, shape: tuple[int, int]) -> Array:
    """`image` in (h, w) pixels, with antialiasing and without ringing."""
    from PIL import Image

    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.HAMMING))


def _centred(image: Array, shape: tuple[int, int]) -> Array:
    """`image` on a black canvas, with its centre of mass on pixel (H // 2, W // 2), or as near as
    possible without cropping. (In MNIST it is on pixel (14, 14) of 28×28.)"""
    canvas = np.zeros(shape, np.float32)
    corner = []
    for axis in (0, 1):
        mass = image.sum(1 - axis, dtype=np.float64)
        middle = mass @ np.arange(len(mass)) / mass.sum()
        start = round(shape[axis] // 2 - middle - 1e-3)  # so that halves always round the same way
        corner.append(min(max(start, 0), shape[axis] - image.shape[axis]))
    (top, left), (height, width) = corner, image.shape
    canvas[top : top + height, left : left + width] = image
    return canvas
