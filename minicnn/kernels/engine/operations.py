"""Operations on the register tile, prepared for whole batches of one shape.

An operation has its geometry worked out, its kernels looked up and its batch cut into pieces, and
it owns the memory that it writes to. Preparing takes about ten microseconds, calling three. So
code that computes the same shapes repeatedly (layers/stages.py) keeps the operation. The arrays
that a call returns are valid until the next call.

building_blocks.py has what operations are composed of; the arithmetic is in correlation.py,
planes.py, weight_gradient.py, fused.py, fused_backward.py, product.py and elementwise.py. Nothing
is checked here; shapes are as in the public kernel functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from ...typing import Array, Shape
from .. import numpy_kernels
from ..jit import Kernel
from ..memory import DType, aligned
from ..window import Window
from . import elementwise, fused, fused_backward, product
from . import warp as warp_kernel
from .building_blocks import (
    MIN_WORK,
    Correlate,
    Packed,
    PhaseGradient,
    WeightGradient,
    cut_batch,
)
from .fused import ConvPool
from .phases import layer_shape, phases
from .threads import team as teams

SMALL_SOFTMAX = 1 << 9  # numbers: one thread computes a softmax of at most this many


class Convolution:
    """y = correlate(x, w) + b, or its ReLU; and its gradients.

    The kernels either skip padding or read zeros for it. The results differ only if a zero meets
    an infinite or NaN number: 0 · ∞ = NaN. If a kernel reports such a number, the NumPy kernels
    recompute the result, so that all algorithms agree.
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
        """(dx or None, dw, db); with relu, for the y of the last forward call."""
        if self.relu:
            dy = relu_backward(dy, self.y, self._dz)
        by_weights = self._by_weights
        if by_weights(x, dy):
            with np.errstate(invalid="ignore", over="ignore"):
                numpy_kernels.conv2d_backward(
                    dy, x, w, self.window, None, by_weights.dw, by_weights.db
                )
        dx = self._data_gradient(dy, x, w) if need_dx else None
        return dx, by_weights.dw, by_weights.db

    def _data_gradient(self, dy: Array, x: Array, w: Array) -> Array:
        for phase in self._by_data:
            if phase(dy, w):
                dw, db = np.empty_like(w), np.empty_like(dy, shape=w.shape[3:])
                with np.errstate(invalid="ignore", over="ignore"):
                    numpy_kernels.conv2d_backward(dy, x, w, self.window, self._dx, dw, db)
                break
        return self._dx

    @cached_property
    def _by_weights(self) -> WeightGradient:
        return WeightGradient(self.shape, self.x_shape[0], self.dtype)

    @cached_property
    def _by_data(self) -> list[PhaseGradient]:
        return [
            PhaseGradient(phase, self._dx, self.window, self.dtype)
            for phase in phases(self.x_shape[1:], self.w_shape[3], self.window)
        ]

    @cached_property
    def _dx(self) -> Array:
        return aligned(self.x_shape, self.dtype)

    @cached_property
    def _dz(self) -> Array:
        return aligned(self.y.shape, self.dtype)


class _ConvPoolBackward(NamedTuple):
    """ConvReLUPool's backward kernel and the buffers that it writes to."""

    kernel: Kernel
    table: Array
    dx: Array | None
    flat_dx: Array
    dws: Array
    dbs: Array
    dw: Array
    db: Array


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
        panels = fused.filter_panels(self.shape.conv, dtype)
        self._packed = Packed(self.shape.conv, panels, dtype)
        self._forward = fused.forward(self.shape, dtype)
        self._out = self.y.reshape(-1), self.argmax.reshape(-1), self._images, self._pieces
        self._backward: dict[bool, _ConvPoolBackward] = {}  # by need_dx

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y; and self.argmax: which tap won."""
        bias = self._packed.bias_or_zeros(b)
        self._call(self._forward, x, w, bias, *self._packed.buffers, *self._out)
        return self.y

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db), for the winning taps in self.argmax."""
        if need_dx not in self._backward:
            self._backward[need_dx] = self._prepare_backward(need_dx)
        own = self._backward[need_dx]
        outputs = self.x_shape[0], prod(self.y.shape[1:])  # reshape(0, -1) is an error
        self._call(
            own.kernel, dy.reshape(outputs), self.argmax.reshape(outputs), x, w, own.table,
            own.flat_dx, own.dws, own.dbs, own.dw.reshape(-1, self.w_shape[3]), own.db,
            self._images,
        )  # fmt: skip
        return own.dx, own.dw, own.db

    def _prepare_backward(self, need_dx: bool) -> _ConvPoolBackward:
        (N, *image), F, (TH, TW) = self.x_shape, self.w_shape[3], self.shape.table
        size = prod(self.w_shape)
        dx = aligned(self.x_shape, self.dtype) if need_dx else None
        return _ConvPoolBackward(
            kernel=fused_backward.backward(self.shape, need_dx, self.dtype),
            table=aligned((F * TH * TW * image[2] if need_dx else 1,), self.dtype),
            dx=dx,
            flat_dx=np.empty((N, 0), self.dtype) if dx is None else dx.reshape(N, prod(image)),
            dws=aligned((self._pieces, size), self.dtype),
            dbs=aligned((self._pieces, F), self.dtype),
            dw=aligned(self.w_shape, self.dtype),
            db=aligned((F,), self.dtype),
        )


