"""Operations on grey images (H, W): means, Otsu's threshold, noise, bounds, morphology."""

from __future__ import annotations

import numpy as np

from ..typing import Array

NOISE_SAMPLE = 2500  # values that are enough to estimate the noise
MAD = 1.4826  # standard deviation of a normal distribution / its median absolute deviation


def otsu(values: Array) -> float:
    """The threshold between two classes of values; the lower class is value <= threshold.

    It maximizes the variance between the classes, σ² = w₀·w₁·(μ₀ − μ₁)², over 256 bins from the
    smallest value to the largest (Otsu 1979, "A threshold selection method from gray-level
    histograms"). Of equally good thresholds, the middle. If all values are equal: that value.
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    scaled = ((values - low) / (high - low) * 255.999).astype(np.uint8)
    counts = np.bincount(scaled.reshape(-1), minlength=256)
    # w₀ and its sum of values; neither class is empty
    below, total = np.cumsum(counts)[:-1], np.cumsum(counts * np.arange(256))
    above, total, whole = values.size - below, total[:-1], total[-1]
    between = below * above * (total / below - (whole - total) / above) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return low + (float(best.mean()) + 1) * (high - low) / 256


def reduce(image: Array, step: int) -> Array:
    """The means of step×step pixels, (ceil(H/step), ceil(W/step)). The last row and column are
    repeated where pixels are missing."""
    if step <= 1:
        return image
    height, width = image.shape
    if height % step or width % step:
        image = np.pad(image, ((0, -height % step), (0, -width % step)), mode="edge")
    return _sums(_sums(image, step).T, step).T / step**2


def _sums(image: Array, step: int) -> Array:
    """Sums of `step` rows; several times faster than a sum along such a short axis."""
    total = image[::step].copy()
    for i in range(1, step):
        total += image[i::step]
    return total


def noise(values: Array) -> float:
    """Standard deviation of the background, 1.4826·median|v − median| over a sample of `values`.
    Most values have to be background."""
    values = values.reshape(-1)[:: max(values.size // NOISE_SAMPLE, 1)]
    middle = np.median(values)
    return float(MAD * np.median(np.abs(values - middle)))


def closed(image: Array, size: int) -> Array:
    """Morphological closing with a square: removes dark structures narrower than `size` pixels."""
    half = size // 2
    grown = _local(np.pad(image, half, mode="edge"), size, np.maximum)
    return _local(np.pad(grown, half, mode="edge"), size, np.minimum)


def opened(image: Array, size: int) -> Array:
    """Morphological opening with a square: removes bright structures."""
    return -closed(-image, size)


def _local(image: Array, size: int, extreme: np.ufunc) -> Array:
    """The maximum (np.maximum) or minimum of each size×size window: (H-size+1, W-size+1).

    By doubling: of 1, 2, 4, … pixels in a row, and of `size` pixels from two windows that overlap.
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
    """(top, left, bottom, right) of the set pixels of a mask, which is not empty; bottom and right
    are exclusive."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def slices(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """The slices of rows and columns of a box (top, left, bottom, right)."""
    top, left, bottom, right = box
    return slice(top, bottom), slice(left, right)


def dilated(image: Array, half: int) -> Array:
    """Morphological dilation with a square of 2·half + 1 pixels."""
    return _local(np.pad(image, half), 2 * half + 1, np.maximum)
