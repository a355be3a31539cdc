"""Pictures of convolution weights."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from ..typing import Array
from .style import styled

_MOST = 16, 32  # input channels and filters shown


@styled
def filters(w: Array, title: str | None = None) -> Figure:
    """Draw convolution weights: blue is negative, red positive, white zero; one scale for all.

    Args:
        w: (KH, KW, C, F). One input channel: a grid of filters. More: a column for each filter, a
            row for each input channel, at most 32 × 16; the title says how many are omitted.

    Raises:
        ValueError: w is not 4-dimensional.
    """
    w = np.asarray(w)
    if w.ndim != 4:
        raise ValueError(f"filters: expected w of shape (KH, KW, C, F), received {w.shape}")
    shown = w[:, :, : _MOST[0], : _MOST[1]]
    channels, count = shown.shape[2:]
    tiles = shown.transpose(2, 3, 0, 1)
    columns = count if channels > 1 else math.ceil(math.sqrt(1.6 * count))
    finite = np.abs(w[np.isfinite(w)])
    norm = Normalize(-finite.max(initial=0) or -1.0, finite.max(initial=0) or 1.0)
    canvas = _mosaic(tiles.reshape(-1, *w.shape[:2]), columns, norm, mpl.colormaps["RdBu_r"])
    inches = min(max(8.0 / columns, 0.3), 0.9)
    size = (inches * columns + 1.2, inches * -(-channels * count // columns) + 0.5)
    figure = Figure(figsize=(max(size[0], 3.6), max(size[1], 1.8)))
    axes = figure.add_subplot(anchor="NW")
    axes.set_title((title or "filters") + _omitted(w.shape, shown.shape), fontsize=11)
    axes.imshow(canvas, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if channels > 1:
        axes.set_xlabel("filter")
        axes.set_ylabel("input channel")
    wide = inches * columns  # an inset is as tall as the grid, separate axes are not
    bar = axes.inset_axes((1 + 0.15 / wide, 0, 0.14 / wide, 1))
    figure.colorbar(ScalarMappable(norm, "RdBu_r"), cax=bar, label="weight")
    return figure


def _mosaic(tiles: Array, columns: int, norm: Normalize, colours: Colormap) -> Array:
    """Tiles (n, h, w) in one RGBA image: hundreds of axes would take seconds."""
    scale = max(1, 24 // max(tiles.shape[1:]))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = tiles.shape[1:]
    gap = 3
    rows = -(-len(tiles) // columns)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 4))
    painted = colours.with_extremes(bad="#555555")(norm(np.ma.masked_invalid(tiles)))
    for number, tile in enumerate(painted):
        y, x = np.multiply(divmod(number, columns), (height + gap, width + gap))
        canvas[y : y + height, x : x + width] = tile
    return canvas


def _omitted(whole: tuple[int, ...], shown: tuple[int, ...]) -> str:
    counts = zip(shown[2:], whole[2:], ("input channels", "filters"), strict=True)
    parts = [f"{drawn} of {total} {kind}" for drawn, total, kind in counts if drawn < total]
    return f" ({', '.join(parts)})" if parts else ""
