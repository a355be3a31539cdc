"""Stages: several layers run as one where that is faster; the same numbers up to rounding.

    [Conv2D(relu), MaxPool2D]           ConvReLUPool: one pass, the full-size map is never written
    [Conv2D, ReLU, MaxPool2D]           the same
    Conv2D or Dense                     Prepared: with ReLU, no second pass over the outputs;
                                        another activation follows as a layer of its own

A stage shares its layers' parameters and has their interface; it fills their `grads`. For each
batch size it keeps a prepared operation (kernels/prepared.py), which owns the buffers it writes to:
the result of a stage is valid until its next call. If the backend prepares nothing, the layers run
one after the other.
"""

from __future__ import annotations

import threading
from math import prod
from typing import NamedTuple

import numpy as np

from .. import kernels
from ..kernels import choose, prepared
from ..kernels.checks import check_backward, check_same_dtype
from ..kernels.prepared import Operation
from ..kernels.window import Pair, pair
from ..typing import Array, FloatDType, Shape
from .activation import ReLU
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .pool import MaxPool2D
from .weighted import Weighted, without_activation

MAX_TAPS = 255  # of a pooling window: its argmax is stored as a byte
MAX_OPERATIONS = 6  # kept at a time: of training, its last batch, evaluation, …


def fuse(layers: list[Layer]) -> list[Layer]:
    """The same network, with stages where layers can run as one."""
    stages: list[Layer] = []
    rest = list(layers)
    while rest:
        count, found = _next_stages(rest)
        stages += found
        del rest[:count]
    return stages


def _next_stages(layers: list[Layer]) -> tuple[int, list[Layer]]:
    """(number of layers, the stages that run them)."""
    first, group = layers[0], layers[:3]
    # exact types: a user's subclass may compute something else
    if type(first) is Conv2D:
        own = _is_relu(first.nonlinearity)
        if own and len(group) > 1 and (size := _pool_size(first, group[1])):
            return 2, [ConvReLUPool(group[:2], first, size)]
        separate = first.nonlinearity is None and len(group) == 3 and _is_relu(group[1])
        if separate and (size := _pool_size(first, group[2])):
            return 3, [ConvReLUPool(group, first, size)]
    if type(first) in (Conv2D, Dense):
        assert isinstance(first, Weighted)
        if first.nonlinearity is None or _is_relu(first.nonlinearity):
            return 1, [Prepared(first, relu=first.nonlinearity is not None)]
        return 1, [Prepared(without_activation(first), relu=False), first.nonlinearity]
    return 1, [first]


def _is_relu(layer: Layer | None) -> bool:
    return type(layer) is ReLU


def _pool_size(conv: Conv2D, layer: Layer) -> Pair | None:
    """The size of a max-pooling that is worth fusing with `conv`: its windows do not overlap, leave
    no gaps and need no padding."""
    if type(layer) is not MaxPool2D or layer.strides != layer.pool_size or not layer.unpadded:
        return None
    size = pair("pool_size", layer.pool_size)
    pays = choose.fusing_pays(conv.window(*conv.input_shape[:2]), conv.weight_shape(), size)
    return size if prod(size) <= MAX_TAPS and pays else None


def _fits(array: Array, dtype: FloatDType) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == dtype and bool(array.flags.c_contiguous)


class _Call(NamedTuple):
    """What a stage was called with, and the operation that was prepared for it."""

    w: Array
    b: Array | None
    x_shape: Shape
    training: bool
    backend: str
    operation: Operation


class _Operations(threading.local):
    """Prepared operations by shapes, purpose and backend. Each thread has its own buffers, and a
    prediction does not overwrite what a training step keeps."""

    def __init__(self) -> None:
        self.prepared: dict[tuple[object, ...], Operation | None] = {}
        self.last: _Call | None = None
        self.in_training: Operation | None = None

    def __reduce__(self) -> tuple[type[_Operations], tuple[()]]:
        return _Operations, ()  # a copy of a network prepares its own


