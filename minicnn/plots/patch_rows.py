"""The lower part of the figure of a patch matrix: the numbers of some of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from ..typing import Array
from .lowering import Limits, Lowering, shown, span
from .panel import Box, Colour, arrow, badge, brief, cells, centred, outline, picture
from .style import AMBER, GREY, PINK, SKY

MARKS = (("A", AMBER), ("B", SKY), ("C", PINK))  # visible on black and on white
_MOST_CELLS = 12  # numbers that are written of a row or column
_CELL, _PITCH, _HEAD = 0.29, 1.03, 0.72  # inches: heights of a weight, a row, the text above
_LEFT, _WIDE = 2.35, 4.9  # left edge and largest width of the rows
_COUNTS = ("", "One", "Two", "Three")


def height_of_rows(low: Lowering, places: Sequence[int]) -> float:
    """Inches."""
    return _HEAD + _tall(low, places) + 0.25


def _tall(low: Lowering, places: Sequence[int]) -> float:
    return max(_PITCH * len(places), _CELL * len(_written(len(low.weights))) + 0.15)


def _written(count: int) -> list[int | None]:
    """The indices of the numbers that are written; None: an ellipsis."""
    if count <= _MOST_CELLS:
        return list(range(count))
    return [*range(_MOST_CELLS - 2), None, count - 1]


def draw_rows(axes: Axes, low: Lowering, places: Sequence[int], y: float, right: float) -> None:
    """Window, row, weights and result for each row of the patch matrix in `places`."""
    written = _written(len(low.weights))
    wide = min(_WIDE / len(written), 0.44)
    tall = _tall(low, places)
    _head(axes, low, places, y, right)
    top = y + _HEAD
    column = Box(
        _LEFT + wide * len(written) + 0.8, top + (tall - len(written) * _CELL) / 2 + 0.05,
        0.52, len(written) * _CELL,
    )  # fmt: skip
    _weights(axes, low, column, written)
    pitch = tall / len(places)
    grey, grey_y = _shade(low.limits, "gray"), _shade(span(low.y[:, 0]), "gray")
    for number, (place, (letter, colour)) in enumerate(zip(places, MARKS, strict=False)):
        middle = top + (number + 0.5) * pitch
        badge(axes, 0.45, middle, letter, colour, 1.25)
        _window(axes, low, place, Box(0.7, middle - 0.42, 0.84, 0.84), colour, grey)
        arrow(axes, (1.68, middle), (_LEFT - 0.12, middle), f"row {place}")
        row = Box(_LEFT, middle - 0.15, wide * len(written), 0.3)
        cells(axes, row, [_taken(low.cols[place], written)], grey)
        outline(axes, row, colour, 2.2)
        if number == 0:
            for i, k in enumerate(written):
                _index(axes, row.x + (i + 0.5) * wide, row.y - 0.12, k)
        centred(axes, row.right + 0.27, middle, "·", 24)
        centred(axes, column.right + 0.25, middle, "=", 15)
        result = Box(column.right + 0.5, middle - 0.17, 0.62, 0.34)
        cells(axes, result, [[low.y[place, 0]]], grey_y, 9)
        outline(axes, result, colour, 2.2)
        oh, ow = divmod(place, low.win.OW)
        axes.text(result.right + 0.14, middle, f"pixel ({oh}, {ow})", fontsize=8, va="center")


def _head(axes: Axes, low: Lowering, places: Sequence[int], y: float, right: float) -> None:
    axes.plot([0.3, right], [y - 0.12] * 2, color="#DDDDDD", linewidth=0.8)
    filters = low.weights.shape[1]
    title = f"{_COUNTS[len(places)]} of its rows, number by number"
    title += f" (filter 1 of {filters})" if filters > 1 else ""
    axes.text(0.3, y, title, va="top", fontsize=10, fontweight="bold")
    numbers = [brief(v) for v in low.cols[places[0]]]
    weights = [brief(v) for v in low.weights[:, 0]]
    terms = [
        f"{a}·({b})" if b[0] == "−" else f"{a}·{b}"
        for a, b in zip(numbers, weights, strict=True)
    ]  # fmt: skip
    terms = terms if len(terms) <= 6 else [*terms[:4], "…", terms[-1]]
    sum_of = f"A:  {' + '.join(terms)}  =  {brief(low.y[places[0], 0])},  one pixel of the output"
    axes.text(0.3, y + 0.23, sum_of, va="top", fontsize=8.5)


def _weights(axes: Axes, low: Lowering, box: Box, written: Sequence[int | None]) -> None:
    values = _taken(low.weights[:, 0], written)
    cells(axes, box, [[value] for value in values], _shade(low.weight_limits, "RdBu_r"))
    for i, k in enumerate(written):
        _index(axes, box.x - 0.11, box.y + (i + 0.5) * _CELL, k)
    centred(axes, box.x + box.width / 2, box.y - 0.12, "weights", 8)


def _index(axes: Axes, x: float, y: float, k: int | None) -> None:
    if k is not None:
        axes.text(x, y, str(k), fontsize=6.5, ha="center", va="center", color=GREY)


def _taken(values: Array, written: Sequence[int | None]) -> list[float | None]:
    return [None if k is None else float(values[k]) for k in written]


def _shade(limits: Limits, name: str) -> Colour:
    colours, (low, high) = mpl.colormaps[name], limits
    return lambda value: colours((value - low) / (high - low))


def _window(
    axes: Axes, low: Lowering, place: int, box: Box, colour: str, shade: Colour
) -> None:  # fmt: skip
    """The window as a table of numbers, or, if it has colours or many pixels, as a picture."""
    patch = low.patch(place)
    KH, KW, C = patch.shape
    side = min(box.width / KW, box.height / KH)
    box = Box(box.right - KW * side, box.y + (box.height - KH * side) / 2, KW * side, KH * side)
    if C == 1 and side >= 0.25:
        cells(axes, box, patch[:, :, 0].tolist(), shade, 6.5)
    else:
        picture(axes, shown(patch), box, low.limits)
    outline(axes, box, colour, 2.2)
