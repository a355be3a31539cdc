"""The confusion matrix, and the accuracy of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from ..metrics import wilson
from ..typing import Array
from .style import BLUE, INK, ORANGE, PALE, ink_on, short, styled

_ERRORS = LinearSegmentedColormap.from_list("errors", ["#FFFFFF", "#F6C7A3", ORANGE, "#7A3300"])
_RIGHT = LinearSegmentedColormap.from_list("right", ["#FFFFFF", "#A9D3EA"])


@styled
def confusion_matrix(
    matrix: Array,
    class_names: Sequence[str],
    title: str | None = None,
    *,
    shares: bool = False,
) -> Figure:
    """Draw counts of true class against predicted class, and each class's accuracy as a bar.

    Correct predictions are pale blue, mistakes orange by their share of the true class's samples:
    a few mistakes are visible among thousands of correct predictions. An empty cell is a zero.

    Args:
        matrix: (C, C) integers >= 0; a row for each true class.
        class_names: C names.
        shares: write percentages of the true class instead of counts.

    Raises:
        ValueError: the shapes don't fit.
    """
    matrix = _square("confusion_matrix", matrix, class_names)
    names = [short(name, 20) for name in class_names]
    count, longest = len(names), max(map(len, names))
    cell = min(max(5.0 / count, 0.25), 0.9)  # inches
    label = 0.07 * longest + 0.4
    figure = Figure(figsize=(label + count * cell + 2.1, label + count * cell + 0.7))
    cells, bars = figure.subplots(1, 2, sharey=True, width_ratios=[count * cell, 1.5])
    totals = matrix.sum(axis=1)
    figure.suptitle(title or _right_of_all(matrix), x=0.01, ha="left")
    of_true = matrix / np.maximum(totals, 1)[:, None]
    texts = _percents(matrix, of_true) if shares else matrix.astype(str)
    largest = _cells(cells, matrix, of_true, texts, cell)
    if largest > 0:
        note = f"orange: mistakes by their share of the true class, up to {100 * largest:.1f} %"
        note = f"numbers: % of the true class; {note}" if shares else note
        cells.set_title(note, fontsize=8, fontweight="normal")
    turn = longest * 0.075 > cell
    cells.set_xticks(range(count), names, rotation=90 if turn else 0)
    cells.set_yticks(range(count), names)
    cells.set_xlabel("predicted class")
    cells.set_ylabel("true class")
    _bars(bars, np.diagonal(matrix), totals)
    return figure


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
    matrix = _square("per_class_accuracy", matrix, class_names)
    right, totals = np.diagonal(matrix), matrix.sum(axis=1)
    accuracy = right / np.maximum(totals, 1)
    order = np.argsort(np.where(totals, accuracy, 2.0), kind="stable")
    order = order if sort else np.arange(len(totals))
    names = [short(class_names[i], 28) for i in order]
    figure = Figure(figsize=(5.6 + 0.065 * max(map(len, names)), 0.27 * len(names) + 1.15))
    axes = figure.add_subplot()
    figure.suptitle(title or _right_of_all(matrix), x=0.01, ha="left")
    rows = np.arange(len(order))
    axes.barh(rows, accuracy[order], color=BLUE, height=0.66)
    low, high = wilson(right[order], np.maximum(totals[order], 1))
    seen = totals[order] > 0
    axes.hlines(rows[seen], low[seen], high[seen], color=INK, linewidth=1.1)
    axes.plot([low[seen], high[seen]], [rows[seen]] * 2, "|", color=INK, markersize=5)
    if totals.any():
        axes.axvline(right.sum() / totals.sum(), color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
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


def _square(function: str, matrix: Array, class_names: Sequence[str]) -> Array:
    """`matrix` as an array; raises ValueError if it is not (C, C) for C >= 1 class names."""
    matrix, count = np.asarray(matrix), len(class_names)
    if not count or matrix.shape != (count, count):
        raise ValueError(
            f"{function}: expected ({count}, {count}), a row and a column for each class name "
            f"(at least one), received {matrix.shape}"
        )
    return matrix


def _right_of_all(matrix: Array) -> str:
    right, total = np.trace(matrix), matrix.sum()
    return f"{100 * right / total:.2f} % of {total:,} right" if total else "no samples"


def _percents(counts: Array, shares: Array) -> Array:
    """ "12.3"; "100" and not "100.0"; "<0.1" and not "0.0" for a count above 0."""
    texts = np.array([[f"{100 * share:.1f}" for share in row] for row in shares], dtype=object)
    texts[shares > 0.9995] = ">99.9"
    texts[shares == 1] = "100"
    texts[(counts > 0) & (shares < 0.0005)] = "<0.1"
    return texts


def _cells(axes: Axes, counts: Array, shares: Array, texts: Array, cell: float) -> float:
    """Draw the matrix; return the largest share of a mistake."""
    wrong = np.where(np.eye(len(shares), dtype=bool), 0.0, shares)
    largest = float(wrong.max(initial=0))
    # The square root keeps small shares visible beside a large one. With hardly any mistakes
    # (below 2 %), all are pale.
    colours = _ERRORS(PowerNorm(0.5, 0.0, max(largest, 0.02))(wrong))
    np.einsum("iic->ic", colours)[:] = _RIGHT(np.diagonal(shares))
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    longest = max((len(texts[i, j]) for i, j in np.argwhere(counts)), default=1)
    size = min(9.0, cell * 72 * 0.88 / (0.62 * longest))
    for i, j in np.argwhere(counts):
        ink = ink_on(colours[i, j, :3])
        axes.text(j, i, texts[i, j], ha="center", va="center", color=ink, fontsize=size)
    axes.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.grid(True, which="minor", axis="both", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return largest


def _bars(axes: Axes, right: Array, totals: Array) -> None:
    accuracy = right / np.maximum(totals, 1)
    axes.barh(range(len(right)), accuracy, color=BLUE, height=0.62)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "50", "100 %"])
    axes.set_xlabel("accuracy of the class")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", which="both", length=0, labelleft=False)
    for i, (value, total) in enumerate(zip(accuracy, totals, strict=True)):
        text = f"{100 * value:.1f} %" if total else "no samples"
        axes.text(1.04, i, text, va="center", fontsize=8, color=INK if total else PALE)
