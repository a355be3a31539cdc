"""The style of all figures, saving, and small helpers."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sized
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..atomic_file import atomic_path
from ..typing import Array

# Okabe and Ito's palette: colour-blind people can distinguish it; in grey it differs in lightness.
BLUE, ORANGE, INK, PALE = "#0072B2", "#D55E00", "#222222", "#8A8A8A"
GREY = "#5A5A5A"  # for small print
GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
# Eight runs differ in colour and in marker.
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER, INK, PALE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[str, object] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a class name may contain "$"
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

Colour = Callable[[float], tuple[float, ...]]  # a colour map: RGBA of a number

P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run `draw` with this style, independent of the user's settings."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return wrapper


@styled
def save(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 150) -> None:
    """Write a figure by rename; the suffix of `path` (.png, .svg, .pdf) decides the format.

    Args:
        dpi: pixels per inch, of a .png and of the images inside the others.

    Raises:
        ValueError: another suffix.
        OSError: the folder can't be created or written, or the disk is full.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"save: expected a path in {', '.join(FORMATS)}, received {str(path)!r}")
    date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=dpi, metadata=date)


def message(text: str, title: str | None = None) -> Figure:
    """A figure that only says `text`."""
    figure = Figure(figsize=(4.5, 3.0))
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color=PALE)
    return figure


def short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def ink_on(rgb: ArrayLike) -> str:
    """Black or white: the one that is readable on a colour (3,) in [0, 1]."""
    luminance = np.asarray(rgb) ** 2.2 @ (0.2126, 0.7152, 0.0722)
    return "black" if luminance > 0.18 else "white"


def same_lengths(function: str, **items: Sized | None) -> None:
    """Raises ValueError if the items, those that are not None, differ in length."""
    counts = {name: len(item) for name, item in items.items() if item is not None}
    if len(set(counts.values())) > 1:
        received = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"{function}: expected equally many of each, received {received}")


def floats(values: ArrayLike) -> Array:
    """As float64, with NaN for infinities and numbers too large for Matplotlib."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.abs(array) < 1e300, array, np.nan)


def whole_numbers(most: int) -> MaxNLocator:
    """Ticks at whole numbers, at most `most` + 1."""
    return MaxNLocator(nbins=most, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
