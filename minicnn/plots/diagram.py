"""A network as a diagram: layers from top to bottom, shapes, parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from ..typing import Shape
from .panel import sheet
from .style import AMBER, BLUE, GREEN, GREY, INK, ORANGE, PALE, PINK, SKY, message, short, styled


class Row(NamedTuple):
    """A layer."""

    label: str
    kind: str
    shape: Shape  # of the output for one sample
    params: int
    note: str


_KINDS = {
    "input": "#FFFFFF", "Conv2D": BLUE, "Dense": GREEN, "MaxPool2D": ORANGE, "AvgPool2D": AMBER,
    "GlobalAvgPool2D": AMBER, "BatchNorm": SKY, "Dropout": PINK,
}  # fmt: skip
_OTHER = "#BBBBBB"
_MOST_ROWS = 60
_SHAPES, _TEXT, _SIZE, _PARAMS, _BARS, _RIGHT = 0.8, 1.65, 3.95, 6.0, 6.15, 7.6  # inches


@styled
def model_diagram(
    rows: Sequence[tuple[str, str, Shape, int, str]], title: str | None = None
) -> Figure:
    """Draw a network: for each layer a block in the shape of its output, its name and kind, its
    output's shape, its parameters and their share of all.

    Blocks are boxes for images (front: height and width; depth: channels) and bars for vectors.
    Their sizes grow with roots and logarithms, so that small ones remain visible.

    Args:
        rows: (label, kind, output shape, parameters, note), the input first; those of a model are
            `summary.diagram_rows(model)`. Of more than 60, the middle ones are omitted.

    Raises:
        TypeError: a row has no five entries.
    """
    if not rows:
        return message("no layers", title)
    shown: list[Row | None] = [Row(*row) for row in rows]
    left_out = len(rows) - _MOST_ROWS
    if left_out > 0:
        shown[_MOST_ROWS // 2 : -_MOST_ROWS // 2] = [None]
    pitch = 0.58 if len(shown) <= 20 else 0.42
    top = 0.75 if title else 0.45
    height = top + pitch * len(shown) + 0.45
    figure, axes = sheet(_RIGHT + 0.2, height)
    if title:
        axes.text(0.12, 0.1, title, fontsize=11, fontweight="bold", va="top")
    _header_and_total(axes, top, top + pitch * len(shown) + 0.05, sum(row[3] for row in rows))
    most = max(row[3] for row in rows)
    largest = max((max(row[2][:2]) for row in rows if len(row[2]) == 3), default=1)
    above = 0.0  # the end of the block before
    for number, item in enumerate(shown):
        middle = top + (number + 0.5) * pitch
        tall = 0.0
        if item is None:
            axes.text(_TEXT, middle, f"… {left_out} layers …", va="center", color=GREY)
        else:
            tall = _row(axes, item, middle, pitch, largest, most)
        if number:
            _arrow(axes, above, middle - tall / 2)
        above = middle + tall / 2
    return figure


def _header_and_total(axes: Axes, top: float, bottom: float, total: int) -> None:
    small = {"fontsize": 8, "color": GREY, "va": "bottom"}
    axes.text(_TEXT, top - 0.16, "layer", small)
    axes.text(_SIZE, top - 0.16, "output", small)
    axes.text(_PARAMS, top - 0.16, "parameters", small, ha="right")
    axes.plot([0.12, _RIGHT], [top - 0.1] * 2, color=PALE, linewidth=0.8)
    axes.plot([0.12, _RIGHT], [bottom] * 2, color=PALE, linewidth=0.8)
    axes.text(_TEXT, bottom + 0.08, "total", va="top", fontweight="bold")
    axes.text(_PARAMS, bottom + 0.08, f"{total:,}", va="top", ha="right", fontweight="bold")


def _row(axes: Axes, row: Row, y: float, pitch: float, largest: int, most: int) -> float:
    """Draw a row around y; return the height of its block."""
    label, kind, shape, params, note = row
    colour = _KINDS.get(kind, _OTHER)
    tall = _block(axes, shape, y, pitch * 0.6, largest, colour)
    name = label if label == kind else f"{short(label, 22)}  ({kind})"
    if note:
        axes.text(_TEXT, y - 0.02, short(name, 40), va="bottom", fontweight="bold", fontsize=9)
        axes.text(_TEXT, y + 0.02, short(note, 52), va="top", fontsize=8)
    else:
        axes.text(_TEXT, y, short(name, 40), va="center", fontweight="bold", fontsize=9)
    axes.text(_SIZE, y, " × ".join(map(str, shape)) or "one number", va="center")
    if params:
        axes.text(_PARAMS, y, f"{params:,}", va="center", ha="right")
        length = max((_RIGHT - _BARS) * params / max(most, 1), 0.01)
        axes.add_patch(Rectangle((_BARS, y - 0.08), length, 0.16, facecolor=INK, alpha=0.75))
    elif kind != "input":
        axes.text(_PARAMS, y, "–", va="center", ha="right", color=GREY)
    return tall


def _arrow(axes: Axes, start: float, end: float) -> None:
    axes.annotate(
        "", (_SHAPES, end - 0.02), (_SHAPES, start + 0.02),
        arrowprops={"arrowstyle": "-|>", "color": PALE, "linewidth": 0.9, "mutation_scale": 6,
                    "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _block(axes: Axes, shape: Shape, y: float, space: float, largest: int, colour: str) -> float:
    """Draw a shape around y; return its height."""
    if len(shape) != 3:  # a vector: a bar, by the logarithm of its length
        length = min(0.1 + 0.1 * math.log2(math.prod(shape) + 1), 1.3)
        corner = _SHAPES - length / 2, y - 0.055
        axes.add_patch(Rectangle(corner, length, 0.11, fc=colour, ec=INK, linewidth=0.8))
        return 0.11
    H, W, C = shape
    h, w = (0.72 * space * math.sqrt(side / largest) + 0.03 for side in (H, W))
    depth = 0.045 * math.log2(C) + 0.03
    dx, dy = depth, -0.55 * depth
    x, y = _SHAPES - (w + dx) / 2, y - (h + dy) / 2
    front = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    side = [(x + w, y), (x + w + dx, y + dy), (x + w + dx, y + h + dy), (x + w, y + h)]
    above = [(x, y), (x + dx, y + dy), (x + w + dx, y + dy), (x + w, y)]
    for corners, shade in ((front, 1.0), (side, 0.55), (above, 0.75)):
        face = colour, shade
        axes.add_patch(Polygon(corners, fc=face, ec=INK, linewidth=0.8, joinstyle="round"))
    return h - dy
