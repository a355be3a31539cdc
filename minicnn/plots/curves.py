"""Curves over the epochs: a chart for each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..metrics import rises
from ..typing import Array
from .style import BLUE, INK, ORANGE, floats, message, styled, whole_numbers

NOT_METRICS = ("epoch", "seconds", "images_per_second")


@styled
def history(
    history: Mapping[str, Sequence[float]],
    *,
    batches: Mapping[str, Sequence[float]] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a chart for each metric, `val_x` on the chart of `x`, with a ring at the best epoch.

    Accuracy is drawn from 0 to 1. If the later epochs fill less than half of a chart, its empty
    corner shows them magnified. × at the top marks an epoch with NaN or infinity.

    Args:
        history: lists of equal length: "epoch" (the x axis; without it, 1, 2, …), "loss",
            "val_loss", "accuracy", … Times are omitted.
        batches: the same for single batches; their "epoch" is a fraction: 0.5 is in the middle
            of the first. Drawn in a pale colour, with a running mean.
    """
    batches = batches or {}
    seen = dict.fromkeys(name.removeprefix("val_") for name in [*history, *batches])
    # The learning rate is last.
    names = sorted((n for n in seen if n not in NOT_METRICS), key=lambda n: n == "learning_rate")
    if not any(len(history.get(key, ())) for name in names for key in (name, f"val_{name}")):
        names = [name for name in names if len(batches.get(name, ()))]
    if not names:
        return message("no epochs yet", title)
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
    begin_chart(axes, name, pad=22)
    epochs = floats(history.get("epoch", range(1, 1 + max(map(len, history.values()), default=0))))
    curves = {
        label: (epochs, floats(history[key]), colour)
        for key, label, colour in ((name, "training", BLUE), (f"val_{name}", "validation", ORANGE))
        if len(history.get(key, ()))
    }
    noise = None
    if len(batches.get(name, ())):
        noise = floats(batches["epoch"]), floats(batches[name])
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


def begin_chart(axes: Axes, name: str, pad: float | None = None) -> None:
    """Title and grid of the metric `name` over the epochs."""
    axes.set_title(name.replace("_", " "), pad=pad)
    axes.set_xlabel("epoch")
    axes.grid(True, axis="y")
    axes.xaxis.set_major_locator(whole_numbers(8))


def limit_from_zero(axes: Axes, name: str, y: Array) -> None:
    """Accuracy from 0 to 1, other values >= 0 from 0."""
    if "accuracy" in name:
        axes.set_ylim(0, 1)
    elif y.size and y.min() >= 0:
        axes.set_ylim(0, 1.06 * y.max() or 1.0)


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
        # A single point between gaps has no line.
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
    """Epoch and value of the best validation (else training) value; None if unknown."""
    rising = rises(name)
    if not curves or rising is None:
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
    if noise is not None:  # the running mean stays within the chart, single batches may not
        lines.append((noise[0], _running_mean(noise[1])))
    x = np.concatenate([x for x, _ in lines])
    y = np.concatenate([y for _, y in lines])
    y = y[np.isfinite(y)]
    first, last = (0.0 if noise else x.min()), x.max()
    pad = 0.5 if first == last else 0.03 * (last - first)
    axes.set_xlim(first - (0 if noise else pad), last + pad)
    limit_from_zero(axes, name, y)


def _unclip(axes: Axes) -> None:
    """Lines within the limits may overlap the frame, so that an accuracy of 1 is fully drawn."""
    bottom, top = axes.get_ylim()
    for line in axes.lines:
        y = floats(line.get_ydata())
        line.set_clip_on(bool(np.any((y < bottom) | (y > top))))


_CORNER = 0.38, 0.42  # shares of the axes that an inset leaves free


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
    inset.xaxis.set_major_locator(whole_numbers(5))
    inset.yaxis.set_major_locator(MaxNLocator(nbins=4))
    inset.tick_params(labelsize=7, length=2)
    inset.grid(True, axis="y")
    inset.set_facecolor("#FAFAFA")


def _running_mean(y: Array) -> Array:
    """The mean over a window of a fiftieth of y around each point, without NaN."""
    half = max(len(y) // 100, 1)
    good, window = np.isfinite(y), np.ones(2 * half + 1)
    here = slice(half, half + len(y))
    total = np.convolve(np.where(good, y, 0.0), window)[here]
    count = np.convolve(good, window)[here].round()
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
