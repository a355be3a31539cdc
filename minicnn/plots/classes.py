"""The accuracy of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..metrics import wilson
from ..typing import Array
from .confusion import square
from .style import BLUE, INK, PALE, short, styled


@styled
def per_class_accuracy(
    matrix: Array, class_names: Sequence[str], title: str | None = None, *, sort: bool = False
) -> Figure:
    """Draw a bar for the accuracy of each class, with its counts.

    The thin line across a bar's end is the 95 % confidence interval. The dashed line is the
    accuracy over all samples.

    Args:
        matrix: (C, C) integers >= 0, the confusion matrix; a row for each true class.
        class_names: C names.
        sort: the class with the lowest accuracy first; False: in the order given.

    Raises:
        ValueError: the shapes don't fit.
    """
    matrix = square("per_class_accuracy", matrix, class_names)
    right, totals = np.diagonal(matrix), matrix.sum(axis=1)
    accuracy = right / np.maximum(totals, 1)
    order = np.argsort(np.where(totals, accuracy, 2.0), kind="stable")
    order = order if sort else np.arange(len(totals))
    names = [short(class_names[i], 28) for i in order]
    figure = Figure(figsize=(5.6 + 0.065 * max(map(len, names)), 0.27 * len(names) + 1.15))
    axes = figure.add_subplot()
    share = right.sum() / max(totals.sum(), 1)
    whole = f"{100 * share:.2f} % of {totals.sum():,} right" if totals.any() else "no samples"
    figure.suptitle(title or whole, x=0.01, ha="left")
    rows = np.arange(len(order))
    axes.barh(rows, accuracy[order], color=BLUE, height=0.66)
    low, high = wilson(right[order], np.maximum(totals[order], 1))
    seen = totals[order] > 0
    axes.hlines(rows[seen], low[seen], high[seen], color=INK, linewidth=1.1)
    axes.plot([low[seen], high[seen]], [rows[seen]] * 2, "|", color=INK, markersize=5)
    if totals.any():
        axes.axvline(share, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    for row, i in enumerate(order):
        text = f"{100 * accuracy[i]:.1f} %   {right[i]:,} of {totals[i]:,}"
        text, ink = (text, INK) if totals[i] else ("no samples", PALE)
        axes.text(1.015, row, text, va="center", fontsize=8, color=ink)
    axes.set_yticks(rows, names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 6), ["0", "20", "40", "60", "80", "100 %"])
    axes.set_xlabel("accuracy of the class" + (" (dashed: of all)" if totals.any() else ""))
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure
