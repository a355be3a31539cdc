"""A picture file of any format -> a small grey image for a sprite sheet."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

# Formats that hold pixels only: Pillow would start Ghostscript for an EPS file.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm",
}  # fmt: skip
FITS = ("pad", "stretch")
TRANSPOSED = (5, 6, 7, 8)  # EXIF orientations that exchange rows and columns


class Unreadable(Exception):
    """A picture that can't be used; the message gives the reason."""


class Picture(NamedTuple):
    """pixels (H, W) uint8; border: the median grey value, 0–255, along the original's edge."""

    pixels: np.ndarray
    border: float


def read_picture(path: Path, size: tuple[int, int], fit: str = "pad") -> Picture:
    """Read a picture, turn it upright, convert it to grey and resize it, with antialiasing.

    Of an animation, the first frame. Transparent pixels become white if the visible ones are dark,
    else black. A picture of the right size keeps its pixels.

    Args:
        size: (H, W) of the result, pixels.
        fit: "pad" keeps the proportions and fills the rest with the colour of the border;
            "stretch" fills the whole image.

    Raises:
        Unreadable: not a picture, damaged, or more than 89 million pixels.
    """
    with _or_unreadable():
        return resize(open_grey(path, 4 * max(size))[0], size, fit)


def open_grey(
    source: Path | BinaryIO, max_side: int, max_pixels: float = math.inf
) -> tuple[Image.Image, tuple[int, int]]:
    """Read a picture, turn it upright and convert it to 8-bit grey; see read_picture.

    Args:
        source: a path, or a seekable binary file.
        max_side: a JPEG with a longer side, in pixels, may be read at 1/2, 1/4 or 1/8 of its size.
        max_pixels: a larger picture is rejected before it is decoded.

    Returns:
        The image, and (H, W) of the upright picture in the file.

    Raises:
        Unreadable: not a picture, damaged, or more than `max_pixels` or 89 million pixels.
    """
    with _or_unreadable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise Unreadable(
                    f"expected at most {max_pixels:,.0f} pixels, "
                    f"received {image.width}×{image.height}"
                )
            original = None
            if image.format == "JPEG":  # its decoder can halve the size cheaply
                original = _upright_size(image)
                image.draft(None, (max_side, max_side))
            ImageOps.exif_transpose(image, in_place=True)
            width, height = original or image.size
            return to_grey(image), (height, width)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """(W, H) after it is turned upright."""
    is_transposed = image.getexif().get(ExifTags.Base.Orientation) in TRANSPOSED
    return image.size[::-1] if is_transposed else image.size


@contextmanager
def _or_unreadable() -> Iterator[None]:
    try:
        yield
    except Unreadable:
        raise
    except Exception as error:  # Pillow raises nearly any exception on a damaged file
        raise Unreadable(str(error) or type(error).__name__) from error


def to_grey(image: Image.Image) -> Image.Image:
    """`image` in mode "L", with a background where it is transparent; see read_picture."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("expected 8 or 16 bits a pixel, received more")
        is_8_bit = image.mode == "I" and values.max() <= 255  # 32 bits a pixel, of which 8 are used
        grey = Image.fromarray((values if is_8_bit else values >> 8).astype(np.uint8))
        key = image.info.get("transparency")
        if not isinstance(key, int):
            return grey
        return _on_background(np.asarray(grey, np.float32), np.where(values == key, 0.0, 255.0))
    if image.mode == "F":
        raise Unreadable("expected whole numbers as pixels, received floating point")
    if _is_opaque(image):
        return image.convert("L")
    grey, alpha = image.convert("LA").split()
    return _on_background(np.asarray(grey, np.float32), np.asarray(alpha, np.float32))


def _on_background(light: np.ndarray, alpha: np.ndarray) -> Image.Image:
    """A dark drawing on white, a bright one on black; both arrays are 0 … 255."""
    visible = float((light * alpha).sum() / max(float(alpha.sum()), 1.0))
    background = 255.0 if visible < 128 else 0.0
    mixed = background + (light - background) * (alpha / 255)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _is_opaque(image: Image.Image) -> bool:
    if "A" in image.getbands():
        return image.getchannel("A").getextrema()[0] == 255
    return "transparency" not in image.info


def resize(grey: Image.Image, size: tuple[int, int], fit: str) -> Picture:
    """Resize a picture in mode "L"; see read_picture."""
    pixels = np.asarray(grey)
    edges = (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])
    border = float(np.median(np.concatenate(edges)))
    target = (size[1], size[0])
    if grey.size != target and fit == "stretch":
        grey = grey.resize(target, Image.Resampling.LANCZOS)
    elif grey.size != target:
        grey = ImageOps.pad(grey, target, Image.Resampling.LANCZOS, color=round(border))
    return Picture(np.asarray(grey, np.uint8), border)
