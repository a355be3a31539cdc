"""A figure of im2col: how a convolution becomes one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..kernels.window import IntOrPair, Padding
from ..typing import Array
from .lowering import Limits, Lowering, choose, lower, shown, span
from .panel import Box, arrow, badge, brief, cells, centred, outline, picture, sheet, spread_out
from .style import AMBER, GREY, INK, PALE, PINK, SKY, Colour, styled

_WIDTH, _TALL = 10.8, 2.5  # inches: of the figure, of its pictures
_HEAD, _FOOT = 0.98, 0.85  # above and below the pictures
_FINE = 0.04  # lower rows are marked by a line instead of a frame
_MARKS = (("A", AMBER), ("B", SKY), ("C", PINK))  # visible on black and on white
_MOST_CELLS = 12  # numbers that are written of a row or column
_CELL, _PITCH, _ROWS_HEAD = 0.29, 1.03, 0.72  # inches: heights of a weight, a row, the text above
_LEFT, _WIDEST = 2.35, 4.9  # left edge and largest width of the rows
_COUNTS = ("", "One", "Two", "Three")


@styled
def patch_matrix(
    image: Array,
    w: Array,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    windows: Sequence[tuple[int, int]] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the convolution of one image as the product: patch matrix · weights.

    Above: the image, its patch matrix (each window of the image is a row), the weights (each filter
    is a column), their product, and the product as an image again. Below: three windows, A, B and
    C, with the numbers of their rows and the output of the first filter.

    Args:
        image: (H, W) or (H, W, C); with C other than 1 and 3, only the first channel is shown.
        w: (KH, KW), or (KH, KW, C, F) as in Conv2D.
        stride, padding: as in Conv2D.
        windows: (row, column) of one to three output pixels; None: interesting ones.

    Raises:
        ValueError, TypeError: the arguments don't fit together; the message says why.

    Source of the method: Chellapilla, Puri, Simard, "High Performance Convolutional Neural
    Networks for Document Processing" (2006); see kernels/gemm.py.
    """
    low = lower(image, w, stride, padding)
    places = choose(low, windows)
    upper = _HEAD + _TALL + _FOOT
    height = upper + _ROWS_HEAD + _tall(low, places) + 0.25
    figure, axes = sheet(_WIDTH, height)
    title = title or "A convolution as one matrix product (im2col)"
    axes.text(0.3, 0.16, title, va="top", fontsize=13, fontweight="bold")
    how = "Every window of the image is copied into a row; one product computes all sums."
    axes.text(0.3, 0.45, how, va="top", fontsize=9)
    _whole(axes, low, places)
    _rows(axes, low, places, upper, _WIDTH - 0.3)
    return figure


def _whole(axes: Axes, low: Lowering, places: Sequence[int]) -> None:
    (K, F), y = low.weights.shape, _HEAD
    wide = min(0.26 + 0.012 * (F - 1), 0.45)
    image = _fit(low.padded.shape, 0.35, 2.5)
    matrix = Box(4.28, y, min(0.9 + 0.045 * K, 1.6), _TALL)
    weights = Box(6.52 - wide / 2, y + 0.5, wide, _TALL - 1.0)
    product = Box(7.42 - wide / 2, y, wide, _TALL)
    output = _fit(low.output.shape, 8.38, 2.15)
    _image(axes, low, places, image)
    picture(axes, low.cols, matrix, low.limits)
    picture(axes, low.weights, weights, low.weight_limits, "RdBu_r")
    picture(axes, low.y, product, span(low.y))
    picture(axes, low.output, output, span(low.output))
    for box in (matrix, weights, product, output):
        outline(axes, box, PALE, 0.8)
    if F > 1:  # the filter whose output is shown
        outline(axes, weights.part(0, 0, K, 1, low.weights.shape), INK, 1.0)
    middle = y + _TALL / 2
    arrow(axes, (3.12, middle), (3.9, middle), "each window\nis a row")
    centred(axes, (matrix.right + weights.x) / 2, middle, "·", 28)
    centred(axes, (weights.right + product.x) / 2, middle, "=", 15)
    arrow(axes, (product.right + 0.35, middle), (output.x - 0.08, middle), "folded")
    _mark_rows(axes, matrix, places, len(low.cols), -1)
    _mark_rows(axes, product, places, len(low.cols), 1)
    for place, (letter, colour) in zip(places, _MARKS, strict=False):
        oh, ow = divmod(place, low.win.OW)
        pixel = output.part(oh, ow, 1, 1, low.output.shape)
        outline(axes, pixel, colour, 1.8)
        _badge_at(axes, pixel, letter, colour)
    _captions(axes, low, [image, matrix, weights, product, output])


def _fit(shape: tuple[int, ...], x: float, width: float) -> Box:
    """The largest box of these proportions, in the middle of the space."""
    scale = min(width / shape[1], _TALL / shape[0])
    wide, tall = shape[1] * scale, shape[0] * scale
    return Box(x + (width - wide) / 2, _HEAD + (_TALL - tall) / 2, wide, tall)


