"""Sprite sheets: a PNG with one flattened image in each row. The file may be damaged or hostile."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import DataError
from .png import PngHeader, check_whole, read_header

MAX_PIXELS = 1 << 28  # 268 million: 342,000 images of 28×28; at most 1 GiB inside Pillow
_STRIP_BYTES = 1 << 22  # pixels are converted in strips of about 4 MiB


def inspect_sheet(path: Path) -> PngHeader:
    """Read the header of a sheet and check its size, before memory is allocated for it.

    Raises:
        DataError: not a PNG, or larger than MAX_PIXELS.
        OSError: it can't be read.
    """
    header = read_header(path)
    if header.width * header.height > MAX_PIXELS:
        raise DataError(
            f"{path}: expected at most {MAX_PIXELS:,} pixels, received {header.width}×"
            f"{header.height} = {header.width * header.height:,}; split the sheet"
        )
    return header


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
    """Decode a sheet whose `header` was checked by inspect_sheet.

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
    convert = _converter(image, path)
    out = np.empty((image.height, image.width), np.uint8)
    rows = max(1, _STRIP_BYTES // (image.width * 4))
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        out[top:bottom] = convert(image.crop((0, top, image.width, bottom)), top)
    return out


def _converter(image: Image.Image, path: Path) -> Callable[[Image.Image, int], np.ndarray]:
    """A function (strip, its first row) -> (rows, width) uint8 for the mode of `image`."""
    mode = image.mode
    if "transparency" in image.info and mode != "P":
        raise DataError(
            f"{path}: expected opaque pixels, received a PNG with a transparent colour; "
            "flatten the image first"
        )
    if mode == "L":
        return lambda strip, top: np.asarray(strip)
    if mode == "1":
        return lambda strip, top: np.asarray(strip.convert("L"))
    if mode.startswith("I"):  # 16-bit grey: "I;16", or "I" in older versions of Pillow
        return lambda strip, top: (np.asarray(strip) >> 8).astype(np.uint8)
    if mode in ("LA", "RGB", "RGBA"):
        return lambda strip, top: _one_channel(np.asarray(strip.convert("RGBA")), top, path)
    if mode == "P":
        palette = _palette(image)
        return lambda strip, top: _one_channel(palette[np.asarray(strip)], top, path)
    raise DataError(f"{path}: expected a grey, colour or palette PNG, received mode {mode}")


def _palette(image: Image.Image) -> np.ndarray:
    """(256, 4) uint8 RGBA; colours that the file doesn't define are transparent."""
    table = np.zeros((256, 4), np.uint8)
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    table[: len(colours), :3] = colours
    table[: len(colours), 3] = 255
    alpha = image.info.get("transparency", b"")
    if isinstance(alpha, int):  # Pillow's short form: this one colour is transparent
        table[alpha, 3] = 0
    else:
        table[: len(alpha), 3] = np.frombuffer(alpha, np.uint8)[:256]
    return table


def _one_channel(strip: np.ndarray, top: int, path: Path) -> np.ndarray:
    """The grey value of a strip (rows, width, RGBA), whose colour channels must be equal."""
    grey = strip[..., 0]
    differs = (strip[..., :3] != grey[..., None]).any(axis=(1, 2))
    if differs.any():
        raise DataError(
            f"{path}: expected the grey value in every channel, received channels that differ "
            f"in row {top + int(np.argmax(differs)):,} (counted from 0); convert the images "
            "to grey before they go into a sheet (python -m minicnn.sprite build does)"
        )
    transparent = (strip[..., 3] != 255).any(axis=1)
    if transparent.any():
        row = top + int(np.argmax(transparent))
        raise DataError(
            f"{path}: expected opaque pixels, received transparent ones in row {row:,} (counted "
            "from 0); flatten the image first"
        )
    return grey
