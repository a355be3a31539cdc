"""Images beside their saliency or occlusion maps."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..typing import Array
from .images import grid
from .style import INK, message, same_lengths, styled

_LINES = 0.25  # contour lines are at this share of the largest drop
_FAINT = 0.35  # opacity of the image on its map


@styled
def saliency(
    images: Array, maps: Array, captions: Sequence[str], title: str | None = None
) -> Figure:
    """Show each image beside the absolute value of its gradient: light pixels matter most.

    The maximum over the channels is shown, as in Simonyan et al. (2014), section 3.1. Each map is
    scaled to its maximum.

    Args:
        images: (n, H, W, 1) or (n, H, W, 3), floats in [0, 1].
        maps: (n, H, W, C), from `explain.saliency`, or (n, H, W).
        captions: (n,), below each pair.

    Raises:
        ValueError: the shapes don't fit.
    """
    images, maps = _checked("saliency", images, maps, captions)
    if not len(images):
        return message("no images", title)
    maps = np.abs(maps)
    maps = maps.max(axis=-1) if maps.ndim == 4 else maps
    finite = np.where(np.isfinite(maps), maps, 0)
    shares = finite / np.maximum(finite.max(axis=(1, 2), keepdims=True), 1e-300)
    painted = mpl.colormaps["inferno"](shares)[..., :3]
    figure = _pairs(images, painted, captions, title)
    label = "|∂ score / ∂ pixel|, share of the largest"
    _bar(figure, ScalarMappable(Normalize(0, 1), "inferno"), label)
    return figure


@styled
def occlusion(
    images: Array, maps: Array, captions: Sequence[str], title: str | None = None
) -> Figure:
    """Show each image beside its map: where covering it lowers the probability of the class (red:
    evidence for the class) or raises it (blue: evidence against it).

    All maps have one scale. Solid lines surround large drops, dashed lines large rises.

    Args:
        images: (n, H, W, 1) or (n, H, W, 3), floats in [0, 1]; they are faintly visible on the map.
        maps: (n, ⌈H / stride⌉, ⌈W / stride⌉), from `explain.occlusion`.
        captions: (n,), below each pair.

    Raises:
        ValueError: the shapes don't fit.
    """
    images, maps = _checked("occlusion", images, maps, captions)
    if not len(images):
        return message("no images", title)
    height, width = images.shape[1:3]
    stride = max(-(-height // maps.shape[1]), -(-width // maps.shape[2]))
    maps = maps.repeat(stride, axis=1).repeat(stride, axis=2)[:, :height, :width]
    finite = np.abs(maps[np.isfinite(maps)])
    most = float(finite.max(initial=0)) or 1.0
    norm = Normalize(-most, most)
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad="#555555")
    painted = colours(norm(np.ma.masked_invalid(maps)))[..., :3]
    # Light parts of the image darken the map.
    painted = painted * (1 - _FAINT * images.mean(axis=-1, keepdims=True).clip(0, 1))
    figure = _pairs(images, painted, captions, title)
    level = _LINES * most
    for picture, drops in zip(list(figure.axes[0].images), maps, strict=True):
        _contours(figure.axes[0], picture.get_extent(), drops, level)
    label = f"drop of the probability\nwithin a line: > {level:.2g}; a dashed line: < −{level:.2g}"
    _bar(figure, ScalarMappable(norm, "RdBu_r"), label)
    return figure


def _checked(
    function: str, images: Array, maps: Array, captions: Sequence[str]
) -> tuple[Array, Array]:
    images, maps = np.asarray(images), np.asarray(maps)
    same_lengths(function, images=images, maps=maps, captions=captions)
    fits = images.ndim == 4 and images.shape[-1] in (1, 3)
    if function == "saliency":
        fits = fits and maps.ndim in (3, 4) and images.shape[1:3] == maps.shape[1:3]
    else:
        fits = fits and maps.ndim == 3 and 0 < maps.shape[1] <= images.shape[1]
    if len(images) and not fits:
        raise ValueError(
            f"{function}: expected images (n, H, W, 1 or 3) and maps of their size, "
            f"received {images.shape} and {maps.shape}"
        )
    return images, maps


def _pairs(images: Array, painted: Array, captions: Sequence[str], title: str | None) -> Figure:
    """Each image and, on its right, its map in one picture."""
    gap = max(images.shape[2] // 14, 1)
    white = np.ones((*images.shape[:2], gap, 3))
    colour = np.broadcast_to(images.clip(0, 1), (*images.shape[:3], 3))
    pictures = np.concatenate([colour, white, painted], axis=2)
    return grid(pictures, captions, title, least=2.3)


def _contours(
    axes: Axes, extent: tuple[float, float, float, float], drops: Array, level: float
) -> None:
    """Lines on the right image of a pair: they show drops and rises in black and white, too."""
    _, right, bottom, top = extent
    height, width = drops.shape
    x = right - width + np.arange(width) + 0.5  # in pixels of the image
    y = top + (np.arange(height) + 0.5) * (bottom - top) / height
    seen = np.nan_to_num(drops)
    if height < 2 or width < 2:
        return
    for at, dashes in ((level, "solid"), (-level, "dashed")):
        if seen.min() < at < seen.max():
            axes.contour(x, y, seen, [at], colors=INK, linewidths=0.8, linestyles=dashes)


def _bar(figure: Figure, scale: ScalarMappable, label: str) -> None:
    width, height = figure.get_size_inches()
    figure.set_size_inches(max(width, 3.2), height + 0.55 + 0.2 * label.count("\n"))
    (axes,) = figure.axes
    bar = figure.colorbar(
        scale, ax=axes, location="bottom", label=label, shrink=min(3.0 / width, 0.9),
        aspect=28, pad=0.02, anchor=(0.0, 0.5),
    )  # fmt: skip
    bar.outline.set_visible(False)
