"""Stages: layers run as one where that is faster; the same numbers up to rounding.

    [Conv2D(relu), MaxPool2D]           ConvReLUPool: what is pooled away is never written
    [Conv2D, ReLU, MaxPool2D]           the same
    Conv2D or Dense                     Prepared: with ReLU, no second pass over the outputs;
                                        another activation follows as a layer of its own

A stage shares its layers' parameters and has their interface; it fills their `grads`. It keeps an
operation prepared for each batch size (kernels/prepared.py), with the memory that this writes
into: what a stage returns holds until its next call. Where the kernels in use have nothing to
prepare, the layers run one after the other.
"""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import choose, prepared
from ..kernels.checks import check_backward, check_same_dtype
from ..kernels.window import Pair, pair
from ..typing import Array
from .activation import ReLU
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .pool import MaxPool2D
from .weighted import LinearPart, Weighted

MOST_TAPS = 255  # of a pooling window: which one won is kept as a byte
BATCH_SIZES = 6  # prepared for at a time: training's, its last batch's, those of evaluation, …


def fuse(layers: list[Layer]) -> list[Layer]:
    """The same network, as stages where layers can be run as one."""
    stages: list[Layer] = []
    rest = list(layers)
    while rest:
        count, found = _next_stages(rest)
        stages += found
        del rest[:count]
    return stages


def _next_stages(layers: list[Layer]) -> tuple[int, list[Layer]]:
    """(how many layers they run, the stages)."""
    first, group = layers[0], layers[:3]
    # (what a user derived from these may do something else)
    if type(first) is Conv2D:
        own = _is_relu(first.nonlinearity)
        if own and len(group) > 1 and (size := _pool_size(first, group[1])):
            return 2, [ConvReLUPool(group[:2], first, size)]
        apart = first.nonlinearity is None and len(group) == 3 and _is_relu(group[1])
        if apart and (size := _pool_size(first, group[2])):
            return 3, [ConvReLUPool(group, first, size)]
    if isinstance(first, LinearPart) and type(first.layer) in (Conv2D, Dense):
        return 1, [Prepared(first, first.layer, relu=False)]
    if type(first) in (Conv2D, Dense):
        assert isinstance(first, Weighted)
        if first.nonlinearity is None or _is_relu(first.nonlinearity):
            return 1, [Prepared(first, first, relu=first.nonlinearity is not None)]
        return 1, [Prepared(LinearPart(first), first, relu=False), first.nonlinearity]
    return 1, [first]


def _is_relu(layer: Layer | None) -> bool:
    return type(layer) is ReLU


def _pool_size(conv: Conv2D, layer: Layer) -> Pair | None:
    """The size of a max-pool that can be fused with `conv`, and with profit: its windows neither
    overlap, leave gaps nor need padding."""
    if type(layer) is not MaxPool2D or layer.strides != layer.pool_size or not layer.unpadded:
        return None
    size = pair("pool_size", layer.pool_size)
    pays = choose.fusing_pays(conv.window(*conv.input_shape[:2]), conv.weight_shape(), size)
    return size if prod(size) <= MOST_TAPS and pays else None


def _fits(array: Array, dtype: np.dtype[Any]) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == dtype and bool(array.flags.c_contiguous)


NOTHING: tuple[Any, ...] = (None,) * 6  # (w, b, operation; and for what it is)


class _Operations(threading.local):
    """What is prepared, by batch size and purpose: each thread has its own memory to write into,
    and a prediction does not disturb what a step of training has kept."""

    def __init__(self) -> None:
        self.of: dict[Any, Any] = {}
        self.last = NOTHING

    def __reduce__(self) -> tuple[type[_Operations], tuple[()]]:
        return _Operations, ()  # a copy of a model prepares its own


