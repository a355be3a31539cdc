"""Statistics of an array of weights, gradients or activations."""

from __future__ import annotations

from math import gcd
from typing import TypedDict

import numpy as np

from ..strict_json import number
from ..typing import Array

BINS = 40
MAX_SAMPLE = 32_768  # numbers for mean, standard deviation, minimum and maximum
MAX_HISTOGRAM = 8_192  # numbers counted in a histogram
DIGITS = 5


class ArrayStatistics(TypedDict):
    """What measure() returns."""

    mean: float | None
    std: float | None
    norm: float | None
    min: float | None
    max: float | None
    zeros: float | None
    nonfinite: int
    histogram: list[int]


def measure(array: Array) -> ArrayStatistics:
    """The statistics of an array, as strict JSON can hold them; None for undefined ones.

    Returns:
        "mean", "std", "norm" (Euclidean, of the whole array), "min", "max", "zeros" (the share that
        is exactly 0), all of the finite numbers; "nonfinite": how many are NaN or infinite;
        "histogram": counts in 40 bins of equal width from min to max (all in the first if
        min = max). Arrays of more than 32,768 numbers (histograms: 8,192) are sampled with a fixed
        step; only "nonfinite" always counts all.
    """
    with np.errstate(all="ignore"):
        bad = 0 if np.isfinite(array.sum()) else array.size - int(np.isfinite(array).sum())
        x = sample(array, MAX_SAMPLE).astype(np.float64)
        if bad:
            x = x[np.isfinite(x)]
        if not x.size:
            return _statistics([None] * 6, bad, [0] * BINS)
        mean, low, high = x.mean(), x.min(), x.max()
        # Not x @ x: BLAS would start its threads, which may take longer than the sum.
        norm = np.sqrt(np.square(x).mean() * (array.size - bad))
        std = np.sqrt(np.square(x - mean).mean())
        zeros = 1 - np.count_nonzero(x) / x.size
        counts = histogram(sample(x, MAX_HISTOGRAM), low, high)
    numbers = [number(value, DIGITS) for value in (mean, std, norm, low, high, zeros)]
    return _statistics(numbers, bad, counts.tolist())


def _statistics(
    numbers: list[float | None], nonfinite: int, histogram: list[int]
) -> ArrayStatistics:
    mean, std, norm, low, high, zeros = numbers
    return {
        "mean": mean, "std": std, "norm": norm, "min": low, "max": high, "zeros": zeros,
        "nonfinite": nonfinite, "histogram": histogram,
    }  # fmt: skip


def sample(array: Array, most: int) -> Array:
    """At most `most` numbers of an array, as a vector: every n-th, with n such that all channels
    (positions on the last axis) are sampled equally often."""
    flat, step = array.reshape(-1), -(-array.size // most)
    if step <= 1:
        return flat
    while gcd(step, array.shape[-1]) > 1:
        step += 1
    return flat[::step]


def histogram(x: Array, low: float, high: float) -> Array:
    """(BINS,) counts of x in bins of equal width from low to high, both included."""
    if high <= low:
        return np.bincount([0] * x.size, minlength=BINS)
    # np.histogram does the same by searching the edges, in several times the time.
    bins = np.nan_to_num((x - low) / (high - low) * BINS).astype(np.intp)
    return np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)


def dead_share(y: Array) -> float:
    """The share of a ReLU's units (channels: the last axis) that are 0 in all outputs (N, …, C)."""
    return 1 - float(np.any(y.reshape(-1, y.shape[-1]), axis=0).mean())
