"""Sprite sheets: a PNG with one flattened image in each row. The file may be damaged or hostile."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import DataError
from .png import PngHeader, check_whole

_STRIP_BYTES = 1 << 22  # pixels are converted in strips of about 4 MiB


def resolve_shape(width: int, image_shape: Sequence[int] | None, name: str) -> tuple[int, int, int]:
    """(H, W, 1) of the images in a sheet that is `width` pixels wide.

    Raises:
        DataError: the width is neither H·W of image_shape nor, without one, a perfect square.
        ValueError: image_shape isn't (H, W) or (H, W, 1) with positive whole numbers.
    """
    if image_shape is None:
        side = math.isqrt(width)
        if side * side != width:
            raise DataError(
                f"{name}: expected a width that is a perfect square (784 for 28×28 images), "
                f"received {width}; if the images aren't square, give image_shape=(H, W)"
            )
        return side, side, 1
    shape = tuple(image_shape)
    if (
        len(shape) not in (2, 3)
        or any(not isinstance(n, (int, np.integer)) or n < 1 for n in shape)
        or shape[2:] not in ((), (1,))
    ):
        raise ValueError(f"expected image_shape (H, W) or (H, W, 1), received {image_shape!r}")
    height, columns = int(shape[0]), int(shape[1])
    if height * columns != width:
        raise DataError(
            f"{name}: expected a sheet {height * columns} pixels wide for images of {height}×"
            f"{columns}, received {width}"
        )
    return height, columns, 1


def decode_sheet(path: Path, header: PngHeader) -> np.ndarray:
    """Decode a sheet with this `header`.

    Grey, palette or RGB, with or without (opaque) alpha, 1 to 16 bits a channel. Each channel holds
    the grey value. Of 16 bits, the upper 8 are kept; two levels become 0 and 255.

    Returns:
        (N, H*W) uint8, one image a row.

    Raises:
        DataError: truncated or damaged, channels that differ, pixels that aren't opaque.
    """
    check_whole(path, header)
    try:
        with open(path, "rb") as file:
            # Not Image.open: its limit on pixels belongs to the whole process.
            image = PngImagePlugin.PngImageFile(file)
            if image.size != (header.width, header.height):
                raise DataError(f"{path}: the PNG has two headers; get the file again")
            image.load()
            return _to_grey(image, path)
    except DataError:
        raise
    except Exception as error:  # Pillow raises nearly any exception on a crafted file
        raise DataError(
            f"{path}: the PNG can't be decoded ({type(error).__name__}: {error}); "
            "get the file again"
        ) from error


def _to_grey(image: Image.Image, path: Path) -> np.ndarray:
    out = np.empty((image.height, image.width), np.uint8)
    rows = max(1, _STRIP_BYTES // (image.width * 4))
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        out[top:bottom] = _grey_rows(image.crop((0, top, image.width, bottom)), top, path)
    return out


def _grey_rows(strip: Image.Image, top: int, path: Path) -> np.ndarray:
    """The grey values of some rows of a sheet, (rows, width) uint8; `top` is the first row."""
    mode, has_key = strip.mode, "transparency" in strip.info
    if mode == "L" and not has_key:
        return np.asarray(strip)
    if mode.startswith("I") and not has_key:  # 16-bit grey: "I;16", or "I" in older Pillow
        return (np.asarray(strip) >> 8).astype(np.uint8)
    if mode not in ("1", "L", "LA", "RGB", "RGBA", "P"):
        raise DataError(
            f"{path}: expected a grey, colour or palette PNG, of 16 bits an opaque one, received "
            f"mode {mode}"
        )
    pixels = np.asarray(strip.convert("RGBA"))
    grey = pixels[..., 0]
    differs = (pixels[..., :3] != grey[..., None]).any(axis=(1, 2))
    if differs.any():
        raise DataError(
            f"{path}: expected the grey value in every channel, received channels that differ "
            f"in row {top + int(np.argmax(differs)):,} (counted from 0); convert the images "
            "to grey before they go into a sheet (python -m minicnn.sprite build does)"
        )
    transparent = (pixels[..., 3] != 255).any(axis=1)
    if transparent.any():
        row = top + int(np.argmax(transparent))
        raise DataError(
            f"{path}: expected opaque pixels, received transparent ones in row {row:,} (counted "
            "from 0); flatten the image first"
        )
    return grey
