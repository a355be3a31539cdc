"""Images with captions: samples with predictions, and mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..typing import Array
from .style import ORANGE, message, percent, same_lengths, short, styled


@styled
def mistakes(
    images: Array,
    true: Array,
    predicted: Array,
    probabilities: Array,
    class_names: Sequence[str],
    title: str | None = None,
    *,
    limit: int = 32,
    total: int | None = None,
) -> Figure:
    """Show the misclassified images, most confident predictions first.

    Without a mistake it shows the images with the least confident predictions.

    Args:
        images: (n, H, W, 1) or (n, H, W, 3), floats in [0, 1]; correct ones may be omitted.
        true, predicted: (n,) integers: class indices.
        probabilities: (n, C) floats, or (n,): those of the predicted class.
        limit: how many images to show at most, >= 1.
        title: None: how many images are misclassified.
        total: how many images were tested, for that title; None: n.

    Raises:
        ValueError: the shapes don't fit.
    """
    images, true, predicted = np.asarray(images), np.asarray(true), np.asarray(predicted)
    confidence = np.asarray(probabilities)
    same_lengths(
        "mistakes", images=images, true=true, predicted=predicted, probabilities=confidence
    )
    if len(images) == 0:
        return message("no images", title)
    total = len(images) if total is None else total
    confidence = _of_predicted(confidence, predicted)
    names = [short(name, 16) for name in class_names]
    wrong = np.flatnonzero(true != predicted)
    if len(wrong) == 0:
        shown = np.argsort(confidence, kind="stable")[: min(limit, 8)]
        captions = [f"{names[true[i]]}\n({percent(confidence[i])})" for i in shown]
        return grid(images[shown], captions, title or f"All {total:,} right. The least confident:")
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    captions = [
        f"true {names[true[i]]}, predicted\n{names[predicted[i]]} ({percent(confidence[i])})"
        for i in shown
    ]
    more = f"; the {len(shown)} most confident" if len(shown) < len(wrong) else ""
    text = f"{len(wrong):,} of {total:,} misclassified{more}"
    return grid(images[shown], captions, title or text)


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
    """Show images with the names of their classes and, if given, the predictions.

    A misclassified image has a thick frame, and ✗ before the predicted class; a correct one has ✓.

    Args:
        images: (n, H, W, 1) or (n, H, W, 3), floats in [0, 1].
        labels: (n,) integers: the true classes.
        predicted: (n,) integers.
        probabilities: (n, C) floats, or (n,): those of the predicted class.

    Raises:
        ValueError: the shapes don't fit.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    confidence = None if probabilities is None else np.asarray(probabilities)
    if confidence is not None and confidence.ndim == 2 and predicted is None:
        predicted = confidence.argmax(axis=1)
    if confidence is not None and predicted is None:
        raise ValueError(
            f"samples: expected probabilities (n, C), or predicted too, received {confidence.shape}"
        )
    same_lengths(
        "samples", images=images, labels=labels, predicted=predicted, probabilities=confidence
    )
    if len(images) == 0:
        return message("no images", title)
    names = [short(name, 16) for name in class_names]
    if predicted is None:
        return grid(images, [names[label] for label in labels], title)
    predicted = np.asarray(predicted)
    right = labels == predicted
    captions = [f"{'✓' if ok else '✗'} {names[k]}" for ok, k in zip(right, predicted, strict=True)]
    if confidence is not None:
        confidence = _of_predicted(confidence, predicted)
        captions = [f"{text} ({percent(p)})" for text, p in zip(captions, confidence, strict=True)]
    truth = ["" if ok else f"\nis {names[k]}" for ok, k in zip(right, labels, strict=True)]
    captions = [text + more for text, more in zip(captions, truth, strict=True)]
    title = title or f"{right.sum():,} of {len(right):,} right"
    return grid(images, captions, title, framed=~right)


def _of_predicted(probabilities: Array, predicted: Array) -> Array:
    """(n,): of the predicted class, given (n, C) or these (n,)."""
    if probabilities.ndim == 1:
        return probabilities
    return np.take_along_axis(probabilities, predicted[:, None], axis=1)[:, 0]


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
        least: the smallest width of an image in inches; long captions need more.
    """
    lines = [caption.split("\n") for caption in captions]
    inches = max(least, 0.064 * max(len(line) for some in lines for line in some))
    columns = min(len(images), 8, max(int(10 / inches), 1))
    rows = -(-len(images) // columns)
    # All images are on the same axes, measured in pixels.
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
