"""Histograms: of one array, and of a layer over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ..typing import Array
from .style import BLUE, INK, ORANGE, PALE, message, styled

_MOST_EPOCHS = 20
_EPOCHS = LinearSegmentedColormap.from_list("epochs", ["#D6E9F5", "#69B1DB", BLUE, "#003A5D"])


@styled
def values_distribution(values: Array, title: str | None = None, *, bins: int = 50) -> Figure:
    """Draw a histogram of all numbers of an array, and their statistics.

    Exact zeros (as from a ReLU) have a separate, hatched bar; NaN and infinities are counted beside
    the chart.

    Args:
        values: of any shape; floats, integers or booleans.
        bins: bars, >= 1.

    Raises:
        ValueError: bins < 1.
    """
    if bins < 1:
        raise ValueError(f"values_distribution: expected bins >= 1, received {bins}")
    values = np.asarray(values)
    flat = values.ravel().astype(np.float64)
    if not flat.size:
        return message("no values", title)
    figure = Figure(figsize=(7.0, 3.2))
    axes, side = figure.subplots(1, 2, width_ratios=[3.4, 1])
    axes.set_title(title or f"{flat.size:,} values", pad=8)
    finite = flat[np.isfinite(flat)]
    if finite.size:
        _bars(axes, finite, bins)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no finite value", ha="center", va="center", color=PALE, fontsize=12)
    _numbers(side, _facts(values.shape, flat, finite))
    return figure


def _bars(axes: Axes, finite: Array, bins: int) -> None:
    zeros = int(np.count_nonzero(finite == 0))
    others = finite[finite != 0]
    # The range of float64's largest numbers would overflow.
    others = np.clip(others, -1e307, 1e307)
    counts, edges = np.histogram(others if others.size else finite, bins, _range(finite))
    counts = counts if others.size else np.zeros_like(counts)
    axes.stairs(counts, edges, fill=True, color=BLUE)
    highest = int(counts.max(initial=0))
    # A much taller bar of zeros is cut: the others would be invisible.
    top = 1.12 * (min(zeros, 1.4 * highest) if highest else zeros)
    top = max(top, 1.08 * highest)
    if zeros:
        width = edges[1] - edges[0]
        axes.bar(
            0, min(zeros, top), width, facecolor="white", edgecolor=ORANGE, hatch="//////",
            linewidth=1.2,
        )  # fmt: skip
        cut = " (bar cut)" if zeros > top else ""
        left = edges[0] + edges[-1] > 0  # the text is on the side with more space
        text = f"{zeros:,} zero{'s' * (zeros > 1)}{cut}"
        axes.annotate(
            text, (0, min(zeros, top)), (9 if left else -9, -3), fontsize=8,
            textcoords="offset points", ha="left" if left else "right", va="top",
        )  # fmt: skip
    axes.set_ylim(0, top)
    axes.set_xlabel("value")
    axes.set_ylabel("count")
    axes.grid(True, axis="y")


def _range(finite: Array) -> tuple[float, float]:
    low, high = np.clip([finite.min(), finite.max()], -1e307, 1e307)
    if high - low > max(1e-12 * max(abs(low), abs(high)), 1e-290):
        return low, high
    pad = max(abs(low) * 0.5, 0.5)  # a single value: a bar in the middle
    return low - pad, high + pad


def _facts(shape: tuple[int, ...], flat: Array, finite: Array) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = [("count", f"{flat.size:,}"), ("shape", str(shape))]
    if finite.size:
        scale = float(np.abs(finite).max()) or 1.0  # squares of large numbers would overflow
        mean, std = scale * (finite / scale).mean(), scale * (finite / scale).std()
        measures = {"min": finite.min(), "max": finite.max(), "mean": mean, "std": std}
        facts += [(name, f"{value:.4g}") for name, value in measures.items()]
    kinds = {"zeros": flat == 0, "NaN": np.isnan(flat), "infinite": np.isinf(flat)}
    for name, which in kinds.items():
        n = int(np.count_nonzero(which))
        share = 100 * n / flat.size
        facts.append((name, f"{n:,} ({share:.1f} %)" if n else "0"))
    return facts


def _numbers(axes: Axes, facts: Sequence[tuple[str, str]]) -> None:
    axes.set_axis_off()
    for row, (name, value) in enumerate(facts):
        height = 0.97 - 0.105 * row
        bad = name in ("NaN", "infinite") and value != "0"
        axes.text(0.0, height, name, va="top", fontsize=8, color=PALE, transform=axes.transAxes)
        axes.text(
            0.36, height, value + ("  !" if bad else ""), va="top", fontsize=8.5,
            color=ORANGE if bad else INK, fontweight="bold" if bad else "normal",
            transform=axes.transAxes,
        )  # fmt: skip


@styled
def layer_histograms(
    edges: Array, counts: Array, epochs: Sequence[float] | Array | None = None,
    title: str | None = None, *, xlabel: str = "value",
) -> Figure:  # fmt: skip
    """Draw how the distribution of a layer's weights, gradients or activations changes.

    One ridge for each epoch, the first at the top. Each is scaled to its own peak: compare shapes
    and positions, not heights. A dot marks the median, a bar the middle half.

    Args:
        edges: (B + 1,) rising, of all epochs, or (E, B + 1), of each.
        counts: (E, B) >= 0.
        epochs: (E,) labels of the ridges; None: 1, 2, … Of more than 20, 20 evenly spaced ones are
            drawn, with the first and the last.
        xlabel: the quantity.

    Raises:
        ValueError: the shapes don't fit; counts below 0; falling edges.
    """
    counts, edges = np.asarray(counts, np.float64), np.asarray(edges, np.float64)
    if counts.ndim != 2 or edges.shape[-1:] != (counts.shape[1] + 1,) or not (
        edges.ndim == 1 or edges.shape[:-1] == counts.shape[:1]
    ):  # fmt: skip
        raise ValueError(
            "layer_histograms: expected counts (E, B) and edges (B + 1,) or (E, B + 1), "
            f"received {counts.shape} and {edges.shape}"
        )
    if (counts < 0).any() or (np.diff(edges) < 0).any():
        raise ValueError("layer_histograms: expected counts >= 0 and edges that rise")
    labels = np.arange(1, len(counts) + 1) if epochs is None else np.asarray(epochs)
    if labels.shape != counts.shape[:1]:
        raise ValueError(
            f"layer_histograms: expected {len(counts)} epochs, received {labels.shape}"
        )
    if not counts.size:
        return message("no epochs yet", title)
    edges = np.broadcast_to(edges, (len(counts), edges.shape[-1]))
    shown = np.unique(np.linspace(0, len(counts) - 1, min(len(counts), _MOST_EPOCHS)).round())
    figure = Figure(figsize=(5.6, 1.3 + 0.21 * len(shown)))
    axes = figure.add_subplot()
    axes.set_title(title or "distribution over the epochs")
    for row, index in enumerate(shown.astype(int)):
        _ridge(axes, row, edges[index], counts[index], _EPOCHS((row + 1) / len(shown)))
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=99)
    filled = (counts > 0) & np.isfinite(edges[:, :-1]) & np.isfinite(edges[:, 1:])
    if filled.any():
        low, high = edges[:, :-1][filled].min(), edges[:, 1:][filled].max()
        pad = 0.03 * (high - low) or 0.5
        axes.set_xlim(low - pad, high + pad)
    axes.set_yticks(range(len(shown)), [f"{labels[i]:g}" for i in shown.astype(int)])
    axes.set_ylim(len(shown) - 0.6, -2.1)
    axes.set_ylabel("epoch")
    axes.set_xlabel(xlabel)
    axes.grid(True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def _ridge(axes: Axes, row: int, edges: Array, counts: Array, colour: tuple[float, ...]) -> None:
    density = counts / np.maximum(np.diff(edges), 1e-300)
    peak = density.max()
    if not (np.isfinite(edges).all() and np.isfinite(peak) and peak > 0):
        axes.text(0.01, row, "no values", va="bottom", fontsize=7, color=PALE,
                  transform=axes.get_yaxis_transform())  # fmt: skip
        return
    heights = row - 1.9 * density / peak
    x, y = np.repeat(edges, 2), np.concatenate([[row], np.repeat(heights, 2), [row]])
    axes.fill_between(x, row, y, facecolor=colour, alpha=0.92, zorder=row + 1, linewidth=0)
    axes.plot(x, y, color="white", linewidth=1.2, zorder=row + 1)
    below = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    quarter, median, three = np.interp([0.25, 0.5, 0.75], below, edges)
    axes.plot([quarter, three], [row, row], color=INK, linewidth=1.6, zorder=row + 2.2)
    axes.plot(median, row, "o", color="white", markeredgecolor=INK, markersize=3.6,
              zorder=row + 2.3)  # fmt: skip
