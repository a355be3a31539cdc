"""Images with captions: samples, right and wrong, and mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..typing import Array
from .style import ORANGE, message, percent, short, styled


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
        return grid(images[shown], captions, f"All {total:,} right. The least sure:")
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:limit]
    captions = [
        f"true {names[true[i]]}, read as\n{names[predicted[i]]} ({percent(sure[i])})" for i in shown
    ]
    title = f"{len(wrong):,} of {total:,} misread"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} of which the model was most sure"
    return grid(images[shown], captions, title)


@styled
def samples(
    images: Array,
    labels: Array,
    class_names: Sequence[str],
    title: str | None = None,
    *,
    predicted: Array | None = None,
    probabilities: Array | None = None,
) -> Figure:
    """Show images with the names of their classes and, if given, what a network takes them for.

    A misread image has a thick frame, and ✗ before the predicted class; a right one has ✓.

    Args:
        images: (n, H, W, 1) or (n, H, W, 3), floats in [0, 1].
        labels: (n,) integers: the true classes.
        predicted: (n,) integers.
        probabilities: (n, C) floats, or (n,): those of the predicted class.

    Raises:
        ValueError: the shapes don't fit.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    sure = None if probabilities is None else np.asarray(probabilities)
    if sure is not None and sure.ndim == 2 and predicted is None:
        predicted = sure.argmax(axis=1)
    if sure is not None and predicted is None:
        raise ValueError(
            f"samples: expected probabilities (n, C), or predicted too, received {sure.shape}"
        )
    for name, array in (("labels", labels), ("predicted", predicted), ("probabilities", sure)):
        if array is not None and len(array) != len(images):
            raise ValueError(
                f"samples: expected as many {name} as images, {len(images)}, received {len(array)}"
            )
    if len(images) == 0:
        return message("no images", title)
    names = [short(name, 16) for name in class_names]
    if predicted is None:
        return grid(images, [names[label] for label in labels], title)
    predicted = np.asarray(predicted)
    right = labels == predicted
    captions = [f"{'✓' if ok else '✗'} {names[k]}" for ok, k in zip(right, predicted, strict=True)]
    if sure is not None:
        if sure.ndim == 2:
            sure = np.take_along_axis(sure, predicted[:, None], axis=1)[:, 0]
        captions = [f"{text} ({percent(p)})" for text, p in zip(captions, sure, strict=True)]
    truth = ["" if ok else f"\nis {names[k]}" for ok, k in zip(right, labels, strict=True)]
    captions = [text + more for text, more in zip(captions, truth, strict=True)]
    title = title or f"{right.sum():,} of {len(right):,} right"
    return grid(images, captions, title, framed=~right)


def grid(
    images: Array,
    captions: Sequence[str],
    title: str | None,
    *,
    framed: Array | None = None,
    least: float = 1.05,
) -> Figure:
    """Images with captions under them, at most eight in a row.

    Args:
        framed: (n,) booleans: which have a thick frame.
        least: inches that an image is wide, or more if its caption is long.
    """
    lines = [caption.split("\n") for caption in captions]
    inches = max(least, 0.064 * max(len(line) for some in lines for line in some))
    columns = min(len(images), 8, max(int(10 / inches), 1))
    rows = -(-len(images) // columns)
    # Everything is placed in one system of axes, in pixels of an image.
    height, width = images.shape[1:3]
    across = 1.07 * width
    down = height + (0.14 * max(map(len, lines)) + 0.14) / inches * across
    tall = rows * down / across * inches
    figure = Figure(
        figsize=(max(inches * columns, 0.09 * len(title or "")), tall + (0.35 if title else 0.08))
    )
    axes = figure.add_subplot(anchor="NW")
    axes.set_title(title or "", fontsize=11)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        y, x = np.multiply(divmod(number, columns), (down, across))
        grey = image.shape[-1] == 1
        axes.imshow(
            image[..., 0] if grey else image, cmap="gray", vmin=0.0, vmax=1.0,
            extent=(x, x + width, y + height, y), interpolation="nearest",
        )  # fmt: skip
        if framed is not None and framed[number]:
            axes.add_patch(Rectangle((x, y), width, height, fill=False, ec=ORANGE, lw=2.5))
        below = y + height + 0.03 / inches * across
        axes.text(x + width / 2, below, caption, ha="center", va="top", fontsize=8)
    pad = 0.0 if framed is None else 0.02 * width
    axes.set_xlim(-pad, columns * across - 0.07 * width + pad)
    axes.set_ylim(rows * down, -pad)
    axes.set_axis_off()
    return figure
