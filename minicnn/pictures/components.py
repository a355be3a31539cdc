"""Connected components of a mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..typing import Array
from .imaging import dilated


class Components(NamedTuple):
    """Components of a mask; neighbours at a corner are connected."""

    number: Array  # (H, W) int: of each pixel's component, 0 … n - 1; n outside the mask
    mass: Array  # (n,): the sum of the values in each component
    peak: Array  # (n,): the largest of them
    touches_edge: Array  # (n,) bool


def connected_components(mask: Array, values: Array) -> Components:
    """The 8-connected components of a mask.

    Each pixel starts with its own label. Until nothing changes, it takes the largest label around
    it, and then the label of the pixel that this label belongs to, so paths get shorter.

    Args:
        mask: (H, W) bool.
        values: (H, W) floats >= 0, for the mass and the peak of each component.
    """
    own = np.arange(mask.size).reshape(mask.shape) + 1
    labels, previous = np.where(mask, own, 0), np.zeros_like(own)
    while not np.array_equal(labels, previous):
        previous = labels
        labels = np.where(mask, dilated(labels, 1), 0)
        labels = np.where(mask, labels.reshape(-1)[labels - 1], 0)
    n = len(np.unique(labels[mask]))
    number = np.full(mask.shape, n)
    number[mask] = np.unique(labels[mask], return_inverse=True)[1]
    peak, edge = np.zeros(n, values.dtype), np.ones(mask.shape, bool)
    np.maximum.at(peak, number[mask], values[mask])
    edge[1:-1, 1:-1] = False
    return Components(
        number,
        mass=np.bincount(number[mask], values[mask], n),
        peak=peak,
        touches_edge=np.bincount(number[mask], edge[mask], n) > 0,
    )