def _image(axes: Axes, low: Lowering, places: Sequence[int], box: Box) -> None:
    win, shape = low.win, low.padded.shape
    if low.padded.shape != low.image.shape:
        outline(axes, box, PALE, 0.8, hatch="//////")
    H, W, _ = low.image.shape
    inner = box.part(win.top, win.left, H, W, shape)
    picture(axes, shown(low.image), inner, low.limits)
    for place, (letter, colour) in zip(places, _MARKS, strict=False):
        oh, ow = divmod(place, win.OW)
        window = box.part(oh * win.SH, ow * win.SW, win.KH, win.KW, shape)
        outline(axes, window, colour, 2.2)
        _badge_at(axes, window, letter, colour)


def _badge_at(axes: Axes, box: Box, letter: str, colour: str) -> None:
    """The letter at a corner: each at another one, so that neighbours don't overlap."""
    x = box.right + 0.1 if letter == "B" else box.x - 0.1
    y = box.bottom + 0.08 if letter == "C" else box.y - 0.08
    badge(axes, x, y, letter, colour)


def _mark_rows(axes: Axes, box: Box, places: Sequence[int], rows: int, side: int) -> None:
    """Frame rows of the box, with their letters on the left (side -1) or right (1)."""
    edge = box.x if side < 0 else box.right
    strips = [box.part(row, 0, 1, 1, (rows, 1)) for row in places]
    middles = [strip.y + strip.height / 2 for strip in strips]
    beside = spread_out(middles, 0.19, box.y - 1, box.bottom + 1)
    for strip, middle, y, (letter, colour) in zip(strips, middles, beside, _MARKS, strict=False):
        if strip.height < _FINE:
            axes.plot([box.x, box.right], [middle] * 2, color=colour, linewidth=1.1, zorder=5)
        else:
            outline(axes, strip, colour, 1.6)
        axes.plot([edge, edge + 0.18 * side], [middle, y], color=colour, linewidth=1.6)
        badge(axes, edge + 0.2 * side, y, letter, colour)


def _captions(axes: Axes, low: Lowering, boxes: Sequence[Box]) -> None:
    (H, W, C), (OH, OW), (rows, K) = low.image.shape, low.output.shape, low.cols.shape
    F = low.weights.shape[1]
    padded = ", padding hatched" if low.padded.shape != low.image.shape else ""
    words = [
        ("image" + padded, f"{H} × {W} × {C}", "H × W × C"),
        ("patch matrix", f"{rows:,} × {K}", "N·OH·OW  ×  KH·KW·C"),
        ("weights", f"{K} × {F}", "KH·KW·C × F"),
        ("product", f"{rows:,} × {F}", "N·OH·OW × F"),
        ("output" + (f", filter 1 of {F}" if F > 1 else ""), f"{OH} × {OW} × {F}", "OH × OW × F"),
    ]
    y = _HEAD + _TALL + 0.1
    for box, (name, size, symbols) in zip(boxes, words, strict=True):
        x = box.x + box.width / 2
        axes.text(x, y, name, ha="center", va="top", fontweight="bold", fontsize=9)
        axes.text(x, y + 0.18, size, ha="center", va="top", fontsize=9)
        axes.text(x, y + 0.37, symbols, ha="center", va="top", fontsize=6.5, color=GREY)


# ---- the numbers of some rows -----------------------------------------------------------------


def _tall(low: Lowering, places: Sequence[int]) -> float:
    return max(_PITCH * len(places), _CELL * len(_written(len(low.weights))) + 0.15)


def _written(count: int) -> list[int | None]:
    """The indices of the numbers that are written; None: an ellipsis."""
    if count <= _MOST_CELLS:
        return list(range(count))
    return [*range(_MOST_CELLS - 2), None, count - 1]


def _rows(axes: Axes, low: Lowering, places: Sequence[int], y: float, right: float) -> None:
    """Window, row, weights and result for each row of the patch matrix in `places`."""
    written = _written(len(low.weights))
    wide = min(_WIDEST / len(written), 0.44)
    tall = _tall(low, places)
    _rows_head(axes, low, places, y, right)
    top = y + _ROWS_HEAD
    column = Box(
        _LEFT + wide * len(written) + 0.8, top + (tall - len(written) * _CELL) / 2 + 0.05,
        0.52, len(written) * _CELL,
    )  # fmt: skip
    _weights_column(axes, low, column, written)
    pitch = tall / len(places)
    grey, grey_y = _shade(low.limits, "gray"), _shade(span(low.y[:, 0]), "gray")
    for number, (place, (letter, colour)) in enumerate(zip(places, _MARKS, strict=False)):
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


def _rows_head(axes: Axes, low: Lowering, places: Sequence[int], y: float, right: float) -> None:
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


def _weights_column(axes: Axes, low: Lowering, box: Box, written: Sequence[int | None]) -> None:
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