class Stage(Layer):
    """Base: runs `layers` as one; `weighted` is the one with the weights."""

    def __init__(self, layers: list[Layer], weighted: Weighted) -> None:
        super().__init__(name=" + ".join(layer.label for layer in layers))
        self.layers, self.weighted = layers, weighted
        self.input_shape, self.output_shape = weighted.input_shape, layers[-1].output_shape
        self.params, self.grads = weighted.params, weighted.grads
        self.built = True
        self._operations = _Operations()

    @property
    def weights(self) -> tuple[Array, Array | None]:
        """w and b."""
        return self.params["w"], self.params.get("b")

    def prepare(self, batch: int, dtype: FloatDType) -> Operation | None:
        """The operation for a batch, or None."""
        raise TypeError(f"{type(self).__name__} has no prepare(): override it")

    @property
    def algorithm(self) -> str:
        """The algorithm with the current backend (names as in kernels/choose.py)."""
        operation = self.prepare(1, self.weights[0].dtype)
        return "separate" if operation is None else operation.algorithm

    def operation(self, x: Array, w: Array, b: Array | None, training: bool) -> Operation | None:
        """The operation prepared for x. None: there is none, or the arrays are not as expected (the
        layers' own kernels then raise the error)."""
        # most calls repeat the last one; for small batches a microsecond counts
        backend, last = kernels.current_backend(), self._operations.last
        if (
            last is not None
            and w is last.w
            and b is last.b
            and _fits(x, w.dtype)
            and x.shape == last.x_shape
            and training is last.training
            and backend == last.backend
        ):
            return last.operation
        operation = self._look_up(x, w, b, training, backend)
        if operation is not None:
            self._operations.last = _Call(w, b, x.shape, training, backend, operation)
        return operation

    def _look_up(
        self, x: Array, w: Array, b: Array | None, training: bool, backend: str
    ) -> Operation | None:
        if not (_fits(w, w.dtype) and _fits(x, w.dtype) and (b is None or _fits(b, w.dtype))):
            return None
        operations = self._operations.prepared
        key = x.shape, w.shape, b is None or b.shape, training, backend
        if key not in operations:
            shape = self.weighted.weight_shape()
            if x.shape[1:] != self.input_shape or w.shape != shape:
                return None
            if b is not None and b.shape != shape[-1:]:
                return None
            while len(operations) >= MAX_OPERATIONS:
                del operations[next(iter(operations))]
                self._operations.last = None
            operations[key] = self.prepare(len(x), x.dtype)
        return operations[key]

    def forward(self, x: Array, training: bool = False) -> Array:
        w, b = self.weights
        operation = self.operation(x, w, b, training)
        if training:
            self._operations.in_training = operation
        if operation is None:
            return self.forward_unprepared(x, training)
        y = operation.forward(x, w, b)
        self.keep(training, x)
        return y

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        arrays, operation = self.kept(), self._operations.in_training
        if operation is None:
            return self.backward_unprepared(dy, arrays, need_dx)
        (x,), w = arrays, self.params["w"]
        dy = check_backward(dy, operation.y.shape)
        check_same_dtype(dy=dy, x=x, w=w)
        dx, dw, db = operation.backward(dy, x, w, need_dx)
        self.weighted.assign_grads(w=dw, b=db)
        return dx

    def forward_unprepared(self, x: Array, training: bool) -> Array:
        """y, layer by layer; keeps what backward_unprepared needs."""
        self.keep(training)
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward_unprepared(
        self, dy: Array, arrays: tuple[Array, ...], need_dx: bool
    ) -> Array | None:
        """dx, or None; fills the grads of the layers."""
        gradient: Array | None = dy
        for layer in reversed(self.layers):
            assert gradient is not None
            gradient = layer.backward(gradient, need_dx or layer is not self.layers[0])
        return gradient


class Prepared(Stage):
    """z, or max(z, 0), of a Conv2D or Dense."""

    def __init__(self, layer: Weighted, relu: bool) -> None:
        super().__init__([layer], layer)
        self.relu = relu

    def prepare(self, batch: int, dtype: FloatDType) -> Operation | None:
        return self.weighted.prepare(batch, dtype, self.relu)


class ConvReLUPool(Stage):
    """max_pool(max(conv(x), 0)) in one pass; backward visits only the pixels of the maxima."""

    def __init__(self, layers: list[Layer], conv: Conv2D, size: Pair) -> None:
        super().__init__(layers, conv)
        self.conv, self.size = conv, size

    def prepare(self, batch: int, dtype: FloatDType) -> Operation | None:
        shape = (batch, *self.input_shape)
        return prepared.conv2d_relu_pool(
            shape, self.conv.weight_shape(), self.size, dtype, **self.conv.geometry
        )

    def forward_unprepared(self, x: Array, training: bool) -> Array:
        y, argmax = kernels.conv2d_relu_pool(x, *self.weights, self.size, **self.conv.geometry)
        self.keep(training, x, argmax)
        return y

    def backward_unprepared(
        self, dy: Array, arrays: tuple[Array, ...], need_dx: bool
    ) -> Array | None:
        x, argmax = arrays
        dx, dw, db = kernels.conv2d_relu_pool_backward(
            dy, argmax, x, self.params["w"], self.size, **self.conv.geometry, need_dx=need_dx
        )
        self.conv.assign_grads(w=dw, b=db)
        return dx
