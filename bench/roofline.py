"""The roofline: the limits of arithmetic and memory, and how close the competitors come.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model" (2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minicnn.plots.style import INK, styled

from .plots import distinct, empty, finish, marker_of, plain_numbers
from .report import Report, Row
from .tables import number


@styled
def draw(report: Report, rows: Sequence[Row], title: str) -> Figure:
    """GFLOP/s over FLOP per byte, both logarithmic, below the two measured ceilings."""
    flops = report.findings["ceiling, GFLOP/s"]
    bandwidth = report.findings["ceiling, GB/s to and from memory"]
    fig, axes = empty(report, title, (8.0, 4.8))
    x = np.array([r.figures["FLOP/byte"] for r in rows])
    rates = np.array([r.figures["GFLOP/s"] for r in rows])
    ridge = flops / bandwidth
    left, right = min(0.5 * x.min(), 0.2 * ridge), max(2 * x.max(), 4 * ridge)
    edge = np.geomspace(left, right, 200)
    axes.plot(edge, np.minimum(flops, edge * bandwidth), color=INK, linewidth=1.2)
    axes.text(
        right, flops * 1.07, f"multiply-adds: {number(flops)} GFLOP/s", ha="right", fontsize=8
    )
    axes.annotate(
        f"memory: {number(bandwidth)} GB/s", (0.6 * ridge, 0.6 * flops), (-6, 4),
        textcoords="offset points", ha="right", fontsize=8,
    )  # fmt: skip
    for name in distinct(rows, "competitor"):
        shown = [
            (r.figures["FLOP/byte"], r.figures["GFLOP/s"]) for r in rows if r.competitor == name
        ]
        colour, marker = marker_of(name)
        axes.plot(
            *zip(*shown, strict=True), marker, color=colour, markersize=6.5, label=name,
            markeredgecolor="white", markeredgewidth=0.6, linestyle="none",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(0.35 * min(rates.min(), left * bandwidth), 1.8 * flops)
    _name_columns(axes, rows)
    axes.set_xlabel("FLOP per byte that must move")
    axes.set_ylabel("GFLOP/s")
    plain_numbers(axes)
    axes.grid(True, which="major", axis="both")
    return finish(fig)


def _name_columns(axes: Axes, rows: Sequence[Row]) -> None:
    """Write the name of each case below its lowest marker, without overlaps."""
    lowest: dict[str, tuple[float, float]] = {}
    for r in rows:
        x, y = r.figures["FLOP/byte"], r.figures["GFLOP/s"]
        lowest[r.case] = (x, min(y, lowest.get(r.case, (x, y))[1]))
    width = axes.bbox.width * 72 / axes.figure.dpi  # in points
    points_per_decade = width / np.ptp(np.log10(axes.get_xlim()))
    free = -np.inf
    for case, (x, y) in sorted(lowest.items(), key=lambda item: item[1]):
        wanted = points_per_decade * np.log10(x)
        place = max(wanted, free)
        free = place + 9  # points: the height of a line
        axes.annotate(
            case.removesuffix(" + pool"), (x, y), (place - wanted, -6),
            textcoords="offset points", ha="center", va="top", fontsize=7, rotation=90,
        )  # fmt: skip