class _DenseByData:
    """dx = dy·wᵀ: a forward pass with the transposed weights."""

    def __init__(self, N: int, D: int, U: int, dtype: DType) -> None:
        small_batch = product.rows_at_once(D, dtype) > N
        self._kernel = product.forward(U, D, False, small_batch, dtype)
        self._transpose = product.transpose(dtype)
        self._transposed, self._no_bias = aligned((U, D), dtype), np.zeros(D, dtype)
        self._dx = aligned((N, D), dtype)
        self._call = teams.call if N * D * U >= MIN_WORK else teams.call_alone

    def __call__(self, dy: Array, w: Array) -> Array:
        """dx."""
        self._call(self._transpose, w, self._transposed)
        self._call(self._kernel, dy, self._transposed, self._no_bias, self._dx)
        return self._dx


class Dense:
    """y = x·w + b, or its ReLU; and its gradients."""

    algorithm = "tile"

    def __init__(self, N: int, w_shape: Shape, relu: bool, dtype: DType) -> None:
        D, U = w_shape
        self.N, self.w_shape, self.relu, self.dtype = N, (D, U), relu, dtype
        self.y, self._zeros = aligned((N, U), dtype), np.zeros(U, dtype)
        self._forward = product.forward(D, U, relu, product.rows_at_once(U, dtype) > N, dtype)
        self._call = teams.call if N * D * U >= MIN_WORK else teams.call_alone

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        """y."""
        self._call(self._forward, x, w, self._zeros if b is None else b, self.y)
        return self.y

    def backward(
        self, dy: Array, x: Array, w: Array, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db); with relu, for the y of the last forward call."""
        if self.relu:
            dy = relu_backward(dy, self.y, self._dz)
        dw, db = self._gradients
        self._call(self._by_weights, x, dy, dw, db)
        return self._by_data(dy, w) if need_dx else None, dw, db

    @cached_property
    def _by_weights(self) -> Kernel:
        return product.weight_gradient(*self.w_shape, self.dtype)

    @cached_property
    def _gradients(self) -> tuple[Array, Array]:
        return aligned(self.w_shape, self.dtype), aligned(self.w_shape[1:], self.dtype)

    @cached_property
    def _by_data(self) -> _DenseByData:
        return _DenseByData(self.N, *self.w_shape, self.dtype)

    @cached_property
    def _dz(self) -> Array:
        return aligned(self.y.shape, self.dtype)


class Adam:
    """One pass of Adam's step over parameters (w, g, m, s), C-contiguous arrays of one dtype."""

    def __init__(self, parameters: Sequence[tuple[Array, Array, Array, Array]]) -> None:
        self.parameters = parameters
        self._flat = [
            tuple(array.reshape(-1) for array in kind) for kind in zip(*parameters, strict=True)
        ]

    def step(self, numbers: tuple[float, ...]) -> None:
        """Update every w in place; `numbers` are AdamNumbers (kernels/elementwise.py)."""
        # Numba takes a plain tuple faster than a NamedTuple
        teams.call(elementwise.adam, *self._flat, tuple(numbers))


def relu_backward(dy: Array, y: Array, dz: Array) -> Array:
    """dz = dy where y > 0, else 0; returns dz."""
    teams.call(elementwise.relu_backward, dy.reshape(-1), y.reshape(-1), dz.reshape(-1))
    return dz


def softmax_crossentropy(z: Array, q: Array, losses: Array, dz: Array) -> None:
    """Row by row; see elementwise.py."""
    teams.call(elementwise.softmax_crossentropy, z, q, losses, dz)


def softmax(z: Array, y: Array) -> None:
    """Row by row; see elementwise.py."""
    call = teams.call if z.size > SMALL_SOFTMAX else teams.call_alone
    call(elementwise.softmax, z, y)


def warp(x: Array, matrices: Array, rows: Array, columns: Array, field: Array, y: Array) -> None:
    """Resampled images; arguments as in reference_warp.py."""
    teams.call(warp_kernel.warp, x, matrices, rows, columns, field, y)


def take_scaled(pixels: Array, rows: Array, scaled: Array) -> None:
    """scaled = pixels[rows] / 255."""
    teams.call(elementwise.take_scaled, pixels, rows, scaled)


def fits(size: tuple[int, int], F: int, dtype: DType) -> bool:
    """Whether a convolution with F filters and a pooling of this size can be fused."""
    return fused.fits(size[0] * size[1], F, dtype)
