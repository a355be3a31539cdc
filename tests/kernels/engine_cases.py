"""The geometries that the engine's tests share.

A kernel takes about a second to compile, so the geometries are fixed, not random. Together they
cover full and partly used vectors, one and several panels, all kernel shapes, strides smaller and
larger than the kernel, padding beyond the last window, and images as small as the kernel.

The default run compiles a few of them, which take every path of the engine at least once. The
others carry the marker `exhaustive`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest
from kernel_cases import Case
from numpy.typing import NDArray

from minicnn import kernels

F32, F64 = np.float32, np.float64

# Each test sets the number of images. Some widths are just below or above a tile's: on AVX-512 a
# float32 tile has 14 outputs of two vectors (32 filters), 9 of three, or 28 of one.
CONVOLUTIONS = {
    "first layer": Case((2, 5, 31, 1), (3, 3), 8, {}, 1, F32),
    "same": Case((2, 7, 10, 3), (3, 3), 5, {"padding": "same"}, 2, F64),
    "pointwise, a filter beyond two vectors": Case((2, 3, 15, 5), (1, 1), 33, {}, 3, F32),
    "stride (1, 2)": Case((2, 3, 26, 16), (3, 3), 40, {"stride": (1, 2), "padding": 1}, 4, F32),
    "asymmetric": Case((2, 5, 5, 2), (2, 3), 17, {"padding": ((0, 1), (2, 0))}, 5, F64),
    "few channels, in planes": Case((2, 9, 22, 2), (5, 5), 3, {"padding": "same"}, 6, F32),
    "few filters and channels": Case(
        (2, 6, 20, 3), (3, 5), 4, {"padding": ((1, 1), (2, 2))}, 12, F32
    ),
    "few filters, and fewer": Case((2, 9, 9, 6), (3, 3), 3, {"padding": "same"}, 13, F64),
    "a line fits a tile of four vectors": Case((2, 7, 7, 8), (3, 3), 70, {"padding": 1}, 14, F32),
    "first, middle and last tile": Case((2, 5, 30, 9), (3, 3), 36, {"padding": "same"}, 15, F32),
    "stride 2, padded": Case((2, 9, 12, 12), (3, 3), 33, {"stride": 2, "padding": 1}, 16, F32),
    "stride 3, padding that no window needs": Case(
        (2, 5, 8, 11), (1, 4), 2, {"stride": 3, "padding": ((1, 3), (0, 5))}, 7, F64
    ),
    "a stride beyond the kernel": Case((2, 7, 6, 20), (1, 1), 7, {"stride": 2}, 8, F32),
    "a phase of padding alone": Case(
        (2, 5, 1, 1), (1, 3), 64, {"stride": (1, 3), "padding": ((0, 0), (3, 1))}, 17, F64
    ),
    "windows of padding alone": Case(
        (2, 2, 18, 8), (3, 3), 20, {"padding": ((0, 2), (5, 5))}, 10, F32
    ),
    "the image is the kernel": Case((2, 2, 3, 33), (2, 3), 1, {}, 11, F64),
}


class Pooled(NamedTuple):
    """A convolution and the size of the pooling after it."""

    conv: Case
    size: int | tuple[int, int]

    def of(self, N: int) -> Pooled:
        """The same for N images."""
        return self._replace(conv=of(self.conv, N))


# Windows that fit the registers of every processor.
POOLED = {
    "course1": Pooled(Case((2, 8, 10, 1), (3, 3), 8, {}, 21, F32), 2),
    "2×2, leftovers, padded": Pooled(
        Case((2, 7, 8, 3), (3, 3), 5, {"padding": ((1, 1), (2, 1))}, 22, F64), 2
    ),
    "3×3": Pooled(Case((2, 7, 8, 2), (2, 2), 3, {}, 23, F32), 3),
    "2×2, two panels": Pooled(Case((2, 4, 7, 2), (1, 2), 50, {}, 27, F32), 2),
    "1×2, stride 2": Pooled(
        Case((2, 9, 9, 11), (3, 3), 20, {"stride": 2, "padding": "same"}, 24, F32), (1, 2)
    ),
    "2×3, stride (2, 1)": Pooled(
        Case((2, 9, 7, 4), (3, 2), 7, {"stride": (2, 1)}, 25, F64), (2, 3)
    ),
    "one filter, pointwise": Pooled(Case((2, 6, 5, 16), (1, 1), 1, {}, 26, F32), 2),
}


def of(case: Case, N: int) -> Case:
    """The same geometry for N images."""
    return case._replace(x_shape=(N, *case.x_shape[1:]))


def arrays(case: Case, whole: bool = True) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """x, w and b: small integers, whose results are exact, or normal numbers."""
    draw = case.whole if whole else case.normal
    x, w, b = draw(case.x_shape, case.w_shape, (case.F,))
    return x, w, b


def conv2d(case: Case, *given: NDArray[Any] | None, **options: Any) -> NDArray[Any]:
    """kernels.conv2d by the engine, unless `options` differ."""
    return kernels.conv2d(
        *given, **case.options, **({"backend": "numba", "algorithm": "implicit"} | options)
    )


def conv2d_backward(case: Case, *given: NDArray[Any], **options: Any) -> tuple[Any, Any, Any]:
    """kernels.conv2d_backward likewise."""
    return kernels.conv2d_backward(
        *given, **case.options, **({"backend": "numba", "algorithm": "implicit"} | options)
    )


def conv_pool(pooled: Pooled, *given: NDArray[Any], **options: Any) -> tuple[Any, Any]:
    """kernels.conv2d_relu_pool likewise."""
    return kernels.conv2d_relu_pool(
        *given,
        pooled.size,
        **pooled.conv.options,
        **({"backend": "numba", "algorithm": "fused"} | options),
    )


def conv_pool_backward(
    pooled: Pooled, *given: NDArray[Any], **options: Any
) -> tuple[Any, Any, Any]:
    """kernels.conv2d_relu_pool_backward likewise."""
    return kernels.conv2d_relu_pool_backward(
        *given,
        pooled.size,
        **pooled.conv.options,
        **({"backend": "numba", "algorithm": "fused"} | options),
    )


# interleaved taps and planes; several panels, tiles and phases; shared vectors; a padded copy and
# unequal panels; pixels that no tap reads; float64
DEFAULT_CONVOLUTIONS = [
    "first layer",
    "stride (1, 2)",
    "few filters and channels",
    "a line fits a tile of four vectors",
    "a stride beyond the kernel",
    "a phase of padding alone",
]
# one panel; padding and stride; shared vectors; float64
DEFAULT_POOLED = ["course1", "1×2, stride 2", "one filter, pointwise", "2×3, stride (2, 1)"]


def sweep(names: Iterable[str], default: list[str]) -> list[Any]:
    """Test parameters: all names; those not in `default` only in the exhaustive run."""
    marks = {True: (), False: pytest.mark.exhaustive}
    return [pytest.param(name, marks=marks[name in default]) for name in names]


by_geometry = pytest.mark.parametrize("name", sweep(CONVOLUTIONS, DEFAULT_CONVOLUTIONS))
by_pooled_geometry = pytest.mark.parametrize("name", sweep(POOLED, DEFAULT_POOLED))

NUMPY = {"backend": "numpy", "algorithm": None}
REFERENCE = {"backend": "reference", "algorithm": None}
