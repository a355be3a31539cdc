"""What is measured of an array of weights, gradients or activations."""

from __future__ import annotations

from math import gcd

import numpy as np

from ..strict_json import number
from ..typing import Array

BINS = 40
MOST = 32_768  # numbers looked at for mean, spread and extremes
MOST_COUNTED = 8_192  # numbers counted in a histogram
DIGITS = 5


def measure(array: Array) -> dict[str, object]:
    """Its numbers in short, as strict JSON can hold them; None where there is none.

    Returns:
        "mean", "std", "norm" (Euclidean, of the whole array), "min", "max", "zeros" (the share that
        is exactly 0), all of the finite numbers; "nonfinite": how many are NaN or infinite;
        "histogram": how many fall into each of 40 equal parts of min…max (all into the first if
        min = max). Arrays of more than 32,768 numbers (histograms: 8,192) are sampled with a fixed
        step; only "nonfinite" is always of all.
    """
    with np.errstate(all="ignore"):
        bad = 0 if np.isfinite(array.sum()) else array.size - int(np.isfinite(array).sum())
        x = sample(array, MOST).astype(np.float64)
        if bad:
            x = x[np.isfinite(x)]
        found: dict[str, object] = dict.fromkeys(("mean", "std", "norm", "min", "max", "zeros"))
        if not x.size:
            return {**found, "nonfinite": bad, "histogram": [0] * BINS}
        mean, low, high = x.mean(), x.min(), x.max()
        # (not x @ x: for that, BLAS would wake its threads, which may take longer than the sum)
        norm = np.sqrt(np.square(x).mean() * (array.size - bad))
        spread = np.sqrt(np.square(x - mean).mean())
        numbers = mean, spread, norm, low, high, 1 - np.count_nonzero(x) / x.size
        for name, value in zip(found, numbers, strict=True):
            found[name] = number(value, DIGITS)
        counts = histogram(sample(x, MOST_COUNTED), low, high)
    return {**found, "nonfinite": bad, "histogram": counts.tolist()}


def sample(array: Array, most: int) -> Array:
    """At most `most` numbers of an array, as a vector: every n-th, with n such that all channels
    (places on the last axis) are met alike."""
    flat, step = array.reshape(-1), -(-array.size // most)
    if step <= 1:
        return flat
    while gcd(step, array.shape[-1]) > 1:
        step += 1
    return flat[::step]


def histogram(x: Array, low: float, high: float) -> Array:
    """(BINS,) counts of x in equal parts of low…high, both included."""
    if high <= low:
        return np.bincount([0] * x.size, minlength=BINS)
    # np.histogram does the same with a search for edges, at several times the cost
    places = np.nan_to_num((x - low) / (high - low) * BINS).astype(np.intp)
    return np.bincount(np.minimum(places, BINS - 1), minlength=BINS)


def dead_share(y: Array) -> float:
    """Of the units (or channels: the last axis) of a ReLU's outputs (N, …, C), the share that is 0
    everywhere."""
    return 1 - float(np.any(y.reshape(-1, y.shape[-1]), axis=0).mean())
