"""A picture -> its brightness, (H, W) float32 in [0, 1]."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..errors import DataError
from ..typing import Array
from .imaging import reduce

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 2048  # pixels; larger pictures are averaged down
LUMA = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601, as Pillow converts to "L"


def read_grey(source: str | os.PathLike[str] | BinaryIO, *, most: float = np.inf) -> Array:
    """The brightness of a picture file: the first result of read_sized."""
    return read_sized(source, most=most)[0]


def read_sized(
    source: str | os.PathLike[str] | BinaryIO, *, most: float = np.inf
) -> tuple[Array, tuple[int, int]]:
    """Read a picture file: PNG, JPEG, BMP, GIF (first frame), TIFF, WebP or PPM.

    The picture is turned upright by its EXIF data. See also `grey`.

    Args:
        source: a path, or a seekable binary file.
        most: a picture with more pixels is rejected before it is decoded; the limit is at most
            89 million.

    Returns:
        (H, W) float32 in [0, 1], neither side longer than 2048 pixels; and the (H, W) of the
        upright picture in the file.

    Raises:
        DataError: no such file, not a picture, damaged, too large; names the file.
    """
    from ..data.picture import Unreadable, open_grey

    if isinstance(source, (str, os.PathLike)):
        source = Path(source)
        if not source.is_file():  # reading a pipe could block
            kind = "a folder" if source.is_dir() else "no such file"
            raise DataError(f"{source}: expected a picture file, received {kind}")
    try:
        image, size = open_grey(source, MAX_SIDE, most)
        return grey(image), size
    except Unreadable as error:
        name = source if isinstance(source, Path) else getattr(source, "name", "picture")
        raise DataError(f"{name}: can't be read as a picture: {error}") from error


def grey(image: Image | Array) -> Array:
    """The brightness of an image, (H, W) float32 in [0, 1]: 0 is black.

    Args:
        image: a Pillow image of any mode, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4):
            bool, uint8, uint16, or floats in [0, 1]. Transparent pixels become white if the
            visible ones are dark, else black. A larger image is averaged down to 2048 pixels a
            side.

    Raises:
        ValueError, TypeError: an array of another shape or type, or not in [0, 1].
        DataError: a Pillow image that cannot be decoded, or has more than 16 bits a pixel.
    """
    if not isinstance(image, np.ndarray):
        from ..data.picture import Unreadable, to_grey

        try:
            grey = to_grey(image)
            image = np.asarray(grey.reduce(_step(grey.size)))
        except (Unreadable, OSError, SyntaxError) as error:
            raise DataError(f"the image cannot be converted to grey: {error}") from error
    return reduce(_light(_unit(image)), _step(image.shape[:2]))


def box_in_file(
    box: tuple[int, int, int, int], shape: Sequence[int], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A box (top, left, bottom, right) in pixels of the picture in the file.

    Args:
        box: in pixels of the array that read_sized returned.
        shape: (h, w) of that array.
        size: (H, W) of the picture in the file.
    """
    factor = -(-max(size) // max(shape))  # of the longer side: the shorter may be cut off
    top, left, bottom, right = (factor * side for side in box)
    return top, left, min(bottom, size[0]), min(right, size[1])


def _step(sides: Sequence[int]) -> int:
    return -(-max(sides) // MAX_SIDE) if sides else 1


def _unit(image: Array) -> Array:
    """`image` as float32 in [0, 1]."""
    if image.dtype in (np.bool_, np.uint8, np.uint16):
        most = {1: 255, 2: 65535}[image.dtype.itemsize] if image.dtype.kind == "u" else 1
        return image.astype(np.float32) / np.float32(most)
    if image.dtype.kind != "f":
        raise TypeError(f"expected bool, uint8, uint16 or floats, received {image.dtype}")
    if not (image.size and image.min() >= 0 and image.max() <= 1):
        raise ValueError("expected floats in [0, 1], received other values; divide pixels by 255")
    return image.astype(np.float32)


def _light(image: Array) -> Array:
    """The brightness (H, W), in [0, 1], of grey, coloured or transparent pixels in [0, 1]."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            f"expected an image (H, W) with 1, 3 or 4 channels, received {image.shape}"
        )
    if channels == 1:
        return image.reshape(image.shape[:2])
    light = image[..., :3] @ np.array(LUMA, np.float32)
    if channels == 3:
        return light
    alpha = image[..., 3]
    visible = (light * alpha).sum() / max(float(alpha.sum()), 1 / 255)
    background = np.float32(visible < 0.5)
    return background + (light - background) * alpha
