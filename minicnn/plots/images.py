"""Images with captions: mistakes and samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..typing import Array
from .style import message, percent, short, styled


@styled
def mistakes(
    images: Array,
    true: Array,
    predicted: Array,
    probabilities: Array,
    class_names: Sequence[str],
    *,
    limit: int = 32,
    total: int | None = None,
) -> Figure:
    """Show the misread images of which the model was most sure; worst first.

    Args:
        images: (n, H, W, 1) or (n, H, W, 3), floats in [0, 1]; the right ones may be left out.
        true, predicted: (n,) integers: class indices.
        probabilities: (n, C) floats, or (n,): those of the predicted class.
        limit: most images to show, >= 1.
        total: how many images were tested, for the title; None: n.

    Without a mistake it shows the images of which the model was least sure.

    Raises:
        ValueError: the shapes don't fit.
    """
    images, true, predicted = np.asarray(images), np.asarray(true), np.asarray(predicted)
    sure = np.asarray(probabilities)
    if not len(images) == len(true) == len(predicted) == len(sure):
        raise ValueError(
            "mistakes: expected as many images, true and predicted classes and probabilities, "
            f"received {len(images)}, {len(true)}, {len(predicted)} and {len(sure)}"
        )
    if len(images) == 0:
        return message("no images")
    total = len(images) if total is None else total
    if sure.ndim == 2:
        sure = np.take_along_axis(sure, predicted[:, None], axis=1)[:, 0]
    names = [short(name, 16) for name in class_names]
    wrong = np.flatnonzero(true != predicted)
    if len(wrong) == 0:
        shown = np.argsort(sure, kind="stable")[: min(limit, 8)]
        captions = [f"{names[true[i]]}\n({percent(sure[i])})" for i in shown]
        return _grid(images[shown], captions, f"All {total:,} right. The least sure:")
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:limit]
    captions = [
        f"true {names[true[i]]}, read as\n{names[predicted[i]]} ({percent(sure[i])})" for i in shown
    ]
    title = f"{len(wrong):,} of {total:,} misread"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} of which the model was most sure"
    return _grid(images[shown], captions, title)


@styled
def samples(
    images: Array, labels: Array, class_names: Sequence[str], title: str | None = None
) -> Figure:
    """Show images (n, H, W, 1 or 3), floats in [0, 1], with the names of their classes (n,)."""
    images = np.asarray(images)
    if len(images) == 0:
        return message("no images", title)
    captions = [short(class_names[label], 16) for label in np.asarray(labels)]
    return _grid(images, captions, title)


def _grid(images: Array, captions: Sequence[str], title: str | None) -> Figure:
    """Images with captions under them, at most eight in a row."""
    lines = [caption.split("\n") for caption in captions]
    inches = max(1.05, 0.064 * max(len(line) for some in lines for line in some))
    columns = min(len(images), 8, max(int(10 / inches), 1))
    rows = -(-len(images) // columns)
    # Everything is placed in one system of axes, in pixels of an image.
    height, width = images.shape[1:3]
    across = 1.07 * width
    down = height + (0.14 * max(map(len, lines)) + 0.14) / inches * across
    tall = rows * down / across * inches
    figure = Figure(figsize=(max(inches * columns, 0.09 * len(title or "")), tall + 0.35))
    axes = figure.add_subplot(anchor="NW")
    axes.set_title(title or "", fontsize=11)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        y, x = np.multiply(divmod(number, columns), (down, across))
        grey = image.shape[-1] == 1
        axes.imshow(
            image[..., 0] if grey else image, cmap="gray", vmin=0.0, vmax=1.0,
            extent=(x, x + width, y + height, y), interpolation="nearest",
        )  # fmt: skip
        axes.text(x + width / 2, y + 1.03 * height, caption, ha="center", va="top", fontsize=8)
    axes.set_xlim(0, columns * across - 0.07 * width)
    axes.set_ylim(rows * down, 0)
    axes.set_axis_off()
    return figure
