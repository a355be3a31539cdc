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
    unique, of_each = np.unique(labels[mask], return_inverse=True)
    n = len(unique)
    number, peak, edge = np.full(mask.shape, n), np.zeros(n), np.ones(mask.shape, bool)
    number[mask] = of_each
    np.maximum.at(peak, of_each, values[mask])
    edge[1:-1, 1:-1] = False
    mass = np.bincount(of_each, values[mask], n)
    return Components(number, mass, peak, touches_edge=np.bincount(of_each, edge[mask], n) > 0)
