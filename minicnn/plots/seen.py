"""Pictures, the images that the network gets for them, and the predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..typing import Array
from .style import BLUE, ORANGE, PALE, message, percent, same_lengths, short, styled

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
    """Show a row for each picture: the picture, the network's input, the probabilities.

    Args:
        pictures: n arrays (h, w), floats in [0, 1], each of its own size.
        images: (n, H, W, 1) or (n, H, W), floats in [0, 1].
        probabilities: (n, C) floats; at most the ten largest have a bar.
        class_names: C names.
        titles: n, one above each picture.
        boxes: for each picture (top, left, bottom, right) of the part that was cut out, or None.
        total: the number of pictures, if more than are shown.

    Raises:
        ValueError: the lengths don't fit.
    """
    images = np.asarray(images)
    images = images.reshape(images.shape[:3])
    boxes = [None] * len(pictures) if boxes is None else boxes
    same_lengths(
        "seen", pictures=pictures, images=images, probabilities=probabilities, titles=titles,
        boxes=boxes,
    )  # fmt: skip
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
        _picture(axes[0], pictures[row], "antialiased", box=boxes[row])
        axes[0].set_title(short(titles[row], 32), fontsize=9)
        height, width = images[row].shape
        _picture(axes[1], images[row], "nearest")
        axes[1].set_title(f"seen, {height}×{width}", fontsize=9, fontweight="normal")
        _bars(axes[2], np.asarray(probabilities[row]), names)
    return figure


def _picture(axes: Axes, picture: Array, interpolation: str, box: Box | None = None) -> None:
    axes.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation=interpolation)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    if box is not None:
        top, left, bottom, right = box
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(
            Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=ORANGE, lw=1.2)
        )


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
