"""The rules that choose an algorithm. Each can be overridden by name.

    convolution   "implicit"  the register tile reads the image in place (correlation.py,
                              planes.py, weight_gradient.py)
                  "im2col"    a patch matrix, and BLAS (gemm.py)
    + ReLU + pool "fused"     in one pass (fused.py)
                  "separate"  one after the other
    dense         "tile"      the register tile (product.py)
                  "blas"      BLAS

The first of each needs Numba. It is compiled for each geometry, which takes about a second at the
first use ever. It is always faster (`python -m bench conv` shows by how much), so only compile
time is a reason against it: for layers too small to gain anything, the generic kernels are used.
Dilated convolutions use im2col, because dilation breaks up the contiguous runs of the tile.

Fusing pays if backward does less work. It adds up regions of KH + (PH-1)·SH lines in place of
PH·PW patches, at half the speed of the tile. For 3×3 windows and 2×2 pooling that is 16 pixels
in place of 36. For 1×1 windows it saves nothing, and reads a large table of filters.

The rules depend on the layer's shapes, never on the batch size or the number of threads: the same
layer always gives the same bits.
"""

from __future__ import annotations

from ..typing import Shape
from .backend import current_backend
from .window import Pair, Window

MIN_CONVOLUTION = 1 << 14  # multiply-adds of one image
MIN_PRODUCT = 1 << 10
MAX_TABLE = 1 << 13  # numbers

CONVOLUTION = ("implicit", "im2col")
POOLED = ("fused", "separate")
DENSE = ("tile", "blas")


def convolution(given: str | None, backend: str | None, window: Window, w_shape: Shape) -> str:
    """The algorithm of conv2d and conv2d_backward.

    Raises:
        ValueError: `given` is not an algorithm, or not available for this backend or window.
    """
    possible = _has_numba(backend) and (window.DH, window.DW) == (1, 1)
    KH, KW, C, F = w_shape
    work = window.OH * window.OW * KH * KW * C * F
    return _choose(given, CONVOLUTION, possible, work >= MIN_CONVOLUTION)


def pooled(
    given: str | None, backend: str | None, window: Window, w_shape: Shape, size: Pair
) -> str:
    """The algorithm of conv2d_relu_pool; raises ValueError as `convolution` does."""
    possible = _has_numba(backend) and (window.DH, window.DW) == (1, 1)
    KH, KW, C, F = w_shape
    work = window.OH * window.OW * KH * KW * C * F
    worth_it = work >= MIN_CONVOLUTION and fusing_pays(window, w_shape, size)
    return _choose(given, POOLED, possible, worth_it)


def fusing_pays(window: Window, w_shape: Shape, size: Pair) -> bool:
    """Whether the fused backward pass reads at most half as much as the separate one, or its table
    of filters fits the first-level cache."""
    KH, KW, C, F = w_shape
    (PH, PW), SH, SW = size, window.SH, window.SW
    region = (KH + (PH - 1) * SH) * (KW + (PW - 1) * SW)
    table = (KH + 2 * (PH - 1) * SH) * (KW + 2 * (PW - 1) * SW) * C * F
    return 2 * region <= PH * PW * KH * KW or table <= MAX_TABLE


def dense(given: str | None, backend: str | None, w_shape: Shape) -> str:
    """The algorithm of dense and dense_backward; raises ValueError as `convolution` does."""
    D, U = w_shape
    return _choose(given, DENSE, _has_numba(backend), D * U >= MIN_PRODUCT)


def _has_numba(backend: str | None) -> bool:
    return (backend or current_backend()) == "numba"


def _choose(given: str | None, names: tuple[str, str], possible: bool, worth_it: bool) -> str:
    fast, plain = names
    if given is None or given == "auto":
        return fast if possible and worth_it else plain
    if given not in names:
        raise ValueError(f"expected algorithm out of auto, {', '.join(names)}, received {given!r}")
    if given == fast and not possible:
        raise ValueError(
            f'expected backend "numba" and no dilation for algorithm "{fast}"; use "{plain}"'
        )
    return given
