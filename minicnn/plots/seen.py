"""What the network saw: the picture, what was made of it, and what it was taken for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..typing import Array
from .style import BLUE, ORANGE, PALE, message, percent, short, styled

Box = tuple[int, int, int, int]
BARS = 10  # classes with a bar, at most


@styled
def seen(
    pictures: Sequence[Array],
    images: Array,
    probabilities: Array,
    class_names: Sequence[str],
    titles: Sequence[str],
    *,
    boxes: Sequence[Box | None] | None = None,
    total: int | None = None,
) -> Figure:
    """Show, a row a picture: the picture, the image that the network saw, the probabilities.

    Args:
        pictures: n arrays (h, w), floats in [0, 1], each of its own size.
        images: (n, H, W, 1) or (n, H, W), floats in [0, 1].
        probabilities: (n, C) floats; up to ten classes have a bar: all, or the likeliest.
        class_names: C names.
        titles: n, one over each picture.
        boxes: of each picture (top, left, bottom, right) of what was cut out, or None.
        total: how many pictures there are, if more than are shown.

    Raises:
        ValueError: the lengths don't fit.
    """
    images = np.asarray(images)
    images = images.reshape(images.shape[:3])
    boxes = [None] * len(pictures) if boxes is None else boxes
    if not len(pictures) == len(images) == len(probabilities) == len(titles) == len(boxes):
        raise ValueError(
            "seen: expected as many pictures, images, probabilities, titles and boxes, received "
            f"{len(pictures)}, {len(images)}, {len(probabilities)}, {len(titles)}, {len(boxes)}"
        )
    if not pictures:
        return message("no images")
    names = [short(name, 16) for name in class_names]
    if np.shape(probabilities)[1:] != (len(names),):
        raise ValueError(
            f"seen: expected probabilities (n, {len(names)}), a class name for each column, "
            f"received {np.shape(probabilities)}"
        )
    figure = Figure(figsize=(7.2, 1.75 * len(pictures) + (0.3 if total else 0.0)))
    if total and total > len(pictures):
        figure.suptitle(f"The first {len(pictures)} of {total:,} pictures", x=0.01, ha="left")
    grid = figure.subplots(len(pictures), 3, squeeze=False, width_ratios=[1.6, 1, 1.6])
    for row, axes in enumerate(grid):
        _picture(axes[0], pictures[row], boxes[row], short(titles[row], 32))
        _image(axes[1], images[row])
        _bars(axes[2], np.asarray(probabilities[row]), names)
    return figure


def _picture(axes: Axes, picture: Array, box: Box | None, title: str) -> None:
    axes.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="antialiased")
    axes.set_title(title, fontsize=9)
    _frame(axes)
    if box is not None:
        top, left, bottom, right = box
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(
            Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=ORANGE, lw=1.2)
        )


def _image(axes: Axes, image: Array) -> None:
    axes.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_title(f"seen, {image.shape[0]}×{image.shape[1]}", fontsize=9, fontweight="normal")
    _frame(axes)


def _frame(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)


def _bars(axes: Axes, probabilities: Array, names: Sequence[str]) -> None:
    best = np.argsort(-probabilities, kind="stable")
    shown = np.arange(len(names)) if len(names) <= BARS else best[:BARS]
    colours = [BLUE if k == best[0] else PALE for k in shown]
    axes.barh(range(len(shown)), probabilities[shown], color=colours, height=0.7)
    axes.set_title(f"{names[best[0]]} ({percent(probabilities[best[0]])})", fontsize=9, color=BLUE)
    axes.set_yticks(range(len(shown)), [names[k] for k in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "50", "100 %"], fontsize=7)
    axes.tick_params(length=0)
