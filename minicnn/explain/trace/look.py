"""One number of one layer's output, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...layers import Activation, BatchNorm, Conv2D, Dense, GlobalAvgPool2D, Softmax, Weighted
from .convolution import Convolution, convolution
from .coordinates import Place, next_computing_layer, origin, unravel
from .dense import DenseSum, InputGradient, dense_sum, input_gradient
from .elementwise import Function, Probabilities, activation, normalization, probabilities
from .passes import Pass, Trace
from .pooling import Pooling, pooling, poolings


@dataclass(frozen=True)
class Mean:
    """An output of GlobalAvgPool2D: the mean of a channel."""

    count: int  # H·W
    sum: float
    dx_each: float  # the share of dy of each pixel


@dataclass
class Number:
    """How one number is computed, and how its gradient is.

    One of `convolution` … `source` is set, by the kind of the layer; `function` or `softmax` also
    for the activation of a Conv2D or Dense.
    """

    layer: int
    place: tuple[int, ...]  # (row, column, channel), or (unit,)
    unit: int  # the same, counted row by row
    y: float
    dy: float | None  # None at the final softmax
    convolution: Convolution | None = None
    dense: DenseSum | None = None
    pooling: Pooling | None = None
    mean: Mean | None = None
    function: Function | None = None
    softmax: Probabilities | None = None
    source: Place | None = None  # Flatten, Reshape, Dropout: where the number was computed
    pooled: list[Pooling] | None = None  # windows of a following pooling that contain it
    dense_gradient: InputGradient | None = None  # how a following Dense computes dy


def look(trace: Trace, layer: int, place: tuple[int, ...]) -> Number:
    """The number at `place` of the output of layer `layer`.

    Args:
        trace: of `run`.
        layer: an index of the model's layers.
        place: (row, column, channel) or (unit,); (unit,) counts any output row by row.

    Raises:
        IndexError: there is no such layer, or no such number in its output.
    """
    if not 0 <= layer < len(trace.passes):
        raise IndexError(f"expected a layer in 0…{len(trace.passes) - 1}, received {layer}")
    done = trace.passes[layer]
    shape = done.y.shape
    try:
        unit = place[0] if len(place) == 1 else int(np.ravel_multi_index(place, shape))
        at = unravel(unit, shape)
    except ValueError as error:
        raise IndexError(f"expected a place in an output of {shape}, received {place}") from error
    dy = None if done.dy is None else float(done.dy[at])
    number = Number(layer, at, unit, float(done.y[at]), dy)
    _add_origin(number, trace)
    _add_use(number, trace)
    return number


def _add_origin(number: Number, trace: Trace) -> None:
    """How the number is computed."""
    done, at = trace.passes[number.layer], number.place
    layer = done.layer
    if isinstance(layer, Weighted):
        if isinstance(layer, Conv2D):
            number.convolution = convolution(done, *at)
        elif isinstance(layer, Dense):
            number.dense = dense_sum(trace, number.layer, number.unit)
        _add_activation(number, done)
    elif done.window is not None:
        number.pooling = pooling(done, *at)
    elif isinstance(layer, GlobalAvgPool2D):
        values = done.x[..., at[0]]
        dx = float(done.dx[0, 0, at[0]])
        number.mean = Mean(values.size, float(values.sum(dtype=np.float64)), dx)
    elif isinstance(layer, Softmax):
        number.softmax = probabilities(done.x[at[:-1]], done.y[at[:-1]], done.dx[at[:-1]])
    elif isinstance(layer, Activation | BatchNorm):
        assert done.dy is not None
        arrays = done.x[at], done.y[at], done.dy[at], done.dx[at]
        if isinstance(layer, BatchNorm):
            number.function = normalization(layer, at[-1], *arrays)
        else:
            number.function = activation(layer, *arrays)
    else:
        number.source = origin(trace, number.layer, number.unit)


def _add_activation(number: Number, done: Pass) -> None:
    """The activation of a Conv2D or Dense."""
    layer, z, dz, at = done.layer, done.z, done.dz, number.place
    assert isinstance(layer, Weighted)
    assert dz is not None
    if layer.nonlinearity is None or z is None:
        return
    if isinstance(layer.nonlinearity, Softmax):
        number.softmax = probabilities(z[at[:-1]], done.y[at[:-1]], dz[at[:-1]])
        return
    assert done.dy is not None
    number.function = activation(layer.nonlinearity, z[at], done.y[at], done.dy[at], dz[at])


def _add_use(number: Number, trace: Trace) -> None:
    """Which windows of the next layer contain the number, and how its gradient is computed."""
    if number.layer + 1 < len(trace.passes):
        following = trace.passes[number.layer + 1]
        if following.window is not None and not isinstance(following.layer, Conv2D):
            number.pooled = poolings(following, *number.place)
    index = next_computing_layer(trace, number.layer)
    if index is not None and isinstance(trace.passes[index].layer, Dense):
        number.dense_gradient = input_gradient(trace.passes[index], index, number.unit)
