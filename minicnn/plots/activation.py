"""An image and the outputs of each layer for it."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..typing import Array
from .panel import sheet
from .style import INK, ink_on, message, short, styled

_MOST_MAPS, _MOST_LAYERS = 32, 16
_WIDTH, _LABEL = 8.4, 1.5  # inches: of the maps, of the column before them
_COLOURS = "viridis"


@styled
def activation_maps(
    image: Array,
    layers: Sequence[tuple[str, Array]],
    class_names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Show an image and the output of each layer, from top to bottom.

    An output (H, W, C) has a picture for each of its first 32 channels, an output (K,) is a strip.
    Each layer has its own scale, from dark (its minimum, or 0) to light (its maximum). Up to 16
    numbers are also written.

    Args:
        image: (H, W, 1) or (H, W, 3), floats in [0, 1].
        layers: (label, output of the layer for this image: (H, W, C) or (K,)), at most 16: with
            `explain.activations(model, x)`, `[(label, y[0]) for label, y in …]`.
        class_names: for the numbers of the last layer.

    Raises:
        ValueError: an array has other axes, or there are more layers.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            f"activation_maps: expected image (H, W, 1) or (H, W, 3), received {image.shape}"
        )
    if len(layers) > _MOST_LAYERS:
        raise ValueError(
            f"activation_maps: expected at most {_MOST_LAYERS} layers, received {len(layers)}"
        )
    strips = [_Strip(label, np.asarray(array)) for label, array in layers]
    if strips and class_names is not None and len(class_names) == strips[-1].array.size:
        strips[-1].names = [short(name, 10) for name in class_names]
    if image.size == 0:
        return message("no image", title)
    first = min(1.5, 1.5 * image.shape[0] / image.shape[1] + 0.4)
    heights = [first, *(strip.height for strip in strips)]
    space = 0.17
    total = sum(heights) + space * len(heights) + 0.3 * bool(title) + 0.1
    figure, axes = sheet(_LABEL + _WIDTH + 0.75, total)
    y = 0.08
    if title:
        axes.text(0.1, y, title, fontsize=11, fontweight="bold", va="top")
        y += 0.3
    _image(axes, image, y, first)
    y += first + space
    for strip in strips:
        strip.draw(axes, y)
        y += strip.height + space
    return figure


def _image(axes: Axes, image: Array, y: float, height: float) -> None:
    width = height * image.shape[1] / image.shape[0]
    grey = image.shape[-1] == 1
    axes.imshow(
        image[..., 0] if grey else image.clip(0, 1), cmap="gray", vmin=0, vmax=1, aspect="auto",
        extent=(_LABEL, _LABEL + width, y + height, y), interpolation="nearest",
    )  # fmt: skip
    _label(axes, y, height, "image", str(image.shape))


def _label(axes: Axes, y: float, height: float, name: str, below: str) -> None:
    middle = y + height / 2
    axes.text(_LABEL - 0.15, middle - 0.01, short(name, 16), fontsize=9, fontweight="bold",
              ha="right", va="bottom")  # fmt: skip
    axes.text(_LABEL - 0.15, middle + 0.02, below, fontsize=7.5, ha="right", va="top", color=INK)


class _Strip:
    """The output of a layer."""

    def __init__(self, label: str, array: Array) -> None:
        if array.ndim not in (1, 3) or array.size == 0:
            raise ValueError(
                f"activation_maps: expected {label} as (H, W, C) or (K,), received {array.shape}"
            )
        self.label, self.array = label, array
        self.names: list[str] | None = None
        self.columns, self.side = 1, 0.0
        if array.ndim == 1:
            self.height = 0.34 if array.size <= 16 else 0.26
            return
        count = min(array.shape[2], _MOST_MAPS)
        aspect = array.shape[0] / array.shape[1]
        widths = {n: (_WIDTH + 0.05) / -(-count // n) - 0.05 for n in range(1, count + 1)}
        rows = min(widths, key=lambda n: abs(widths[n] - 0.8))
        self.columns = -(-count // rows)
        self.side = min(widths[rows], 1.0 / aspect)  # inches
        self.height = rows * self.side * aspect + 0.05 * (rows - 1)

    def draw(self, axes: Axes, y: float) -> None:
        finite = self.array[np.isfinite(self.array)]
        low, high = min(float(finite.min(initial=0)), 0.0), float(finite.max(initial=0))
        scaled = (self.array - low) / ((high - low) or 1.0)
        colours = mpl.colormaps[_COLOURS].with_extremes(bad="#D55E00")
        painted = colours(np.ma.masked_invalid(scaled))
        shape = "×".join(map(str, self.array.shape))
        if self.array.ndim == 1:
            self._draw_numbers(axes, painted, y)
        else:
            shape += self._draw_maps(axes, painted, y)
        _label(axes, y, self.height, self.label, shape)
        axes.text(_LABEL + _WIDTH + 0.1, y + self.height / 2, f"{low:.3g} …\n{high:.3g}",
                  fontsize=7, va="center", color=INK)  # fmt: skip

    def _draw_maps(self, axes: Axes, painted: Array, y: float) -> str:
        height = self.side * self.array.shape[0] / self.array.shape[1]
        channels = self.array.shape[2]
        for channel in range(min(channels, _MOST_MAPS)):
            row, column = divmod(channel, self.columns)
            left, top = _LABEL + column * (self.side + 0.05), y + row * (height + 0.05)
            axes.imshow(painted[:, :, channel], extent=(left, left + self.side, top + height, top),
                        aspect="auto", interpolation="nearest")  # fmt: skip
        return f", {_MOST_MAPS} shown" if channels > _MOST_MAPS else ""

    def _draw_numbers(self, axes: Axes, painted: Array, y: float) -> None:
        axes.imshow(painted[None], extent=(_LABEL, _LABEL + _WIDTH, y + self.height, y),
                    aspect="auto", interpolation="nearest")  # fmt: skip
        if self.array.size > 16:
            return
        cell = _WIDTH / self.array.size
        for i, value in enumerate(self.array):
            name = f"{self.names[i]}\n" if self.names else ""
            number = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
            axes.text(
                _LABEL + (i + 0.5) * cell, y + self.height / 2, name + number,
                ha="center", va="center", fontsize=7, color=ink_on(painted[i, :3]), linespacing=1.0,
            )  # fmt: skip
        for i in range(1, self.array.size):
            axes.plot([_LABEL + i * cell] * 2, [y, y + self.height], color="white", linewidth=1)
