"""Any picture of one digit -> what a network trained on MNIST expects to see; any other picture ->
what one expects that was trained on a sheet of such pictures.

MNIST's own recipe (LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to
document recognition", section III.A): a digit in black and white is fitted into a box of 20×20
pixels, keeping its proportions, with anti-aliasing, and centred in 28×28 by its centre of mass;
white on black. How a picture becomes grey is in greyscale.py; what a scan or a photograph needs
before it is fitted, in ink.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..typing import Array
from . import ink
from .greyscale import grey, read_grey
from .imaging import bounds

__all__ = [
    "Prepared", "grey", "made_ready", "mnist_like", "polarity", "read_grey", "sheet_like",
    "tutorial_like",
]  # fmt: skip

THIN = 1.75 / 20  # of the box: strokes are at least as wide
INVERT = ("auto", "yes", "no")
EDGE = 0.25  # of the ink's strength: what is weaker is not inside the box


@dataclass(frozen=True)
class Prepared:
    """An image for the network, and how it came about.

    Rows and columns are counted in the picture that was given.
    """

    image: Array  # (H, W) float32 in [0, 1], bright on dark
    inverted: bool  # the picture was dark on bright
    flattened: bool  # its ground was uneven (shadows), and was evened out
    threshold: float | None  # between ground and ink, 0 … 1 of the way from one to the other
    box: tuple[int, int, int, int]  # top, left, bottom, right of the ink; the last two are outside
    widened: int  # pixels of the picture by which thin strokes were made broader
    scale: float  # pixels of `image` to one of the picture


def polarity(grey: Array) -> str:
    """ "dark-on-bright" (as on paper) or "bright-on-dark" (as in MNIST).

    Args:
        grey: (H, W) floats in [0, 1].

    The ground is what most of the border is made of; where the border is mixed (shadows, strokes
    that touch it), the finer structure is the ink. See ink.is_dark_on_bright.
    """
    return "dark-on-bright" if ink.is_dark_on_bright(grey) else "bright-on-dark"


def mnist_like(
    grey: Array,
    size: int | Sequence[int] = 28,
    box: int | Sequence[int] | None = None,
    *,
    polarity: str | None = None,
) -> Prepared:
    """Find the digit in a picture, and bring it into the form of MNIST.

    Ink is told from ground (ink.find), fitted into `box` keeping its proportions, with
    anti-aliasing, and centred by its centre of mass in `size`, to the whole pixel. The brightest
    ink becomes 1. Strokes as of a fine pen, which would fade, are widened before to 7/80 of the
    box: 1.75 pixels of 20, more than which 19 of 20 digits of MNIST have.

    Args:
        grey: (H, W) floats in [0, 1], as `grey` gives.
        size: of the result, pixels: a side, or (H, W).
        box: what the digit has to fit into, the same; None: 20/28 of the size, rounded.
        polarity: "dark-on-bright" or "bright-on-dark"; None: found out.

    Raises:
        DataError: nothing is drawn.
        ValueError: sizes below 1, a box larger than the image, another polarity.
    """
    height, width = _pair("size", size)
    box_h, box_w = _pair("box", box) if box is not None else _default_box(height, width)
    if box_h > height or box_w > width:
        raise ValueError(f"expected a box within {height}×{width}, received {box_h}×{box_w}")
    found = ink.find(grey, _dark(grey, polarity))
    top, left, bottom, right = drawn = bounds(found.ink >= EDGE)
    scale = min(box_h / (bottom - top), box_w / (right - left))
    strokes, widened = ink.widened(found.ink, THIN * min(box_h, box_w) / scale)
    top, left, bottom, right = bounds(strokes >= EDGE)
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
    """What `python -m minicnn.sprite build` makes of a picture: it is resized whole, and inverted
    if it is dark on bright. Nothing is cut out or centred.

    Args:
        grey: (H, W) floats in [0, 1], as `grey` gives.
        size: of the result, pixels: a side, or (H, W).
        fit: "pad" keeps the proportions, "stretch" does not.
        invert: "yes", "no", or "auto": where the border is bright.
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


def made_ready(
    grey: Array,
    size: int | Sequence[int],
    preparation: Mapping[str, str] | None,
    *,
    polarity: str | None = None,
) -> Prepared:
    """A picture for a network whose `preparation` this is: sheet_like with it, or mnist_like."""
    if preparation is None:
        return mnist_like(grey, size, polarity=polarity)
    return sheet_like(grey, size, **preparation, polarity=polarity)


def tutorial_like(grey: Array, size: int | Sequence[int] = 28) -> Array:
    """What the drawing page of the TensorFlow.js tutorial hands to its network.

    Every tenth pixel of a canvas of 280×280, and of any other picture its nearest pixels:
    image[i, j] = grey[i*H // h, j*W // w]. Nothing is averaged, cropped, centred or inverted. (The
    page also forgets to divide by 255; that is left out.)

    Returns:
        size, float32.
    """
    grey = ink.checked(grey)
    height, width = _pair("size", size)
    rows = np.arange(height) * grey.shape[0] // height
    columns = np.arange(width) * grey.shape[1] // width
    return grey[np.ix_(rows, columns)].astype(np.float32)


def _pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    given: Any = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(given) != 2 or min(given) < 1:
        raise ValueError(f"expected {name} as pixels >= 1, a side or (H, W), received {size!r}")
    return int(given[0]), int(given[1])


def _default_box(height: int, width: int) -> tuple[int, int]:
    return max(round(height * 20 / 28), 1), max(round(width * 20 / 28), 1)


def _dark(grey: Array, given: str | None) -> bool | None:
    known = {None: None, "dark-on-bright": True, "bright-on-dark": False}
    if given not in known:
        raise ValueError(
            f"expected polarity dark-on-bright, bright-on-dark or None, received {given!r}"
        )
    return known[given]


def _resized(image: Array, shape: tuple[int, int]) -> Array:
    """`image` in (h, w) pixels, with anti-aliasing; nothing rings over."""
    from PIL import Image

    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.HAMMING))


def _centred(image: Array, shape: tuple[int, int]) -> Array:
    """`image` on a black one of `shape`, its centre of mass on pixel (H // 2, W // 2) where it can
    be there without a part being cut off. (MNIST's is on pixel (14, 14) of 28×28.)"""
    canvas = np.zeros(shape, np.float32)
    corner = []
    for axis in (0, 1):
        mass = image.sum(1 - axis, dtype=np.float64)
        middle = mass @ np.arange(len(mass)) / mass.sum()
        start = round(shape[axis] // 2 - middle - 1e-3)  # halves go one way, whatever the rounding
        corner.append(min(max(start, 0), shape[axis] - image.shape[axis]))
    (top, left), (height, width) = corner, image.shape
    canvas[top : top + height, left : left + width] = image
    return canvas
