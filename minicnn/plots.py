"""Figures of a training run: curves, confusion matrix, mistakes, samples, filters.

Every function takes plain arrays and returns a `matplotlib.figure.Figure` that belongs to nobody
else: pyplot, its windows and its memory of figures stay out of it. `save` writes one.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .files import atomic_path
from .typing import Array

# Okabe and Ito's palette: told apart by the colour-blind, and in grey by their lightness.
BLUE, ORANGE, INK, PALE = "#0072B2", "#D55E00", "#222222", "#8A8A8A"
_ERRORS = LinearSegmentedColormap.from_list("errors", ["#FFFFFF", "#F6C7A3", ORANGE, "#7A3300"])
_RIGHT = LinearSegmentedColormap.from_list("right", ["#FFFFFF", "#A9D3EA"])

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$"
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "minicnn",  # the same figure gives the same bytes
}
_FORMATS = (".png", ".svg", ".pdf")
_NOT_METRICS = ("epoch", "seconds", "images_per_second")

P = ParamSpec("P")
R = TypeVar("R")


def _styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run `draw` under the one style, whatever the user's own settings are."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return wrapper


@_styled
def save(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 150) -> None:
    """Write a figure by rename; the suffix of `path` (.png, .svg, .pdf) decides the format.

    Args:
        dpi: pixels an inch, of a .png and of the images inside the others.

    Raises:
        ValueError: another suffix.
        OSError: the folder cannot be made or written, or the disk is full.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"save: expected a path in {', '.join(_FORMATS)}, received {str(path)!r}")
    date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=dpi, metadata=date)


# ---- curves --------------------------------------------------------------------------------


