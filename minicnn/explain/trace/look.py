"""One number of one layer's output, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layers import Activation, BatchNorm, Conv2D, Dense, GlobalAvgPool2D, Softmax, Weighted
from .convolution import Convolution, convolution
from .coordinates import Place, origin, ravel, unravel, user
from .dense import Arrival, Weighing, arrival, weighing
from .elementwise import Function, Probabilities, activation, normalization, probabilities
from .passes import Pass, Trace
from .pooling import Pooling, pooling, poolings


@dataclass(frozen=True)
class Mean:
    """A number of GlobalAvgPool2D: the mean of a channel."""

    count: int  # H·W
    sum: float
    part: float  # what each pixel gets of dy


@dataclass(frozen=True)
class Number:
    """What one number is made of, and what comes back through it.

    Of `convolution` … `source` one is there, by the kind of the layer; `function` or `softmax`
    also where a Conv2D or Dense has an activation.
    """

    layer: int
    place: tuple[int, ...]  # (row, column, channel), or (unit,)
    unit: int  # the same as one number, row by row
    y: float
    dy: float | None  # None at the final softmax
    convolution: Convolution | None = None
    weighing: Weighing | None = None
    pooling: Pooling | None = None
    mean: Mean | None = None
    function: Function | None = None
    softmax: Probabilities | None = None
    source: Place | None = None  # Flatten, Reshape, Dropout: where the number was made
    pooled: list[Pooling] | None = None  # windows of the next layer that hold it, if that pools
    arrival: Arrival | None = None  # how dy came about, if a Dense takes the number next


def look(trace: Trace, layer: int, place: tuple[int, ...]) -> Number:
    """The number at `place` of the output of layer `layer`.

    Args:
        trace: of `run`.
        layer: an index of the model's layers.
        place: an index of the output without its batch axis: (row, column, channel) or (unit,);
            of any output also (unit,), counted row by row.

    Raises:
        IndexError: there is no such layer, or no such number in its output.
    """
    if not 0 <= layer < len(trace.passes):
        raise IndexError(f"expected a layer in 0…{len(trace.passes) - 1}, received {layer}")
    done = trace.passes[layer]
    at = _place(place, done.y.shape)
    unit = ravel(at, done.y.shape)
    dy = None if done.dy is None else float(done.dy[at])
    parts = _made(trace, layer, at, unit) | _next(trace, layer, at, unit)
    return Number(layer, at, unit, float(done.y[at]), dy, **parts)


def _place(place: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = (int(np.prod(shape)),) if len(place) == 1 else shape
    if len(place) != len(sizes) or not all(0 <= k < n for k, n in zip(place, sizes, strict=True)):
        raise IndexError(f"expected a place in an output of {shape}, received {place}")
    return unravel(place[0], shape) if len(place) == 1 else tuple(place)


def _made(trace: Trace, index: int, at: tuple[int, ...], unit: int) -> dict[str, Any]:
    """What the number is made of."""
    done = trace.passes[index]
    layer = done.layer
    if isinstance(layer, Weighted):
        return _weighted(trace, index, at, unit)
    if done.window is not None:
        return {"pooling": pooling(done, *at)}
    if isinstance(layer, GlobalAvgPool2D):
        values = done.x[..., at[0]]
        assert done.dy is not None
        mean = Mean(values.size, float(values.sum(dtype=np.float64)), float(done.dx[0, 0, at[0]]))
        return {"mean": mean}
    if isinstance(layer, Softmax):
        return {"softmax": probabilities(done.x[at[:-1]], done.y[at[:-1]], done.dx[at[:-1]])}
    if isinstance(layer, Activation | BatchNorm):
        assert done.dy is not None
        arrays = done.x[at], done.y[at], done.dy[at], done.dx[at]
        if isinstance(layer, BatchNorm):
            return {"function": normalization(layer, at[-1], *arrays)}
        return {"function": activation(layer, *arrays)}
    return {"source": origin(trace, index, unit)}


def _weighted(trace: Trace, index: int, at: tuple[int, ...], unit: int) -> dict[str, Any]:
    done = trace.passes[index]
    layer = done.layer
    found: dict[str, Any] = {}
    assert isinstance(layer, Weighted)
    assert done.dz is not None
    if isinstance(layer, Conv2D):
        found["convolution"] = convolution(done, *at)
    elif isinstance(layer, Dense):
        found["weighing"] = weighing(trace, index, unit)
    return found | _activated(done, at)


def _activated(done: Pass, at: tuple[int, ...]) -> dict[str, Any]:
    """The activation of a Conv2D or Dense."""
    layer, z, dz = done.layer, done.z, done.dz
    assert isinstance(layer, Weighted)
    assert dz is not None
    if layer.nonlinearity is None or z is None:
        return {}
    if isinstance(layer.nonlinearity, Softmax):
        return {"softmax": probabilities(z[at[:-1]], done.y[at[:-1]], dz[at[:-1]])}
    assert done.dy is not None
    return {"function": activation(layer.nonlinearity, z[at], done.y[at], done.dy[at], dz[at])}


def _next(trace: Trace, index: int, at: tuple[int, ...], unit: int) -> dict[str, Any]:
    """Where the number goes, and what comes back from there."""
    found: dict[str, Any] = {}
    if index + 1 < len(trace.passes):
        following = trace.passes[index + 1]
        if following.window is not None and not isinstance(following.layer, Conv2D):
            found["pooled"] = poolings(following, *at)
    taker = user(trace, index)
    if taker is not None and isinstance(trace.passes[taker].layer, Dense):
        found["arrival"] = arrival(trace.passes[taker], taker, unit)
    return found
