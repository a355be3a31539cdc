"""Any picture file -> one small grey image, as the sprite builder needs it."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

# Only formats that hold pixels: Pillow would start Ghostscript for an EPS.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm",
}  # fmt: skip
FITS = ("pad", "stretch")


class Unreadable(Exception):
    """A picture that can't be used; the text says why."""


class Picture(NamedTuple):
    """pixels (H, W) uint8; border: the median grey value, 0–255, along the original's edge."""

    pixels: np.ndarray
    border: float


def read_picture(path: Path, size: tuple[int, int], fit: str = "pad") -> Picture:
    """Read a picture, turn it upright, make it grey and resize it, antialiased.

    The first frame of an animation is taken. Transparent parts become white if what is visible
    is dark, else black. A picture that has the right size already keeps its pixels.

    Args:
        size: (H, W) of the result, pixels.
        fit: "pad" keeps the proportions and fills the rest with the colour of the border;
            "stretch" fills the whole image.

    Raises:
        Unreadable: not a picture, damaged, or more than 89 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.format == "JPEG":  # the decoder itself can halve the size, cheaply
                    image.draft(None, (4 * size[1], 4 * size[0]))
                grey = _to_grey(ImageOps.exif_transpose(image))
            return _resize(grey, size, fit)
    except Unreadable:
        raise
    except Exception as error:  # Pillow raises nearly anything on a damaged file
        raise Unreadable(str(error) or type(error).__name__) from error


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("expected 8 or 16 bits a pixel, received more")
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode == "F":
        raise Unreadable("expected whole numbers as pixels, received floating point")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("L")
    light, alpha = (np.asarray(part, np.float32) for part in image.convert("LA").split())
    visible = float((light * alpha).sum() / max(float(alpha.sum()), 1.0))
    ground = 255.0 if visible < 128 else 0.0
    mixed = ground + (light - ground) * (alpha / 255)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _resize(grey: Image.Image, size: tuple[int, int], fit: str) -> Picture:
    border = _border(np.asarray(grey))
    target = (size[1], size[0])
    if grey.size != target and fit == "stretch":
        grey = grey.resize(target, Image.Resampling.LANCZOS)
    elif grey.size != target:
        grey = ImageOps.pad(grey, target, Image.Resampling.LANCZOS, color=round(border))
    return Picture(np.asarray(grey, np.uint8), border)


def _border(pixels: np.ndarray) -> float:
    edges = (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])
    return float(np.median(np.concatenate(edges)))
