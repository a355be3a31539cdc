"""Where a number comes from and goes to, through layers that only move numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...layers import Dropout, Flatten, Reshape
from ...typing import Shape
from .passes import Trace

MOVING_LAYERS = (Flatten, Reshape, Dropout)  # Dropout in inference


@dataclass(frozen=True)
class Place:
    """A number of a layer's output."""

    layer: int  # its index; -1: the image
    place: tuple[int, ...]  # (row, column, channel), or (unit,)


def origin(trace: Trace, layer: int, unit: int) -> Place:
    """Where input `unit` of `layer` (counted row by row) was computed: the output of the nearest
    layer before Flatten, Reshape and Dropout."""
    source = layer - 1
    while source >= 0 and isinstance(trace.passes[source].layer, MOVING_LAYERS):
        source -= 1
    shape = trace.passes[source].y.shape if source >= 0 else trace.passes[0].x.shape
    return Place(source, unravel(unit, shape))


def next_computing_layer(trace: Trace, layer: int) -> int | None:
    """The next layer that computes with the output of `layer`; None after the last."""
    for index in range(layer + 1, len(trace.passes)):
        if not isinstance(trace.passes[index].layer, MOVING_LAYERS):
            return index
    return None


def unravel(unit: int, shape: Shape) -> tuple[int, ...]:
    """The index of number `unit`, counted row by row."""
    return tuple(int(k) for k in np.unravel_index(unit, shape))
