"""What python -m minicnn.predict says of the pictures that it has read, and draws of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..typing import Array

Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels; the last two are outside


@dataclass
class Reading:
    """A picture that was read: picture (h, w), made smaller if it is large, and image (H, W), both
    in [0, 1]; the box in `picture`, as in Prepared, and in the picture itself."""

    path: Path
    picture: Array
    image: Array
    box: Box | None = None
    true_box: Box | None = None
    inverted: bool = False


def best(probabilities: Array, top: int) -> list[tuple[int, float]]:
    """(class, probability), likeliest first; the lower class first among equals."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(int(k), float(probabilities[k])) for k in order]


def print_json(readings: list[Reading], probabilities: Array, names: list[str], top: int) -> None:
    """An object a line; probabilities are (n, classes)."""
    for reading, row in zip(readings, probabilities, strict=True):
        told = [{"class": k, "name": names[k], "probability": p} for k, p in best(row, top)]
        line = {
            "image": str(reading.path),
            **told[0],
            "top": told,
            "box": reading.true_box,
            "inverted": reading.inverted,
        }
        print(json.dumps(line, allow_nan=False))


def print_lines(readings: list[Reading], probabilities: Array, names: list[str], top: int) -> None:
    """Columns with tabs between; tabs and line ends in a path or a name are written as \\t, \\n."""
    for reading, row in zip(readings, probabilities, strict=True):
        told = [f"{_escaped(names[k])}\t{p:.4f}" for k, p in best(row, top)]
        print("\t".join([_escaped(str(reading.path)), *told]))


def _escaped(text: str) -> str:
    return repr(text)[1:-1]


def print_table(readings: list[Reading], probabilities: Array, names: list[str], top: int) -> None:
    """A table for a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("picture")
    table.add_column("class")
    table.add_column("probability", justify="right")
    if top > 1:
        table.add_column("then")
    for reading, row in zip(readings, probabilities, strict=True):
        (k, p), *others = best(row, top)
        cells = [str(reading.path), names[k], f"{p:.1%}"]
        if top > 1:
            cells.append("  ".join(f"{names[k]} {p:.1%}" for k, p in others))
        table.add_row(*map(Text, cells))  # a str could hold markup
    Console().print(table)


def draw(path: Path, kept: list[tuple[Reading, Array]], names: list[str], total: int) -> None:
    """Write a figure of the readings that were kept, with their probabilities, out of `total`."""
    from .. import plots

    readings = [reading for reading, _ in kept]
    figure = plots.seen(
        [reading.picture for reading in readings],
        np.stack([reading.image for reading in readings]),
        np.stack([row for _, row in kept]),
        names,
        [reading.path.name for reading in readings],
        boxes=[reading.box for reading in readings],
        total=total,
    )
    plots.save(figure, path)
