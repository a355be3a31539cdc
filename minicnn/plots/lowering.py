"""The numbers of the figure of a patch matrix: im2col of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels import im2col
from ..kernels.window import IntOrPair, Padding, Window, make_window
from ..typing import Array

Limits = tuple[float, float]


@dataclass
class Lowering:
    """An image, weights, and their im2col."""

    image: Array  # (H, W, C)
    w: Array  # (KH, KW, C, F)
    win: Window
    cols: Array  # (OH*OW, KH*KW*C)
    weights: Array  # (KH*KW*C, F)
    y: Array  # (OH*OW, F)

    @property
    def padded(self) -> Array:
        """(top + H + bottom, left + W + right, C)."""
        win = self.win
        return np.pad(self.image, ((win.top, win.bottom), (win.left, win.right), (0, 0)))

    @property
    def output(self) -> Array:
        """(OH, OW) of the first filter."""
        return self.y[:, 0].reshape(self.win.OH, self.win.OW)

    def patch(self, place: int) -> Array:
        """(KH, KW, C): the window whose row of `cols` it is."""
        return self.cols[place].reshape(self.w.shape[:3])

    @property
    def limits(self) -> Limits:
        """Black and white in the image."""
        usual = self.image.min() >= 0 and self.image.max() <= 1
        return (0.0, 1.0) if usual else span(self.image)

    @property
    def weight_limits(self) -> Limits:
        """Of the weights' colours: white is 0; the darkest are not used, as text is on them."""
        most = 1.4 * float(np.abs(self.weights).max()) or 1.0
        return -most, most


def span(values: Array) -> Limits:
    """Minimum and maximum; if they are equal, numbers around them."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 1, high + 1)


def shown(image: Array) -> Array:
    """(H, W, C) as it can be drawn: in colours, or its first channel (H, W)."""
    if image.shape[2] == 3 and image.min() >= 0 and image.max() <= 1:
        return image
    return image[:, :, 0]


def lower(image: Array, w: Array, stride: IntOrPair, padding: Padding) -> Lowering:
    """Check the arguments, and compute.

    Raises:
        ValueError, TypeError: the arguments don't fit together; the message says why.
    """
    image, w = np.asarray(image, np.float64), np.asarray(w, np.float64)
    image = image[..., None] if image.ndim == 2 else image
    w = w[..., None, None] if w.ndim == 2 else w
    if image.ndim != 3 or w.ndim != 4 or w.shape[2] != image.shape[2] or not w.size:
        raise ValueError(
            "patch_matrix: expected image (H, W) or (H, W, C) and w (KH, KW) or (KH, KW, C, F), "
            f"received {image.shape} and {w.shape}"
        )
    if not (np.isfinite(image).all() and np.isfinite(w).all()):
        raise ValueError("patch_matrix: expected finite numbers, received NaN or infinity")
    (H, W, _), (KH, KW, _, _) = image.shape, w.shape
    win = make_window(H, W, (KH, KW), stride, padding)
    cols = im2col(image[None], (KH, KW), stride=stride, padding=padding, backend="numpy")
    weights = w.reshape(-1, w.shape[3])
    return Lowering(image, w, win, cols, weights, cols @ weights)


def choose(low: Lowering, windows: Sequence[tuple[int, int]] | None) -> list[int]:
    """The rows of the patch matrix for these output pixels (None: for interesting ones), rising.

    Raises:
        ValueError: not one to three pixels, or outside the output.
    """
    OH, OW = low.win.OH, low.win.OW
    if windows is None:
        return _interesting(low)
    inside = all(0 <= oh < OH and 0 <= ow < OW for oh, ow in windows)
    if not 1 <= len(windows) <= 3 or not inside:
        raise ValueError(
            f"patch_matrix: expected one to three windows (row, column) inside {OH}×{OW}, "
            f"received {list(windows)}"
        )
    return sorted({oh * OW + ow for oh, ow in windows})


def _interesting(low: Lowering) -> list[int]:
    """In the upper third of the windows, the one with the largest output; in the middle third, with
    the smallest; in the lower third, with the largest variation. Plain windows are skipped."""
    varied = low.cols.std(axis=1)
    found = []
    for third, worth in zip(
        np.array_split(np.arange(len(varied)), 3),
        (low.y[:, 0], -low.y[:, 0], varied),
        strict=True,
    ):
        if len(third):
            trim = len(third) // 6  # no two are neighbours
            rows = third[trim : len(third) - trim]
            rows = rows[varied[rows] >= 0.6 * varied[rows].max()]
            found.append(int(rows[worth[rows].argmax()]))
    return found
