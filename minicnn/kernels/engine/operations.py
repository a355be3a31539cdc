"""The kernels that stand on the register tile, prepared for whole batches of one shape.

An object here is an operation whose geometry has been worked out, whose kernels are looked up,
whose batch is cut into pieces, and which owns the memory that it writes into. Preparing takes some
ten microseconds, calling it three: who computes the same shapes again and again (layers/stages.py)
keeps it. What a call returned holds until the next call.

What they are made of is in parts.py, the arithmetic in correlation.py, planes.py,
weight_gradient.py, fused.py, winners.py, product.py and pointwise.py. Nothing is checked here;
shapes as in the doorway.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ...typing import Array, Shape
from .. import numpy_kernels
from ..memory import aligned
from ..window import Window
from . import elementwise, fused, product, winners
from . import warp as resampling
from .building_blocks import LEAST_WORK, Correlate, Packed, PhaseGradient, WeightGradient, cut_batch
from .fused import ConvPool
from .phases import layer_shape, phases
from .threads import team as teams

SMALL_ROWS = 1 << 9  # numbers of a softmax that one thread does alone

DType = np.dtype[Any]


class Convolution:
    """y = correlate(x, w) + b, or its ReLU; and its gradients.

    The kernels leave padding out of their sums, or take zeros in for what isn't there. That is the
    same, unless a zero meets an infinite or NaN number: 0 · ∞ = NaN. They tell when there is such a
    number; then the NumPy kernels compute it anew, so that all algorithms agree.
    """

    algorithm = "implicit"

    def __init__(
        self, x_shape: Shape, w_shape: Shape, window: Window, relu: bool, dtype: DType
    ) -> None:
        self.x_shape, self.w_shape, self.window, self.dtype = x_shape, w_shape, window, dtype
        self.relu, F = relu, w_shape[3]
        self.shape = layer_shape(x_shape, F, window, relu)
        self.y = aligned((x_shape[0], window.OH, window.OW, F), dtype)
        self._forward = Correlate(self.shape, self.y, dtype)
        self._by_data: list[PhaseGradient] | None = None
        self._by_weights: WeightGradient | None = None

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y."""
        if self._forward(x, w, b):
            with np.errstate(invalid="ignore", over="ignore"):
                numpy_kernels.conv2d(x, w, b, self.window, self.y)
            if self.relu:
                np.maximum(self.y, 0, out=self.y)
        return self.y

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db); with relu, of the y that the last forward gave."""
        if self._by_weights is None:
            self._by_weights = WeightGradient(self.shape, len(x), self.dtype)
            self._dz = aligned(self.y.shape, self.dtype) if self.relu else None
        if self._dz is not None:
            dy = relu_backward(dy, self.y, self._dz)
        wild = self._by_weights(x, dy)
        dw, db = self._by_weights.dw, self._by_weights.db
        if wild:
            with np.errstate(invalid="ignore", over="ignore"):
                numpy_kernels.conv2d_backward(dy, x, w, self.window, None, dw, db)
        return self._data_gradient(dy, x, w) if need_dx else None, dw, db

    def _data_gradient(self, dy: Array, x: Array, w: Array) -> Array:
        if self._by_data is None:
            self.dx = aligned(self.x_shape, self.dtype)
            self._by_data = [
                PhaseGradient(phase, self.dx, self.window, self.dtype)
                for phase in phases(self.x_shape[1:], self.w_shape[3], self.window)
            ]
        if any(phase(dy, w) for phase in self._by_data):
            dw, db = np.empty_like(w), np.empty_like(dy, shape=w.shape[3:])
            with np.errstate(invalid="ignore", over="ignore"):
                numpy_kernels.conv2d_backward(dy, x, w, self.window, self.dx, dw, db)
        return self.dx


class ConvReLUPool:
    """max_pool2d(max(conv2d(x, w, b), 0)) in one pass, and its gradients."""

    algorithm = "fused"

    def __init__(
        self, x_shape: Shape, w_shape: Shape, window: Window, size: tuple[int, int], dtype: DType
    ) -> None:
        N, F = x_shape[0], w_shape[3]
        self.x_shape, self.w_shape, self.dtype = x_shape, w_shape, dtype
        self.shape = ConvPool(layer_shape(x_shape, F, window, relu=True), *size)
        self.y = aligned((N, *self.shape.pooled, F), dtype)
        self.argmax = aligned(self.y.shape, np.dtype(np.uint8))
        self._images, self._pieces = cut_batch(N, self.shape.conv.multiply_adds)
        self._call = teams.call if self._pieces > 1 else teams.call_alone
        cut = fused.cut(self.shape.conv, dtype)
        self._packed = Packed(self.shape.conv, cut, dtype)
        self._kernel = fused.forward(self.shape, dtype)
        self._out = self.y.reshape(-1), self.argmax.reshape(-1), self._images, self._pieces
        self._backward: dict[bool, Any] = {}

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y; and self.argmax: which tap won."""
        self._call(self._kernel, x, w, self._packed.bias_of(b), *self._packed.room, *self._out)
        return self.y

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db), with self.argmax saying which taps won."""
        if need_dx not in self._backward:
            self._prepare_backward(need_dx)
        N, F = self.x_shape[0], self.w_shape[3]
        kernel, table, dx, flat_dx, dws, dbs, dw, db = self._backward[need_dx]
        outputs = N, prod(self.y.shape[1:])  # (-1 can't be worked out for no images)
        self._call(
            kernel, dy.reshape(outputs), self.argmax.reshape(outputs), x, w, table, flat_dx, dws,
            dbs, dw.reshape(-1, F), db, self._images,
        )  # fmt: skip
        return dx, dw, db

    def _prepare_backward(self, need_dx: bool) -> None:
        (N, *image), F, (TH, TW) = self.x_shape, self.w_shape[3], self.shape.table
        size = prod(self.w_shape)
        dx = aligned(self.x_shape, self.dtype) if need_dx else None
        self._backward[need_dx] = (
            winners.backward(self.shape, need_dx, self.dtype),
            aligned((F * TH * TW * image[2] if need_dx else 1,), self.dtype),
            dx,
            np.empty((N, 0), self.dtype) if dx is None else dx.reshape(N, prod(image)),
            aligned((self._pieces, size), self.dtype),
            aligned((self._pieces, F), self.dtype),
            aligned(self.w_shape, self.dtype),
            aligned((F,), self.dtype),
        )


class Dense:
    """y = x·w + b, or its ReLU; and its gradients."""

    algorithm = "tile"

    def __init__(self, N: int, w_shape: Shape, relu: bool, dtype: DType) -> None:
        D, U = w_shape
        self.N, self.w_shape, self.relu, self.dtype = N, (D, U), relu, dtype
        self.y, self._zeros = aligned((N, U), dtype), np.zeros(U, dtype)
        self._forward = product.forward(D, U, relu, product.rows_at_once(U, dtype) > N, dtype)
        self._call = teams.call if N * D * U >= LEAST_WORK else teams.call_alone
        self._by_weights: Any = None
        self._by_data: Any = None

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y."""
        self._call(self._forward, x, w, self._zeros if b is None else b, self.y)
        return self.y

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db); with relu, of the y that the last forward gave."""
        D, U = self.w_shape
        if self._by_weights is None:
            self._by_weights = product.weight_gradient(D, U, self.dtype)
            self.dw, self.db = aligned((D, U), self.dtype), aligned((U,), self.dtype)
            self._dz = aligned((self.N, U), self.dtype) if self.relu else None
        if self._dz is not None:
            dy = relu_backward(dy, self.y, self._dz)
        self._call(self._by_weights, x, dy, self.dw, self.db)
        return self._data_gradient(dy, w) if need_dx else None, self.dw, self.db

    def _data_gradient(self, dy: Array, w: Array) -> Array:
        """dy·wᵀ: a forward pass with the transposed weights."""
        D, U = self.w_shape
        if self._by_data is None:
            few = product.rows_at_once(D, self.dtype) > self.N
            self._by_data = product.forward(U, D, False, few, self.dtype)
            self._transpose = product.transpose(self.dtype)
            self._transposed = aligned((U, D), self.dtype)
            self._no_bias = np.zeros(D, self.dtype)
            self.dx = aligned((self.N, D), self.dtype)
        self._call(self._transpose, w, self._transposed)
        self._call(self._by_data, dy, self._transposed, self._no_bias, self.dx)
        return self.dx


class Adam:
    """One pass of Adam's step over parameters (w, g, m, s), C-contiguous arrays of one dtype."""

    def __init__(self, parameters: Sequence[tuple[Array, Array, Array, Array]]) -> None:
        self.parameters = parameters
        self._flat = [
            tuple(array.reshape(-1) for array in kind) for kind in zip(*parameters, strict=True)
        ]

    def step(self, numbers: tuple[Any, ...]) -> None:
        """Move every w, in place."""
        teams.call(elementwise.adam, *self._flat, numbers)


