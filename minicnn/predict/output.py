"""The output of python -m minicnn.predict: JSON, columns, a table, a figure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..typing import Array

Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels; the last two exclusive


@dataclass
class Reading:
    """A picture and the image that the network gets; see also prepare.Prepared."""

    path: Path
    picture: Array  # (h, w) in [0, 1]; smaller than the file's if that is large
    image: Array  # (H, W) in [0, 1]
    box: Box | None = None  # in pixels of `picture`
    file_box: Box | None = None  # in pixels of the picture in the file
    inverted: bool = False


Result = tuple[Reading, Array]  # a picture and its probabilities, (classes,)


def best(probabilities: Array, top: int) -> list[tuple[int, float]]:
    """(class, probability) of the most probable classes; of equal ones, the lower first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(int(k), float(probabilities[k])) for k in order]


def print_json(results: list[Result], names: list[str], top: int) -> None:
    """Print one JSON object a line."""
    for reading, row in results:
        classes = [{"class": k, "name": names[k], "probability": p} for k, p in best(row, top)]
        line = {
            "image": str(reading.path),
            **classes[0],
            "top": classes,
            "box": reading.file_box,
            "inverted": reading.inverted,
        }
        print(json.dumps(line, allow_nan=False))


def print_lines(results: list[Result], names: list[str], top: int) -> None:
    """Print tab-separated columns; tabs and line ends in a path or a name become \\t and \\n."""
    for reading, row in results:
        classes = [f"{_escaped(names[k])}\t{p:.4f}" for k, p in best(row, top)]
        print("\t".join([_escaped(str(reading.path)), *classes]))


def _escaped(text: str) -> str:
    return repr(text)[1:-1]


def print_table(results: list[Result], names: list[str], top: int) -> None:
    """Print a table for a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("picture")
    table.add_column("class")
    table.add_column("probability", justify="right")
    if top > 1:
        table.add_column("then")
    for reading, row in results:
        (k, p), *others = best(row, top)
        cells = [str(reading.path), names[k], f"{p:.1%}"]
        if top > 1:
            cells.append("  ".join(f"{names[k]} {p:.1%}" for k, p in others))
        table.add_row(*map(Text, cells))  # a str could hold markup
    Console().print(table)


def draw(path: Path, shown: list[Result], names: list[str], total: int) -> None:
    """Write a figure of the first readings, with their probabilities, of `total`."""
    from .. import plots

    readings = [reading for reading, _ in shown]
    figure = plots.seen(
        [reading.picture for reading in readings],
        np.stack([reading.image for reading in readings]),
        np.stack([row for _, row in shown]),
        names,
        [reading.path.name for reading in readings],
        boxes=[reading.box for reading in readings],
        total=total,
    )
    plots.save(figure, path)
