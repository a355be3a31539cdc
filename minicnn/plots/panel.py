"""Parts of figures with a manual layout: one axes, in inches, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import Normal, Stroke

from ..typing import Array
from .style import INK, PALE, Colour, ink_on


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size, and axes that cover it, in inches from the upper left corner."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes


class Box(NamedTuple):
    """A rectangle; (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def part(
        self, row: float, column: float, rows: float, columns: float, shape: tuple[int, ...]
    ) -> Box:
        """The box of some rows and columns of shape[0] × shape[1] cells."""
        tall, wide = self.height / shape[0], self.width / shape[1]
        return Box(self.x + column * wide, self.y + row * tall, columns * wide, rows * tall)


def picture(
    axes: Axes, array: Array, box: Box, limits: tuple[float, float], colours: str = "gray"
) -> None:
    """(H, W) by a colour map from limits[0] to limits[1], or (H, W, 3), filling the box."""
    axes.imshow(
        array, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto",
        extent=(box.x, box.right, box.bottom, box.y), interpolation="antialiased", zorder=2,
    )  # fmt: skip


def outline(axes: Axes, box: Box, colour: str, width: float, hatch: str | None = None) -> None:
    """A frame around the box, below pictures if it is hatched. A thick one has a dark rim: it is
    visible on light and dark pictures."""
    grow = 0.5 * width / 72 if width > 1 else 0.0  # it covers nothing inside
    frame = Rectangle(
        (box.x - grow, box.y - grow), box.width + 2 * grow, box.height + 2 * grow, fill=False,
        edgecolor=colour, linewidth=width, hatch=hatch, zorder=1 if hatch else 5,
    )  # fmt: skip
    if width > 1:
        frame.set_path_effects([Stroke(linewidth=width + 1.2, foreground="#333333"), Normal()])
    axes.add_patch(frame)


def badge(axes: Axes, x: float, y: float, letter: str, colour: str, scale: float = 1.0) -> None:
    """A letter in a disc."""
    axes.add_patch(
        Circle((x, y), 0.085 * scale, facecolor=colour, edgecolor="#333333", linewidth=0.6,
               zorder=6)
    )  # fmt: skip
    axes.text(x, y + 0.005, letter, ha="center", va="center", fontsize=7.5 * scale, zorder=7,
              fontweight="bold", color="black")  # fmt: skip


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str) -> None:
    """A horizontal arrow with text above it."""
    axes.annotate("", end, start, arrowprops={
        "arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0,
    })  # fmt: skip
    axes.text((start[0] + end[0]) / 2, start[1] - 0.07, text, ha="center", va="bottom", fontsize=8)


def centred(axes: Axes, x: float, y: float, text: str, size: float) -> None:
    """Text around a point."""
    axes.text(x, y, text, ha="center", va="center", fontsize=size)


def cells(
    axes: Axes,
    box: Box,
    rows: Sequence[Sequence[float | None]],
    colour: Colour,
    size: float = 7.0,
) -> None:
    """A table of numbers on their colours; None is an ellipsis."""
    shape = len(rows), len(rows[0])
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            cell = box.part(i, j, 1, 1, shape)
            paper = (1.0, 1.0, 1.0, 1.0) if value is None else colour(value)
            axes.add_patch(
                Rectangle((cell.x, cell.y), cell.width, cell.height, facecolor=paper,
                          edgecolor=PALE, linewidth=0.6, zorder=3)
            )  # fmt: skip
            text = ("…" if len(row) > 1 else "⋮") if value is None else brief(value)
            axes.text(cell.x + cell.width / 2, cell.y + cell.height / 2, text, fontsize=size,
                      ha="center", va="center", color=ink_on(paper[:3]), zorder=4)  # fmt: skip


def brief(value: float) -> str:
    """0 → "0", 0.518 → "0.52", -2.7183 → "−2.72", -3 → "−3", 12345.6 → "1.2e+04"."""
    if abs(value) >= 1000:
        text = f"{value:.1e}"
    elif value == int(value):
        text = f"{value:.0f}"
    else:
        text = f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"
    return "−" + text[1:] if text.startswith("-") and text.strip("-0.") else text.lstrip("-")


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights near the wanted ones (rising), at least `gap` apart and within [low, high].

    Neighbours that are too close are merged into a block around their mean, repeatedly. If there
    is not enough space for all, the gap is smaller.
    """
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    blocks: list[list[float]] = []
    starts: list[float] = []
    for height in wanted:
        blocks.append([height])
        starts.append(height)
        while True:
            size = gap * (len(blocks[-1]) - 1)
            middle = sum(blocks[-1]) / len(blocks[-1])  # of the wanted heights
            starts[-1] = min(max(middle - size / 2, low), high - size)
            if len(blocks) < 2 or starts[-1] >= starts[-2] + gap * len(blocks[-2]) - 1e-12:
                break
            last = blocks.pop()
            blocks[-1].extend(last)
            starts.pop()
    return [
        start + gap * i
        for start, block in zip(starts, blocks, strict=True)
        for i in range(len(block))
    ]
