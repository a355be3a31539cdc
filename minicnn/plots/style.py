"""The one style of all figures, and how they are written."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from matplotlib import style
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ..atomic_file import atomic_path

# Okabe and Ito's palette: told apart by the colour-blind, and in grey by their lightness.
BLUE, ORANGE, INK, PALE = "#0072B2", "#D55E00", "#222222", "#8A8A8A"
GREY = "#5A5A5A"  # for small print
GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
# Eight that can be told apart, each with a shape of its own: never by colour alone.
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER, INK, PALE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$"
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "minicnn",  # the same figure gives the same bytes
}
FORMATS = (".png", ".svg", ".pdf")

P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run `draw` under the one style, whatever the user's own settings are."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return wrapper


@styled
def save(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 150) -> None:
    """Write a figure by rename; the suffix of `path` (.png, .svg, .pdf) decides the format.

    Args:
        dpi: pixels an inch, of a .png and of the images inside the others.

    Raises:
        ValueError: another suffix.
        OSError: the folder cannot be made or written, or the disk is full.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"save: expected a path in {', '.join(FORMATS)}, received {str(path)!r}")
    date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=dpi, metadata=date)


def message(text: str, title: str | None = None) -> Figure:
    figure = Figure(figsize=(4.5, 3.0))
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color=PALE)
    return figure


def short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def luminance(colour: Any) -> float:
    """How light a colour (or its RGB in [0, 1]) is: 0 black, 1 white."""
    return float(np.asarray(to_rgb(colour)) ** 2.2 @ (0.2126, 0.7152, 0.0722))


def ink_on(colour: Any) -> str:
    """Black or white, whichever can be read on `colour`."""
    return "black" if luminance(colour) > 0.18 else "white"
