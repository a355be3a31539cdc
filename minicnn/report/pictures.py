"""Pictures as data: URLs, so that the page needs no other file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """The attributes of an <img>."""

    source: str  # a data: URL
    text: str  # the alternative text
    width: int  # CSS pixels
    height: int


def vector(figure: Figure, text: str) -> Picture:
    """A figure as SVG."""
    return _picture(figure, text, "svg", "image/svg+xml", metadata={"Date": None})


def bitmap(figure: Figure, text: str) -> Picture:
    """A figure as PNG at a high resolution, for figures with thousands of elements."""
    return _picture(figure, text, "png", "image/png", dpi=160)


def _picture(figure: Figure, text: str, format: str, kind: str, **options: Any) -> Picture:
    file = io.BytesIO()
    figure.savefig(file, format=format, **options)
    width, height = figure.get_size_inches() * 96
    return Picture(_data_url(kind, file.getvalue()), text, round(width), round(height))


@dataclass(frozen=True)
class Sprite:
    """Many images of one size as one PNG, side by side in rows."""

    source: str
    columns: int
    rows: int
    width: int  # of one image, pixels
    height: int


def sprite(images: Array, columns: int = 32) -> Sprite:
    """A sprite of images (n >= 1, H, W, 1 or 3) uint8."""
    from PIL import Image

    count, height, width, channels = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(file, "PNG", optimize=True)
    return Sprite(_data_url("image/png", file.getvalue()), columns, rows, width, height)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
