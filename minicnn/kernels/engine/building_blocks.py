"""What the operations are composed of: packed filters, a correlation, a gradient, and how a batch
is cut into pieces. Prepared and called like the operations themselves.
"""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..batch_pieces import MOST_PIECES
from ..memory import DType, aligned
from ..window import Window
from . import correlation, planes
from . import weight_gradient as by_weights
from .codegen.simd import vectors
from .correlation import Correlation
from .panels import SMALL_MATRIX, Panels, cut_panels
from .phases import Phase
from .threads import team as teams

MIN_WORK = 1 << 18  # multiply-adds of a piece; less is not worth a second thread


class Packed:
    """Buffers for the filters and the bias of a correlation, in panels."""

    def __init__(self, shape: Correlation, panels: Panels, dtype: DType) -> None:
        steps = shape.KH * panels.steps(shape.KW * shape.C)
        matrix = aligned((panels.total, steps, panels.width), dtype)
        bias = aligned((panels.total * panels.width,), dtype)
        matrix[...], bias[...] = 0, 0  # lanes without a filter stay zero
        pack_pieces = shape.KH * panels.total if matrix.size > SMALL_MATRIX else 1
        self.buffers = matrix, bias, pack_pieces  # as kernels take them
        self._zeros = np.zeros(shape.F, dtype)

    def bias_or_zeros(self, b: Array | None) -> Array:
        """b, or zeros if it is None."""
        return self._zeros if b is None else b


class Correlate:
    """y = correlate(x, w) + b for one geometry, into part or all of y."""

    def __init__(self, shape: Correlation, y: Array, dtype: DType, biased: bool = True) -> None:
        images, pieces = cut_batch(len(y), shape.multiply_adds)
        self._call = teams.call if pieces > 1 else teams.call_alone
        self._out = y.reshape(-1), images, pieces
        self._packed: Packed | None = None
        if not biased and planes.worth_it(shape, dtype):
            self._kernel = planes.correlation(shape, dtype)
        else:
            self._kernel = correlation.correlation(shape, dtype)
            self._packed = Packed(shape, correlation.filter_panels(shape, dtype), dtype)

    def __call__(self, x: Array, w: Array, b: Array | None = None) -> bool:
        """Compute it; return whether there is padding that meets infinite or NaN filters."""
        if self._packed is None:
            return bool(self._call(self._kernel, x, planes.packed(w), *self._out))
        bias = self._packed.bias_or_zeros(b)
        return bool(self._call(self._kernel, x, w, bias, *self._packed.buffers, *self._out))


class PhaseGradient:
    """The gradient by one in SH×SW pixels of x (phases.py)."""

    def __init__(self, phase: Phase, dx: Array, window: Window, dtype: DType) -> None:
        self._phase, self._window = phase, window
        self._pixels = dx[:, phase.first_h :: window.SH, phase.first_w :: window.SW]
        self._correlate = phase.shape and Correlate(phase.shape, dx, dtype, biased=False)

    def __call__(self, dy: Array, w: Array) -> bool:
        """Compute it; return the same as Correlate."""
        if self._correlate is None:  # a stride larger than the kernel skips these pixels
            self._pixels[...] = 0
            return False
        return self._correlate(dy, self._phase.filters(w, self._window))


class WeightGradient:
    """dw and db of a convolution."""

    def __init__(self, shape: Correlation, N: int, dtype: DType) -> None:
        panels = cut_panels(shape.F, vectors(), dtype.itemsize)
        most = -(-MOST_PIECES // panels.total)
        self._images, pieces = cut_batch(N, shape.multiply_adds, most)
        self._call = teams.call if pieces * panels.total > 1 else teams.call_alone
        self.dw = aligned((shape.KH, shape.KW, shape.C, shape.F), dtype)
        self.db = aligned((shape.F,), dtype)
        self._sums = aligned((pieces, self.dw.size), dtype), aligned((pieces, shape.F), dtype)
        self._kernel = by_weights.weight_gradient(shape, dtype)

    def __call__(self, x: Array, dy: Array) -> bool:
        """Compute dw and db; return whether padding was skipped that meets infinite or NaN dy."""
        totals = self.dw.reshape(-1), self.db
        return bool(self._call(self._kernel, x, dy, *self._sums, *totals, self._images))


def cut_batch(n: int, work: int, most: int = MOST_PIECES) -> tuple[int, int]:
    """(images of a piece, pieces): depends on shapes only, so that sums don't depend on threads."""
    smallest = max(1, -(-MIN_WORK // work))
    images = max(1, -(-n // max(1, min(most, n // smallest))))
    return images, max(1, -(-n // images))  # one piece of no images still zeroes the gradients
