"""Do the competitors compute the same? Checked before they are timed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minicnn.typing import Array


class Disagreement(Exception):
    """Two competitors differ; the message says which, where and by how much."""


def exact_random(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers out of {-3, -1, 1, 3}/4, float32.

    Sums of up to a million products of two of them are exact in float32, in any order. So correct
    results are equal, and so are ties in a max-pooling.
    """
    return (rng.integers(-2, 2, shape).astype(np.float32) + np.float32(0.5)) / 2


def check_alike(
    where: str,
    expected: Mapping[str, Array],
    received: Mapping[str, Array],
    tolerance: float = 1e-5,
) -> None:
    """Check that arrays of the same name are equal, up to `tolerance` of the largest number.

    Raises:
        Disagreement: they differ, or their names or shapes do.
    """
    if expected.keys() != received.keys():
        raise Disagreement(f"{where}: expected {sorted(expected)}, received {sorted(received)}")
    for name, a in expected.items():
        b = received[name]
        if a.shape != b.shape:
            raise Disagreement(f"{where}, {name}: expected shape {a.shape}, received {b.shape}")
        allowed = tolerance * float(np.abs(a).max(initial=0))
        off = np.abs(a - b)
        wrong = ~(off <= allowed)  # NaN is wrong too
        if wrong.any():
            first, last = (tuple(np.argwhere(wrong)[k].tolist()) for k in (0, -1))
            raise Disagreement(
                f"{where}, {name}: off by {off.max():g}, allowed {allowed:g}; "
                f"{wrong.sum():,} of {wrong.size:,} numbers, from {first} to {last}"
            )
