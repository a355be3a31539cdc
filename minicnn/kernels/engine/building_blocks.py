"""The parts that an operation of the engine is made of: room for filters, one correlation, one
gradient, the cut of a batch into pieces. Prepared and called as the operations themselves are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...typing import Array
from ..batch_pieces import MOST_PIECES
from ..memory import aligned
from ..window import Window
from . import correlation, planes
from . import weight_gradient as by_weights
from .codegen.simd import vectors
from .correlation import Correlation
from .panels import SMALL, Panels, panels
from .phases import Phase
from .threads import team as teams

LEAST_WORK = 1 << 18  # multiply-adds of a piece; less is not worth handing to another thread

DType = np.dtype[Any]


class Packed:
    """Room for the filters and the bias of a correlation, in panels."""

    def __init__(self, shape: Correlation, cut: Panels, dtype: DType) -> None:
        steps = shape.KH * cut.steps(shape.KW * shape.C)
        matrix = aligned((cut.total, steps, cut.width), dtype)
        bias = aligned((cut.total * cut.width,), dtype)
        matrix[...], bias[...] = 0, 0  # and so they stay where there are no filters
        large = matrix.size > SMALL
        self.room = matrix, bias, shape.KH * cut.total if large else 1
        self._zeros = np.zeros(shape.F, dtype)

    def bias_of(self, b: Array | None) -> Array:
        """b, or zeros where there is none."""
        return self._zeros if b is None else b


class Correlate:
    """y = correlate(x, w) + b for one geometry, into part or all of y."""

    def __init__(self, shape: Correlation, y: Array, dtype: DType, biased: bool = True) -> None:
        images, pieces = cut_batch(len(y), shape.multiply_adds)
        self._call = teams.call if pieces > 1 else teams.call_alone
        self._out = y.reshape(-1), images, pieces
        self._in_planes = not biased and planes.worth_it(shape, dtype)
        if self._in_planes:
            self._kernel = planes.correlation(shape, dtype)
        else:
            self._kernel, self._packed = (
                correlation.correlation(shape, dtype),
                Packed(shape, correlation.cut(shape, dtype), dtype),
            )

    def __call__(self, x: Array, w: Array, b: Array | None = None) -> bool:
        """Compute it; return whether there is padding that meets infinite or NaN filters."""
        if self._in_planes:
            wild = self._call(self._kernel, x, planes.packed(w), *self._out)
        else:
            bias = self._packed.bias_of(b)
            wild = self._call(self._kernel, x, w, bias, *self._packed.room, *self._out)
        return bool(wild)


class PhaseGradient:
    """The gradient by one in SH×SW pixels of x (phases.py)."""

    def __init__(self, phase: Phase, dx: Array, window: Window, dtype: DType) -> None:
        self._phase, self._window = phase, window
        self._pixels = dx[:, phase.first_h :: window.SH, phase.first_w :: window.SW]
        self._correlate = phase.shape and Correlate(phase.shape, dx, dtype, biased=False)

    def __call__(self, dy: Array, w: Array) -> bool:
        """Compute it; return what Correlate does."""
        if self._correlate is None:  # a stride larger than the kernel: nothing read these pixels
            self._pixels[...] = 0
            return False
        return self._correlate(dy, self._phase.filters(w, self._window))


class WeightGradient:
    """dw and db of a convolution."""

    def __init__(self, shape: Correlation, N: int, dtype: DType) -> None:
        cut = panels(shape.F, vectors(), dtype.itemsize)
        self._images, parts = cut_batch(N, shape.multiply_adds, -(-MOST_PIECES // cut.total))
        self._call = teams.call if parts * cut.total > 1 else teams.call_alone
        self.dw = aligned((shape.KH, shape.KW, shape.C, shape.F), dtype)
        self.db = aligned((shape.F,), dtype)
        self._parts = aligned((parts, self.dw.size), dtype), aligned((parts, shape.F), dtype)
        self._kernel = by_weights.weight_gradient(shape, dtype)

    def __call__(self, x: Array, dy: Array) -> bool:
        """Compute dw and db; return whether padding was left out that meets infinite or NaN dy."""
        totals = self.dw.reshape(-1), self.db
        return bool(self._call(self._kernel, x, dy, *self._parts, *totals, self._images))


def cut_batch(n: int, work: int, most: int = MOST_PIECES) -> tuple[int, int]:
    """(images of a piece, pieces): by shapes alone, so that sums are the same for any team."""
    smallest = max(1, -(-LEAST_WORK // work))
    images = max(1, -(-n // max(1, min(most, n // smallest))))
    return images, max(1, -(-n // images))  # of no images too the gradients must be set to zero
