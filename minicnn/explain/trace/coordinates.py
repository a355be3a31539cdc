"""Where a number comes from and goes to, through layers that only move numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...layers import Dropout, Flatten, Reshape
from ...typing import Shape
from .passes import Trace

MOVERS = (Flatten, Reshape, Dropout)  # in inference, Dropout passes everything on


@dataclass(frozen=True)
class Place:
    """A number of a layer's output."""

    layer: int  # its index; -1: the image
    place: tuple[int, ...]  # (row, column, channel), or (unit,)


def origin(trace: Trace, layer: int, unit: int) -> Place:
    """The number that `layer` takes as the `unit`-th of its input (row by row): where it was made,
    before Flatten, Reshape and Dropout."""
    source = layer - 1
    while source >= 0 and isinstance(trace.passes[source].layer, MOVERS):
        source -= 1
    shape = trace.passes[source].y.shape if source >= 0 else trace.passes[0].x.shape
    return Place(source, unravel(unit, shape))


def user(trace: Trace, layer: int) -> int | None:
    """The next layer that computes with what `layer` gives; None after the last."""
    for index in range(layer + 1, len(trace.passes)):
        if not isinstance(trace.passes[index].layer, MOVERS):
            return index
    return None


def unravel(unit: int, shape: Shape) -> tuple[int, ...]:
    """The place of the `unit`-th number, row by row."""
    return tuple(int(k) for k in np.unravel_index(unit, shape))


def ravel(place: tuple[int, ...], shape: Shape) -> int:
    """The other way round."""
    return int(np.ravel_multi_index(place, shape))
