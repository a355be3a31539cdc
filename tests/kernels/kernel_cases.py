"""Odd geometries for the kernel tests, and arrays for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from minicnn import kernels

FAST = [name for name in kernels.available_backends() if name != "reference"]
BATCHES = [0, 1, 2, 3, 33]  # from 32 images up the batch is cut in pieces
DTYPES = [np.float32, np.float64]


class Case(NamedTuple):
    """A geometry: x is (N, H, W, C), a convolution has F filters of KH×KW."""

    x_shape: tuple[int, int, int, int]
    kernel: tuple[int, int]
    F: int
    options: dict[str, Any]  # stride, padding, (dilation), as a caller gives them
    seed: int
    dtype: type

    @property
    def w_shape(self) -> tuple[int, int, int, int]:
        return (*self.kernel, self.x_shape[3], self.F)

    def whole(self, *shapes: tuple[int, ...]) -> list[NDArray[Any]]:
        """Small whole numbers: their sums of products are exact in any order, in any dtype."""
        rng = np.random.default_rng(self.seed)
        return [rng.integers(-6, 7, shape).astype(self.dtype) for shape in shapes]

    def normal(self, *shapes: tuple[int, ...]) -> list[NDArray[Any]]:
        """Normal numbers."""
        rng = np.random.default_rng(self.seed)
        return [rng.standard_normal(shape).astype(self.dtype) for shape in shapes]


def _int_or_pair(draw: st.DrawFn, most: int) -> int | tuple[int, int]:
    one = st.integers(1, most)
    return draw(st.one_of(one, st.tuples(one, one)))


def as_pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _image(draw: st.DrawFn, reach: tuple[int, int], padding: Any) -> tuple[int, int, int, int]:
    if padding in ("same", "valid"):
        around = (0, 0)
    else:
        around = (2 * padding,) * 2 if isinstance(padding, int) else tuple(map(sum, padding))
    least = [1 if padding == "same" else max(1, r - p) for r, p in zip(reach, around, strict=True)]
    H, W = (draw(st.integers(low, low + 4)) for low in least)
    return draw(st.sampled_from(BATCHES)), H, W, draw(st.integers(1, 5))


def _paddings(limit: tuple[int, int]) -> st.SearchStrategy[Any]:
    vertical, horizontal = (st.integers(0, most) for most in limit)
    return st.one_of(
        st.sampled_from(["valid", "same"]),
        st.integers(0, min(limit)),
        st.tuples(st.tuples(vertical, vertical), st.tuples(horizontal, horizontal)),
    )


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    """A convolution of any stride, padding and dilation that fits."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride, dilation = _int_or_pair(draw, 3), _int_or_pair(draw, 3)
    padding = draw(_paddings((3, 3)))
    DH, DW = as_pair(dilation)
    x_shape = _image(draw, ((kernel[0] - 1) * DH + 1, (kernel[1] - 1) * DW + 1), padding)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    F = draw(st.integers(1, 4))
    return Case(
        x_shape, kernel, F, options, draw(st.integers(0, 999)), draw(st.sampled_from(DTYPES))
    )


@st.composite
def poolings(draw: st.DrawFn) -> Case:
    """A pooling, overlapping or with gaps, that never has a window of padding alone."""
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(_paddings((size[0] - 1, size[1] - 1)))
    options: dict[str, Any] = {"padding": padding}
    if draw(st.booleans()):
        options["stride"] = _int_or_pair(draw, 3)
    x_shape = _image(draw, size, padding)
    return Case(x_shape, size, 1, options, draw(st.integers(0, 999)), draw(st.sampled_from(DTYPES)))


def close(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    """Equal up to rounding in the dtype, and of that dtype."""
    assert actual.dtype == expected.dtype
    double = expected.dtype == np.float64
    rtol, atol = (1e-12, 1e-12) if double else (1e-4, 1e-4)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def same(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    """Equal to the bit (but for the sign of zero), and of one dtype."""
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected, strict=True)


def outcome(call: Callable[[], Any]) -> str:
    """The result of a call, or "refused" if it raises a ValueError that says what it expected."""
    try:
        return str(call())
    except ValueError as error:
        said = "expected" in str(error) and "received" in str(error)
        return "refused" if said else f"refused, with these words: {error}"


def python(
    code: str, *arguments: str, seconds: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `code`, which may import the modules beside this one, in a process of its own."""
    here = Path(__file__).parent
    folders = [str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "faulthandler", "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)} | environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
