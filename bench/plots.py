"""The figures of the benchmarks, in the style of minicnn's other figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from minicnn.plots.style import INK, PALE, styled

from .environment import headline
from .report import Report, Row
from .tables import number
from .timing import Quartiles

# Okabe and Ito's palette. Each competitor has the same colour and marker in all figures: those of
# the first entry whose words are all in its name.
MARKERS = {
    ("reference",): ("#000000", "v"),
    ("numpy",): ("#999999", "D"),
    ("NumPy",): ("#999999", "D"),
    ("Pillow",): ("#CC79A7", "P"),
    ("next_train_batch",): ("#F3B183", "o"),
    ("minicnn", "unfused"): ("#56B4E9", "o"),
    ("minicnn", "separate"): ("#56B4E9", "o"),
    ("minicnn", "im2col"): ("#56B4E9", "s"),
    ("minicnn", "implicit"): ("#0072B2", "^"),
    ("minicnn",): ("#D55E00", "o"),
    ("PyTorch", "compiled"): ("#CC79A7", "P"),
    ("PyTorch", "channels-last"): ("#009E73", "X"),
    ("PyTorch",): ("#E69F00", "d"),
    ("JAX",): ("#F0E442", "*"),
    ("one thread",): ("#000000", "v"),
    ("OpenMP",): ("#0072B2", "^"),
    ("workqueue",): ("#009E73", "X"),
    ("TBB",): ("#E69F00", "d"),
    ("ThreadPoolExecutor",): ("#CC79A7", "P"),
}
STACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7",
    "#F0E442", "#004D78", "#8A6000", "#006048", "#8A3C00", "#999999",
)  # fmt: skip


def marker_of(competitor: str) -> tuple[str, str]:
    """(colour, marker) of a competitor."""
    for words, found in MARKERS.items():
        if all(word in competitor for word in words):
            return found
    return PALE, "."


class Point(NamedTuple):
    """A measurement on a curve, with the quartiles of y."""

    x: float
    y: float
    low: float
    high: float


class Panels(dict[str, dict[str, list[Point]]]):
    """The charts of `lines`: title → competitor → points."""

    def add(self, title: str, competitor: str, x: float, y: Quartiles) -> None:
        """Append a point to the curve of a competitor."""
        curve = self.setdefault(title, {}).setdefault(competitor, [])
        curve.append(Point(x, y.median, y.q1, y.q3))


@styled
def bars(
    report: Report, rows: Sequence[Row], figure: str, title: str, scale: str = "linear"
) -> Figure:
    """A group of bars for each case, a bar for each competitor; error bars show the quartiles.

    Args:
        figure: the name of a figure of the rows; it must be a rate (falls as the time grows).
        scale: of y, "linear" or "log".
    """
    cases, names = distinct(rows, "case"), distinct(rows, "competitor")
    fig, axes = empty(report, title, (max(6.0, 1.5 + 0.17 * len(cases) * (len(names) + 1)), 3.8))
    present = {case: [r.competitor for r in rows if r.case == case] for case in cases}
    width = 0.86 / len(names)
    for name in names:
        shown = [r for r in rows if r.competitor == name]
        at = [_place(present[r.case], name) * width + cases.index(r.case) for r in shown]
        values = np.array([r.figures[figure] for r in shown])
        low = np.array([r.figures[figure] * (1 - r.median / r.q3) for r in shown])
        high = np.array([r.figures[figure] * (r.median / r.q1 - 1) for r in shown])
        axes.bar(at, values, width * 0.92, color=marker_of(name)[0], label=name)
        axes.errorbar(at, values, [low, high], fmt="none", ecolor=INK, elinewidth=0.6)
    labels = [case.removesuffix(" + pool") for case in cases]
    axes.set_xticks(range(len(cases)), labels)
    if len(cases) > 6 or max(map(len, labels)) > 16 < len(cases) * 8:
        axes.tick_params(axis="x", labelrotation=20)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(figure)
    axes.set_yscale(scale)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.grid(True, axis="y")
    return finish(fig)


@styled
def lines(
    report: Report,
    panels: Panels,
    labels: tuple[str, str],
    title: str,
    scale: str = "log",
) -> Figure:
    """A chart for each panel, a line for each competitor, with its quartiles shaded.

    Args:
        panels: the points.
        labels: of x (if the panels' titles don't give it) and y.
        scale: of y; the scale of x is logarithmic.
    """
    count = len(panels)
    fig, first = empty(report, title, (max(6.0, 4.2 * count), 3.8), columns=count)
    for axes, (name, curves) in zip(fig.axes, panels.items(), strict=True):
        axes.set_title(name)
        for competitor, points in curves.items():
            x, y, low, high = np.array(points, float).T
            colour, marker = marker_of(competitor)
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(
                x, y, color=colour, marker=marker, markersize=5, linewidth=1.4, label=competitor
            )
        axes.set_xscale("log")
        axes.set_yscale(scale)
        ticks = sorted({p.x for points in curves.values() for p in points})
        axes.set_xticks(ticks, [_short(tick) for tick in ticks])
        if scale == "linear":
            axes.set_ylim(bottom=0)
        axes.tick_params(axis="x", which="minor", length=0)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(labels[0])
        axes.grid(True, axis="both")
    first.set_ylabel(labels[1])
    return finish(fig)


@styled
def error_curves(report: Report, labels: tuple[str, str], title: str) -> Figure:
    """The report's curves of accuracy (a share) over seconds, drawn as errors in %.

    Both axes are logarithmic, which separates the last points as well as the first.
    """
    fig, axes = empty(report, title, (7.5, 4.2))
    for name, points in report.curves.items():
        seconds, accuracy = np.array(points).T
        colour, marker = marker_of(name)
        wrong = 100 * np.maximum(1 - accuracy, 1e-4)
        axes.plot(
            seconds, wrong, color=colour, marker=marker, markersize=3.5, linewidth=1.3, label=name
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    plain_numbers(axes)
    axes.grid(True, which="major", axis="both")
    return finish(fig)


@styled
def stacks(
    report: Report, columns: Mapping[str, Mapping[str, float]], label: str, title: str
) -> Figure:
    """A horizontal bar for each column, stacked from its parts, with the total beside it.

    "forward …" and "backward …" of the same layer have the same colour; backward is paler.
    """
    parts = list(dict.fromkeys(part for values in columns.values() for part in values))
    subjects = list(dict.fromkeys(_subject(part) for part in parts))
    fig, axes = empty(report, title, (9.5, 0.8 + 0.55 * len(columns)))
    names = list(columns)[::-1]
    left = np.zeros(len(names))
    whole = max(sum(values.values()) for values in columns.values())
    for part in parts:
        values = np.array([columns[name].get(part, 0.0) for name in names])
        colour = STACK[subjects.index(_subject(part)) % len(STACK)]
        if part.startswith("backward "):
            colour = _paler(colour)
        axes.barh(
            names, values, 0.66, left, color=colour, label=part, edgecolor="white", linewidth=0.6
        )
        for i, value in enumerate(values):
            if value > 0.05 * whole:
                axes.text(
                    left[i] + value / 2, i, number(value), ha="center", va="center", fontsize=7,
                    color=INK if _light(colour) else "white",
                )  # fmt: skip
        left += values
    for i, total in enumerate(left):
        axes.text(total + 0.01 * whole, i, number(total), va="center", fontsize=8, weight="bold")
    axes.set_xlim(0, 1.1 * whole)
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    return finish(fig)


def empty(
    report: Report, title: str, size: tuple[float, float], columns: int = 1
) -> tuple[Figure, Axes]:
    """A figure with title, machine, date and charts side by side; and its first chart.

    The height in `size` is the height of the charts; `finish` adds the space above them.
    """
    figure = Figure(figsize=size)
    for column in range(columns):
        figure.add_subplot(1, columns, column + 1)
    figure.text(0.01, 1, title, fontsize=11, weight="bold", va="top")
    figure.text(0.01, 1, headline(report.environment), fontsize=7.5, color=PALE, va="top")
    return figure, figure.axes[0]


def finish(figure: Figure) -> Figure:
    """Place title, machine, legend and charts, from top to bottom (in inches)."""
    width, height = figure.get_size_inches()
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        entries |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    labels, handles = list(entries), list(entries.values())
    longest = max(len(label) for label in labels)
    columns = max(1, min(len(labels), int(width / (0.5 + 0.066 * longest))))
    above = 0.5 + 0.19 * -(-len(labels) // columns)
    height += above
    figure.set_size_inches(width, height)

    def down(inches: float) -> float:
        return 1 - inches / height

    heading, machine = figure.texts
    heading.set_y(down(0.07))
    machine.set_y(down(0.29))
    figure.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0.003, down(0.45)), ncols=columns,
        handlelength=1.3, columnspacing=1.4, handletextpad=0.5, borderaxespad=0,
    )  # fmt: skip
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, down(above)))
    return figure


def _place(present: Sequence[str], name: str) -> float:
    """The position of a bar among those of its case, in bars from their centre."""
    return present.index(name) - (len(present) - 1) / 2


def plain_numbers(axes: Axes) -> None:
    """Label both axes with plain numbers instead of powers of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _subject(part: str) -> str:
    return part.removeprefix("forward ").removeprefix("backward ")


def _paler(colour: str) -> str:
    """The colour mixed half with white."""
    return "#" + "".join(f"{(int(colour[i : i + 2], 16) + 255) // 2:02X}" for i in (1, 3, 5))


def _light(colour: str) -> bool:
    """Whether dark text has more contrast on it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140


def distinct(rows: Sequence[Row], name: str) -> list[str]:
    """The values of the rows' field `name`, each once, in order."""
    return list(dict.fromkeys(getattr(r, name) for r in rows))