@_styled
def history(
    history: Mapping[str, Sequence[float]],
    *,
    batches: Mapping[str, Sequence[float]] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a chart for each metric, `val_x` on the chart of `x`; the best epoch is ringed.

    Accuracy is drawn on 0 to 1. Where the later epochs fill less than half of a chart, its empty
    corner shows them magnified. × at the top marks an epoch that is NaN or infinite.

    Args:
        history: lists of equal length: "epoch" (the x axis; without it, 1, 2, …), "loss",
            "val_loss", "accuracy", … Times and rates are left out.
        batches: the same for single batches; their "epoch" is a fraction: 0.5 is halfway
            through the first. Drawn faintly, with a running mean.
    """
    batches = batches or {}
    seen = dict.fromkeys(name.removeprefix("val_") for name in [*history, *batches])
    # The learning rate explains the others: it comes last.
    names = sorted((n for n in seen if n not in _NOT_METRICS), key=lambda n: n == "learning_rate")
    if not any(len(history.get(key, ())) for name in names for key in (name, f"val_{name}")):
        names = [name for name in names if len(batches.get(name, ()))]
    if not names:
        return _message("no epochs yet", title)
    columns = {1: 1, 2: 2, 4: 2}.get(len(names), 3)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.4 * rows + 0.3 * bool(title)))
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    for number, name in enumerate(names):
        _chart(figure.add_subplot(rows, columns, number + 1), name, history, batches)
    return figure


def _chart(
    axes: Axes,
    name: str,
    history: Mapping[str, Sequence[float]],
    batches: Mapping[str, Sequence[float]],
) -> None:
    axes.set_title(name.replace("_", " "), pad=22)
    axes.set_xlabel("epoch")
    axes.grid(True, axis="y")
    axes.xaxis.set_major_locator(_whole(8))
    epochs = _floats(history.get("epoch", range(1, 1 + max(map(len, history.values()), default=0))))
    curves = {
        label: (epochs, _floats(history[key]), colour)
        for key, label, colour in ((name, "training", BLUE), (f"val_{name}", "validation", ORANGE))
        if len(history.get(key, ()))
    }
    noise = None
    if len(batches.get(name, ())):
        noise = _floats(batches["epoch"]), _floats(batches[name])
    if name == "learning_rate":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    best = _best(name, curves)
    _curves(axes, curves, noise, best)
    _limits(axes, name, curves, noise)
    _unclip(axes)
    for x, y, colour in curves.values():
        if (gone := x[~np.isfinite(y)]).size:
            top = axes.get_xaxis_transform()
            axes.plot(gone, np.full(len(gone), 0.97), "x", color=colour, transform=top)
    if name != "learning_rate":
        _magnify(axes, curves, noise, best)
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, handlelength=1.4,
            columnspacing=1.2, borderpad=0.1, handletextpad=0.5,
        )  # fmt: skip


Curves = dict[str, tuple[Array, Array, str]]


def _curves(
    axes: Axes,
    curves: Curves,
    noise: tuple[Array, Array] | None,
    best: tuple[float, float] | None,
    largest: float = 4.0,
) -> None:
    if noise is not None:
        label = None if "training" in curves else "training (smoothed)"
        axes.plot(*noise, color=BLUE, alpha=0.3, linewidth=0.8)
        axes.plot(noise[0], _running_mean(noise[1]), color=BLUE, linewidth=1.0, label=label)
    for label, (x, y, colour) in curves.items():
        size = 4.0 if len(x) <= 12 else 3.0 if len(x) <= 40 else 0.0
        size = min(size, largest)
        shape = "s" if label == "validation" else "o"
        # A lone point, or one between gaps, has no line to show it.
        gaps = np.isfinite(y) & ~(np.isfinite(np.roll(y, 1)) | np.isfinite(np.roll(y, -1)))
        if gaps.any() or len(y) == 1:
            size = max(size, 3)
        y = np.where(np.isfinite(y), y, np.nan)
        axes.plot(x, y, color=colour, marker=shape, markersize=size, linewidth=1.6, label=label)
    if best is not None:
        axes.plot(
            *best, "o", markersize=9, markerfacecolor="none", markeredgecolor=INK,
            label=f"best {best[1]:.4g} (epoch {best[0]:g})", zorder=5,
        )  # fmt: skip


def _best(name: str, curves: Curves) -> tuple[float, float] | None:
    """Epoch and value of the best validation (else training) value; None if nobody can say."""
    rising = "accuracy" in name or name.startswith("top")
    if not curves or not (rising or "loss" in name or "error" in name):
        return None
    x, y, _ = curves.get("validation", next(iter(curves.values())))
    known = np.isfinite(y)
    if not known.any():
        return None
    x, y = x[known], y[known]
    i = int(np.argmax(y) if rising else np.argmin(y))
    return float(x[i]), float(y[i])


def _limits(axes: Axes, name: str, curves: Curves, noise: tuple[Array, Array] | None) -> None:
    lines = [(x, y) for x, y, _ in curves.values()]
    if noise is not None:  # single batches may leave the chart, their running mean may not
        lines.append((noise[0], _running_mean(noise[1])))
    x = np.concatenate([x for x, _ in lines])
    y = np.concatenate([y for _, y in lines])
    y = y[np.isfinite(y)]
    first, last = (0.0 if noise else x.min()), x.max()
    pad = 0.5 if first == last else 0.03 * (last - first)
    axes.set_xlim(first - (0 if noise else pad), last + pad)
    if "accuracy" in name:
        axes.set_ylim(0, 1)
    elif y.size and y.min() >= 0:
        axes.set_ylim(0, 1.06 * y.max() or 1.0)


def _unclip(axes: Axes) -> None:
    """Let lines that stay within the limits overlap the frame: an accuracy of 1 is all drawn."""
    bottom, top = axes.get_ylim()
    for line in axes.lines:
        y = _floats(line.get_ydata())
        line.set_clip_on(bool(np.any((y < bottom) | (y > top))))


_CORNER = 0.38, 0.42  # an inset takes what is right of the first and beyond the second


def _magnify(
    axes: Axes, curves: Curves, noise: tuple[Array, Array] | None, best: tuple[float, float] | None
) -> None:
    """Show the later epochs magnified in the upper or lower right corner, if it is empty."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    start = left + _CORNER[0] * (right - left)
    late = {k: (x[x >= start], y[x >= start], c) for k, (x, y, c) in curves.items()}
    points = [y[np.isfinite(y)] for _, y, _ in late.values()]
    if min(map(len, points), default=0) < 3:
        return
    seen = np.concatenate(points)
    drawn = seen
    if noise is not None:
        after = noise[1][noise[0] >= start]
        drawn = np.concatenate([seen, after[np.isfinite(after)]])
    low, high = ((value - bottom) / (top - bottom) for value in (drawn.min(), drawn.max()))
    if 1 - _CORNER[1] < low and high <= 1:
        inset = axes.inset_axes((0.44, 0.1, 0.55, 0.40))
    elif low >= 0 and high < _CORNER[1]:
        inset = axes.inset_axes((0.44, 0.56, 0.55, 0.40))
    else:
        return
    _curves(inset, late, None, best if best and best[0] >= start else None, 3.0)
    pad = 0.12 * (seen.max() - seen.min()) or 0.01
    inset.set_ylim(max(seen.min() - pad, bottom), min(seen.max() + pad, top))
    _unclip(inset)
    inset.xaxis.set_major_locator(_whole(5))
    inset.yaxis.set_major_locator(MaxNLocator(nbins=4))
    inset.tick_params(labelsize=7, length=2)
    inset.grid(True, axis="y")
    inset.set_facecolor("#FAFAFA")


def _whole(most: int) -> MaxNLocator:
    return MaxNLocator(nbins=most, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)


def _running_mean(y: Array) -> Array:
    """The mean of a window of a fiftieth of y around each place, NaN left out."""
    half = max(len(y) // 100, 1)
    good, window = np.isfinite(y), np.ones(2 * half + 1)
    here = slice(half, half + len(y))
    total = np.convolve(np.where(good, y, 0.0), window)[here]
    count = np.convolve(good, window)[here].round()
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _floats(values: Any) -> Array:
    """As float64, with NaN for what can't be drawn: infinities, and what is next to them."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.abs(array) < 1e300, array, np.nan)


def _message(text: str, title: str | None = None) -> Figure:
    figure = Figure(figsize=(4.5, 3.0))
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color=PALE)
    return figure


# ---- confusion matrix ----------------------------------------------------------------------


@_styled
def confusion_matrix(matrix: Array, class_names: Sequence[str], title: str | None = None) -> Figure:
    """Draw counts of true class against predicted class, and each class's accuracy as a bar.

    Right answers are pale blue, mistakes orange by their share of the true class's samples, so
    that a few mistakes stand out beside thousands of right answers. An empty cell is a zero.

    Args:
        matrix: (C, C) integers >= 0; a row for each true class.
        class_names: C names.

    Raises:
        ValueError: the shapes don't fit.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape != (len(class_names), len(class_names)):
        raise ValueError(
            f"confusion_matrix: expected ({len(class_names)}, {len(class_names)}), a row and a "
            f"column for each class name, received {matrix.shape}"
        )
    names = [_short(name, 20) for name in class_names]
    count, longest = len(names), max(map(len, names))
    cell = min(max(5.0 / count, 0.25), 0.9)  # inches
    label = 0.07 * longest + 0.4
    figure = Figure(figsize=(label + count * cell + 2.1, label + count * cell + 0.7))
    cells, bars = figure.subplots(1, 2, sharey=True, width_ratios=[count * cell, 1.5])
    totals = matrix.sum(axis=1)
    share = np.trace(matrix) / max(totals.sum(), 1)
    right = f"{100 * share:.2f} % of {totals.sum():,} right" if totals.any() else "no samples"
    figure.suptitle(title or right, x=0.01, ha="left")
    worst = _cells(cells, matrix / np.maximum(totals, 1)[:, None], matrix, cell)
    if worst > 0:
        note = f"orange: mistakes by their share of the true class, up to {100 * worst:.1f} %"
        cells.set_title(note, fontsize=8, fontweight="normal")
    turn = longest * 0.075 > cell
    cells.set_xticks(range(count), names, rotation=90 if turn else 0)
    cells.set_yticks(range(count), names)
    cells.set_xlabel("predicted class")
    cells.set_ylabel("true class")
    _bars(bars, np.diagonal(matrix), totals)
    return figure


def _cells(axes: Axes, shares: Array, counts: Array, cell: float) -> float:
    """Draw the matrix; return the largest share that one kind of mistake has of its class."""
    wrong = np.where(np.eye(len(shares), dtype=bool), 0.0, shares)
    worst = float(wrong.max(initial=0))
    # By the root, one hopeless pair of classes doesn't pale all others; and where there are
    # hardly any mistakes, none looks grave.
    colours = _ERRORS(PowerNorm(0.5, 0.0, max(worst, 0.02))(wrong))
    np.einsum("iic->ic", colours)[:] = _RIGHT(np.diagonal(shares))
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    digits = len(f"{counts.max(initial=0)}")
    size = min(9.0, cell * 72 * 0.88 / (0.62 * digits))
    for i, j in np.argwhere(counts):
        light = colours[i, j, :3] ** 2.2 @ (0.2126, 0.7152, 0.0722)
        ink = "black" if light > 0.18 else "white"
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", color=ink, fontsize=size)
    axes.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.grid(True, which="minor", axis="both", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return worst


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


# ---- images --------------------------------------------------------------------------------


@_styled
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
        return _message("no images")
    total = len(images) if total is None else total
    if sure.ndim == 2:
        sure = np.take_along_axis(sure, predicted[:, None], axis=1)[:, 0]
    names = [_short(name, 16) for name in class_names]
    wrong = np.flatnonzero(true != predicted)
    if len(wrong) == 0:
        shown = np.argsort(sure, kind="stable")[: min(limit, 8)]
        captions = [f"{names[true[i]]}\n({_percent(sure[i])})" for i in shown]
        return _grid(images[shown], captions, f"All {total:,} right. The least sure:")
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:limit]
    captions = [
        f"true {names[true[i]]}, read as\n{names[predicted[i]]} ({_percent(sure[i])})"
        for i in shown
    ]
    title = f"{len(wrong):,} of {total:,} misread"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} of which the model was most sure"
    return _grid(images[shown], captions, title)


@_styled
def samples(
    images: Array, labels: Array, class_names: Sequence[str], title: str | None = None
) -> Figure:
    """Show images (n, H, W, 1 or 3), floats in [0, 1], with the names of their classes (n,)."""
    images = np.asarray(images)
    if len(images) == 0:
        return _message("no images", title)
    captions = [_short(class_names[label], 16) for label in np.asarray(labels)]
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


# ---- filters -------------------------------------------------------------------------------

_MOST = 16, 32  # input channels and filters shown


@_styled
def filters(w: Array, title: str | None = None) -> Figure:
    """Draw convolution weights: blue is negative, red positive, white zero; one scale for all.

    Args:
        w: (KH, KW, C, F). One input channel: a grid of filters. More: a column a filter, a row
            an input channel, at most 32 × 16 of them; the title says what was left out.

    Raises:
        ValueError: w is not 4-dimensional.
    """
    w = np.asarray(w)
    if w.ndim != 4:
        raise ValueError(f"filters: expected w of shape (KH, KW, C, F), received {w.shape}")
    shown = w[:, :, : _MOST[0], : _MOST[1]]
    channels, count = shown.shape[2:]
    tiles = shown.transpose(2, 3, 0, 1)
    columns = count if channels > 1 else math.ceil(math.sqrt(1.6 * count))
    finite = np.abs(w[np.isfinite(w)])
    norm = Normalize(-finite.max(initial=0) or -1.0, finite.max(initial=0) or 1.0)
    canvas = _mosaic(tiles.reshape(-1, *w.shape[:2]), columns, norm, mpl.colormaps["RdBu_r"])
    inches = min(max(8.0 / columns, 0.3), 0.9)
    size = (inches * columns + 1.2, inches * -(-channels * count // columns) + 0.5)
    figure = Figure(figsize=(max(size[0], 3.6), max(size[1], 1.8)))
    axes = figure.add_subplot(anchor="NW")
    axes.set_title((title or "filters") + _left_out(w.shape, shown.shape), fontsize=11)
    axes.imshow(canvas, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if channels > 1:
        axes.set_xlabel("filter")
        axes.set_ylabel("input channel")
    wide = inches * columns  # an inset, unlike an axes of its own, is as tall as the grid
    bar = axes.inset_axes((1 + 0.15 / wide, 0, 0.14 / wide, 1))
    figure.colorbar(ScalarMappable(norm, "RdBu_r"), cax=bar, label="weight")
    return figure


def _mosaic(tiles: Array, columns: int, norm: Normalize, colours: Colormap) -> Array:
    """Tiles (n, h, w) side by side as one RGBA image: hundreds of axes would take seconds."""
    scale = max(1, 24 // max(tiles.shape[1:]))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = tiles.shape[1:]
    gap = 3
    rows = -(-len(tiles) // columns)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 4))
    painted = colours.with_extremes(bad="#555555")(norm(np.ma.masked_invalid(tiles)))
    for number, tile in enumerate(painted):
        y, x = np.multiply(divmod(number, columns), (height + gap, width + gap))
        canvas[y : y + height, x : x + width] = tile
    return canvas


def _left_out(whole: tuple[int, ...], shown: tuple[int, ...]) -> str:
    parts = [
        f"{few} of {many} {what}"
        for few, many, what in zip(shown[2:], whole[2:], ("input channels", "filters"), strict=True)
        if few < many
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
