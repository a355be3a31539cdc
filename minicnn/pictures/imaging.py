"""Arithmetic on grey images (H, W): means, Otsu's threshold, noise, bounds, closings."""

from __future__ import annotations

import numpy as np

from ..typing import Array

SAMPLE = 2500  # of a picture's values, to tell its noise
MAD = 1.4826  # standard deviation of a normal distribution, by its median absolute deviation


def otsu(values: Array) -> float:
    """The threshold that parts values into two classes, value <= threshold being the lower.

    It maximizes the variance between the classes, σ² = w₀·w₁·(μ₀ − μ₁)², over 256 bins from the
    least value to the largest (Otsu 1979, "A threshold selection method from gray-level
    histograms"). Among equally good ones, the middle. All values alike: that value.
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    scaled = ((values - low) / (high - low) * 255.999).astype(np.uint8)
    counts = np.bincount(scaled.reshape(-1), minlength=256)
    # w₀ and its sum of values; by the least and the largest value neither class is empty
    below, total = np.cumsum(counts)[:-1], np.cumsum(counts * np.arange(256))
    above, total, all_of_it = values.size - below, total[:-1], total[-1]
    between = below * above * (total / below - (all_of_it - total) / above) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return low + (float(best.mean()) + 1) * (high - low) / 256


def reduce(image: Array, step: int) -> Array:
    """(ceil(H/step), ceil(W/step)): the means of step×step pixels; the last row and column are
    repeated to fill the last ones."""
    if step <= 1:
        return image
    height, width = image.shape
    if height % step or width % step:
        image = np.pad(image, ((0, -height % step), (0, -width % step)), mode="edge")
    return _sums(_sums(image, step).T, step).T / step**2


def _sums(image: Array, step: int) -> Array:
    """Of `step` rows each: some times faster than a sum along an axis so short."""
    total = image[::step].copy()
    for i in range(1, step):
        total += image[i::step]
    return total


def noise(values: Array) -> float:
    """Standard deviation of the ground, of which most `values` are: 1.4826·median|v − median|, by a
    sample of some thousands of them."""
    values = values.reshape(-1)[:: max(values.size // SAMPLE, 1)]
    middle = np.median(values)
    return float(MAD * np.median(np.abs(values - middle)))


def closed(image: Array, size: int) -> Array:
    """Morphological closing by a square: dark structures narrower than `size` pixels are filled."""
    half = size // 2
    grown = _local(np.pad(image, half, mode="edge"), size, np.maximum)
    return _local(np.pad(grown, half, mode="edge"), size, np.minimum)


def opened(image: Array, size: int) -> Array:
    """Morphological opening by a square: bright ones are removed."""
    return -closed(-image, size)


def _local(image: Array, size: int, extreme: np.ufunc) -> Array:
    """The largest (np.maximum) or least value of each size×size pixels: (H-size+1, W-size+1).

    By doubling: the extremes of 1, 2, 4, … pixels in a row, and of `size` from two that overlap.
    """
    for _ in range(2):
        reach = 1
        while reach < size:
            more = min(reach, size - reach)
            image = extreme(image[more:], image[:-more])
            reach += more
        image = image.T
    return image


def bounds(mask: Array) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of what is set in a mask, some of it being so; the last two are
    outside."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def within(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """The slices of rows and columns in (top, left, bottom, right)."""
    top, left, bottom, right = box
    return slice(top, bottom), slice(left, right)


def broader(image: Array, half: int) -> Array:
    """The largest value within `half` pixels around each."""
    return _local(np.pad(image, half), 2 * half + 1, np.maximum)
