"""A preview of a sheet, as a picture or as text for a terminal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..atomic_file import atomic_path

_RAMP = np.array(list(" .:-=+*#%@"))
_GAP = 2
_BACKGROUND = 40


def preview_image(
    images: np.ndarray,
    labels: np.ndarray,
    image_shape: Sequence[int],
    class_names: Sequence[str],
    per_class: int = 12,
) -> Image.Image:
    """A grid with one row for each class: its name and its first images.

    Args:
        images: (N, H*W) uint8. labels: (N, C) uint8 one-hot. image_shape: (H, W, 1).
    """
    height, width = image_shape[:2]
    zoom = max(1, round(56 / max(height, width)))
    cell_h, cell_w = height * zoom + _GAP, width * zoom + _GAP
    font = ImageFont.load_default()
    # The built-in font may have Latin letters only.
    names = [name.encode("latin-1", "replace").decode("latin-1")[:20] for name in class_names]
    margin = int(max(font.getlength(name) for name in names)) + 12
    size = (margin + cell_w * per_class, cell_h * len(names))
    canvas = Image.new("L", size, _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for row, name in enumerate(names):
        draw.text((6, row * cell_h + cell_h // 2 - 6), name, fill=255, font=font)
        for column, i in enumerate(np.flatnonzero(labels[:, row])[:per_class]):
            picture = Image.fromarray(images[i].reshape(height, width))
            picture = picture.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            canvas.paste(picture, (margin + column * cell_w, row * cell_h))
    return canvas


def write_preview(image: Image.Image, path: Path) -> None:
    """Write a picture as PNG.

    Raises:
        OSError: the folder can't be written.
    """
    with atomic_path(path) as temporary:
        image.save(temporary, "PNG")


def preview_text(images: np.ndarray, image_shape: Sequence[int], columns: int = 90) -> str:
    """As many of `images` (n, H*W) uint8 as fit side by side, as text.

    Two rows of pixels make one line: a character is twice as tall as it is wide.
    """
    height, width = image_shape[:2]
    fit = max(1, columns // (width + 1))
    lines = []
    pictures = images[:fit].reshape(-1, height, width).astype(np.uint16)
    for top in range(0, height, 2):
        line = pictures[:, top : top + 2].mean(axis=1)
        letters = _RAMP[(line * (len(_RAMP) - 1) / 255).round().astype(int)]
        lines.append(" ".join("".join(row) for row in letters).rstrip())
    return "\n".join(lines)