class Stage(Layer):
    """Base: runs `layers` as one; `weighted` is the one with the weights."""

    def __init__(self, layers: list[Layer], weighted: Weighted) -> None:
        super().__init__(name=" + ".join(layer.label for layer in layers))
        self.layers, self.weighted = layers, weighted
        self.input_shape, self.output_shape = weighted.input_shape, layers[-1].output_shape
        self.built = True
        self._operations = _Operations()

    @property
    def parts(self) -> tuple[Layer, ...]:
        return (self.weighted,)

    @property
    def weights(self) -> tuple[Array, Array | None]:
        """w and b."""
        params = self.weighted.params
        return params["w"], params.get("b")

    def prepare(self, batch: int, dtype: np.dtype[Any]) -> Any:
        """The operation for a batch, or None."""
        raise TypeError(f"{type(self).__name__} prepares nothing: override prepare()")

    @property
    def algorithm(self) -> str:
        """How it is computed with the kernels in use (names as in kernels/choose.py)."""
        operation = self.prepare(1, self.weights[0].dtype)
        return "separate" if operation is None else str(operation.algorithm)

    def operation(self, x: Array, w: Array, b: Array | None, training: bool) -> Any:
        """What is prepared for x; None: nothing is, or the arrays are not as expected (the doorway,
        which the layers go by, will say what is wrong)."""
        # the same again, as in most calls, is told at once: a microsecond counts for small batches
        backend = kernels.current_backend()
        last_w, last_b, operation, *others = self._operations.last
        same = w is last_w and b is last_b and _fits(x, w.dtype)
        if same and others == [x.shape, training, backend]:
            return operation
        operation = self._look_up(x, w, b, training, backend)
        if operation is not None:
            self._operations.last = w, b, operation, x.shape, training, backend
        return operation

    def _look_up(
        self, x: Array, w: Array, b: Array | None, training: bool, backend: str
    ) -> Any | None:
        if not (_fits(w, w.dtype) and _fits(x, w.dtype) and (b is None or _fits(b, w.dtype))):
            return None
        operations = self._operations.of
        key = x.shape, w.shape, b is None or b.shape, training, backend
        if key not in operations:
            shape = self.weighted.weight_shape()
            if x.shape[1:] != self.input_shape or w.shape != shape:
                return None
            if b is not None and b.shape != shape[-1:]:
                return None
            while len(operations) >= BATCH_SIZES:
                del operations[next(iter(operations))]
                self._operations.last = NOTHING
            operations[key] = self.prepare(len(x), x.dtype)
        return operations[key]

    def forward(self, x: Array, training: bool = False) -> Array:
        w, b = self.weights
        operation = self.operation(x, w, b, training)
        if operation is not None:
            y = operation.forward(x, w, b)
            self.keep(training, operation, x)
            return y
        y, kept = self.forward_unprepared(x, training)
        self.keep(training, None, kept)
        return y

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        operation, kept = self.kept()
        if operation is None:
            return self.backward_unprepared(dy, kept, need_dx)
        w, _ = self.weights
        dy = check_backward(dy, operation.y.shape)
        check_same_dtype(dy=dy, x=kept, w=w)
        dx, dw, db = operation.backward(dy, kept, w, need_dx)
        self.weighted.set_grads(dw, db)
        return dx

    def forward_unprepared(self, x: Array, training: bool) -> tuple[Array, Any]:
        """(y, what backward_unprepared needs): layer by layer."""
        for layer in self.layers:
            x = layer.forward(x, training)
        return x, None

    def backward_unprepared(self, dy: Array, kept: Any, need_dx: bool) -> Array | None:
        """dx, or None; fills the grads of the layers."""
        gradient: Array | None = dy
        for layer in reversed(self.layers):
            assert gradient is not None
            gradient = layer.backward(gradient, need_dx or layer is not self.layers[0])
        return gradient


class Prepared(Stage):
    """linear(x), or max(linear(x), 0), for a Conv2D or Dense."""

    def __init__(self, layer: Layer, weighted: Weighted, relu: bool) -> None:
        super().__init__([layer], weighted)
        self.relu = relu

    def prepare(self, batch: int, dtype: np.dtype[Any]) -> Any:
        return self.weighted.prepare(batch, dtype, self.relu)


class ConvReLUPool(Stage):
    """max_pool(max(conv(x), 0)) in one pass; backward visits only the winners."""

    def __init__(self, layers: list[Layer], conv: Conv2D, size: Pair) -> None:
        super().__init__(layers, conv)
        self.conv, self.size = conv, size

    def prepare(self, batch: int, dtype: np.dtype[Any]) -> Any:
        shape = (batch, *self.input_shape)
        return prepared.conv2d_relu_pool(
            shape, self.conv.weight_shape(), self.size, dtype, **self.conv.geometry
        )

    def forward_unprepared(self, x: Array, training: bool) -> tuple[Array, Any]:
        y, winner = kernels.conv2d_relu_pool(x, *self.weights, self.size, **self.conv.geometry)
        return y, (x, winner)

    def backward_unprepared(self, dy: Array, kept: Any, need_dx: bool) -> Array | None:
        x, winner = kept
        dx, dw, db = kernels.conv2d_relu_pool_backward(
            dy, winner, x, self.weights[0], self.size, **self.conv.geometry, need_dx=need_dx
        )
        self.conv.set_grads(dw, db)
        return dx