def relu_backward(dy: Array, y: Array, dz: Array) -> Array:
    """dz = dy where y > 0, else 0; returns dz."""
    teams.call(elementwise.relu_backward, dy.reshape(-1), y.reshape(-1), dz.reshape(-1))
    return dz


def softmax_crossentropy(z: Array, q: Array, losses: Array, dz: Array) -> None:
    """Row by row; see pointwise.py."""
    teams.call(elementwise.softmax_crossentropy, z, q, losses, dz)


def softmax(z: Array, y: Array) -> None:
    """Row by row; see pointwise.py."""
    call = teams.call if z.size > SMALL_ROWS else teams.call_alone
    call(elementwise.softmax, z, y)


def warp(x: Array, matrices: Array, rows: Array, columns: Array, field: Array, y: Array) -> None:
    """Resampled images; see warp.py."""
    teams.call(resampling.warp, x, matrices, rows, columns, field, y)


def take_scaled(pixels: Array, rows: Array, scaled: Array) -> None:
    """scaled = pixels[rows] / 255."""
    teams.call(elementwise.take_scaled, pixels, rows, scaled)


def fits(size: tuple[int, int], F: int, dtype: DType) -> bool:
    """Whether a convolution with F filters and a pooling of this size can be fused."""
    return fused.fits(size[0] * size[1], F, dtype)
