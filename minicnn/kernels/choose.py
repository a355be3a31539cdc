"""Which algorithm computes what: the rules, in one place. Each can be overruled by its name.

    convolution   "implicit"  the register tile reads the image in place (correlation.py,
                              planes.py, weight_gradient.py)
                  "im2col"    a patch matrix, and BLAS (gemm.py)
    + ReLU + pool "fused"     in one pass (fused.py)
                  "separate"  one after the other
    dense         "tile"      the register tile (product.py)
                  "blas"      BLAS

The first of each needs Numba, and is compiled for each geometry, in about a second at the first
use ever. It is faster wherever it can be used (`python -m bench conv` shows by how much), so what
speaks against it is the compiler alone: layers so small that nothing could be gained stay with
what is compiled already. Dilation is left to im2col: it tears the runs that the tile reads.

Fusing pays where backward then does less: it adds up regions of KH + (PH-1)·SH lines in place
of PH·PW patches, at half the speed of the tile. For 3×3 windows and 2×2 pooling these are 16 pixels
in place of 36; for 1×1 windows nothing would be gained, and a large table of filters be read.

The rules look at the layer's shapes, never at the batch size or the number of threads: the same
layer gives the same bits, whatever it is called with.
"""

from __future__ import annotations

from ..typing import Shape
from .backend import current_backend
from .window import Pair, Window

LEAST_CONVOLUTION = 1 << 14  # multiply-adds of one image
LEAST_PRODUCT = 1 << 10
LARGEST_TABLE = 1 << 13  # numbers

CONVOLUTION = ("implicit", "im2col")
POOLED = ("fused", "separate")
DENSE = ("tile", "blas")


def convolution(given: str | None, backend: str | None, window: Window, w_shape: Shape) -> str:
    """The algorithm of conv2d and conv2d_backward.

    Raises:
        ValueError: `given` is no algorithm, or not one for this backend or window.
    """
    possible = _has_numba(backend) and (window.DH, window.DW) == (1, 1)
    KH, KW, C, F = w_shape
    work = window.OH * window.OW * KH * KW * C * F
    return _choose(given, CONVOLUTION, possible, work >= LEAST_CONVOLUTION)


def pooled(
    given: str | None, backend: str | None, window: Window, w_shape: Shape, size: Pair
) -> str:
    """The algorithm of conv2d_relu_pool; raises ValueError as `convolution` does."""
    possible = _has_numba(backend) and (window.DH, window.DW) == (1, 1)
    KH, KW, C, F = w_shape
    work = window.OH * window.OW * KH * KW * C * F
    worth_it = work >= LEAST_CONVOLUTION and fusing_pays(window, w_shape, size)
    return _choose(given, POOLED, possible, worth_it)


def fusing_pays(window: Window, w_shape: Shape, size: Pair) -> bool:
    """Whether the fused backward pass visits half as much as the separate one, or next to nothing:
    a table of filters that fits the first-level cache."""
    KH, KW, C, F = w_shape
    (PH, PW), SH, SW = size, window.SH, window.SW
    region = (KH + (PH - 1) * SH) * (KW + (PW - 1) * SW)
    table = (KH + 2 * (PH - 1) * SH) * (KW + 2 * (PW - 1) * SW) * C * F
    return 2 * region <= PH * PW * KH * KW or table <= LARGEST_TABLE


def dense(given: str | None, backend: str | None, w_shape: Shape) -> str:
    """The algorithm of dense and dense_backward; raises ValueError as `convolution` does."""
    D, U = w_shape
    return _choose(given, DENSE, _has_numba(backend), D * U >= LEAST_PRODUCT)


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
