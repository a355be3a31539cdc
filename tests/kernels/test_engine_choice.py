"""The rules that choose an algorithm, their names, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_cases import FAST, same

from minicnn import kernels
from minicnn.kernels import choose, prepared
from minicnn.kernels.window import make_window

needs_numba = pytest.mark.skipif("numba" not in FAST, reason="needs Numba")
PLAIN = ["reference", "numpy"]

X, W = np.ones((2, 6, 6, 2), np.float32), np.ones((3, 3, 2, 4), np.float32)
DY, POOLED = np.ones((2, 4, 4, 4), np.float32), np.ones((2, 2, 2, 4), np.float32)
ARGMAX = np.zeros(POOLED.shape, np.uint8)
ROWS, MATRIX = np.ones((3, 5), np.float32), np.ones((5, 4), np.float32)

Call = Callable[..., Any]
CALLS: dict[str, tuple[Call, str, str]] = {  # with the fast and the plain algorithm
    "conv2d": (lambda **how: kernels.conv2d(X, W, **how), "implicit", "im2col"),
    "conv2d_backward": (
        lambda **how: kernels.conv2d_backward(DY, X, W, **how),
        "implicit",
        "im2col",
    ),
    "conv2d_relu_pool": (lambda **how: kernels.conv2d_relu_pool(X, W, **how), "fused", "separate"),
    "conv2d_relu_pool_backward": (
        lambda **how: kernels.conv2d_relu_pool_backward(POOLED, ARGMAX, X, W, **how),
        "fused",
        "separate",
    ),
    "dense": (lambda **how: kernels.dense(ROWS, MATRIX, **how), "tile", "blas"),
    "dense_backward": (
        lambda **how: kernels.dense_backward(ROWS[:, :4], ROWS, MATRIX, **how),
        "tile",
        "blas",
    ),
}
by_call = pytest.mark.parametrize("name", CALLS)


def arrays(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


# ---- names ----


@by_call
def test_an_unknown_algorithm_is_a_value_error_that_lists_the_algorithms(
    name: str, backend: str
) -> None:
    call, fast, plain = CALLS[name]
    others = {"implicit", "im2col", "fused", "separate", "tile", "blas"} - {fast, plain}
    for wrong in ("winograd", "", "IMPLICIT", 3, *others):
        message = f"expected algorithm out of auto, {fast}, {plain}, received {wrong!r}"
        with pytest.raises(ValueError, match=message):
            call(algorithm=wrong)


@by_call
@pytest.mark.parametrize("plain_backend", PLAIN)
def test_other_backends_reject_the_fast_algorithm_and_name_the_plain_one(
    name: str, plain_backend: str
) -> None:
    call, fast, plain = CALLS[name]
    message = f'expected backend "numba" .*for algorithm "{fast}"; use "{plain}"'
    with pytest.raises(ValueError, match=message):
        call(algorithm=fast, backend=plain_backend)
    with kernels.use_backend(plain_backend), pytest.raises(ValueError, match=message):
        call(algorithm=fast)


@by_call
@pytest.mark.parametrize("algorithm", [None, "auto", "plain"])
def test_auto_and_the_plain_algorithm_give_the_same_results_in_every_backend(
    name: str, algorithm: str | None, backend: str
) -> None:
    call, _, plain = CALLS[name]
    algorithm = plain if algorithm == "plain" else algorithm
    expected = arrays(call(backend="reference"))
    for mine, theirs in zip(arrays(call(algorithm=algorithm)), expected, strict=True):
        same(mine, theirs)


@needs_numba
@pytest.mark.parametrize("name", ["conv2d", "conv2d_relu_pool"])
def test_the_fast_algorithm_rejects_dilation_and_the_plain_one_computes_it(name: str) -> None:
    call, fast, plain = CALLS[name]
    message = f'no dilation for algorithm "{fast}"; use "{plain}"'
    with pytest.raises(ValueError, match=message):
        call(algorithm=fast, backend="numba", dilation=(1, 2))
    for mine, theirs in zip(
        arrays(call(backend="numba", dilation=2)),
        arrays(call(backend="reference", dilation=2)),
        strict=True,
    ):
        same(mine, theirs)


# ---- rules ----


def algorithm_of(x_shape: tuple[int, ...], w_shape: tuple[int, ...], **options: Any) -> str:
    window = make_window(x_shape[1], x_shape[2], w_shape[:2], **options)
    return choose.convolution(None, "numba", window, w_shape)


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options", "algorithm"),
    [
        ((1, 28, 28, 1), (3, 3, 1, 8), {}, "implicit"),
        ((1, 28, 28, 1), (3, 3, 1, 8), {"dilation": 2}, "im2col"),
        ((1, 28, 28, 1), (3, 3, 1, 8), {"dilation": (1, 2)}, "im2col"),
        ((1, 6, 6, 2), (3, 3, 2, 4), {}, "im2col"),  # 1,152 multiply-adds
        ((512, 6, 6, 2), (3, 3, 2, 4), {}, "im2col"),  # for any number of images
        ((1, 18, 18, 1), (3, 3, 1, 8), {}, "implicit"),  # 18,432
        ((1, 16, 16, 1), (3, 3, 1, 8), {}, "im2col"),  # 14,112
    ],
)
def test_a_large_convolution_is_implicit_unless_dilated(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], options: dict[str, Any], algorithm: str
) -> None:
    assert algorithm_of(x_shape, w_shape, **options) == algorithm
    window = make_window(x_shape[1], x_shape[2], w_shape[:2], **options)
    fused = choose.pooled(None, "numba", window, w_shape, (2, 2))
    assert (fused == "fused") == (algorithm == "implicit")
    for backend in PLAIN:
        assert choose.convolution(None, backend, window, w_shape) == "im2col"
        assert choose.pooled(None, backend, window, w_shape, (2, 2)) == "separate"


@pytest.mark.parametrize(
    ("w_shape", "stride", "size", "pays"),
    [
        ((3, 3, 64, 64), 1, (2, 2), True),  # 16 pixels in place of 36
        ((3, 3, 256, 256), 1, (3, 3), True),  # 25 of 81
        ((1, 1, 256, 256), 1, (2, 2), False),  # saves nothing, reads a large table
        ((1, 1, 4, 8), 1, (2, 2), True),  # saves nothing, but the table is small
        ((3, 3, 64, 64), 3, (2, 2), False),  # patches don't overlap
        ((3, 3, 64, 64), 1, (1, 1), False),
    ],
)
def test_fusing_pays_if_a_windows_patches_overlap_or_the_filters_are_small(
    w_shape: tuple[int, ...], stride: int, size: tuple[int, int], pays: bool
) -> None:
    window = make_window(28, 28, w_shape[:2], stride)
    assert choose.fusing_pays(window, w_shape, size) == pays
    assert choose.pooled(None, "numba", window, w_shape, size) == ("fused" if pays else "separate")
    assert choose.pooled("fused", "numba", window, w_shape, size) == "fused"  # when forced


@pytest.mark.parametrize(
    ("w_shape", "algorithm"), [((400, 128), "tile"), ((128, 10), "tile"), ((5, 4), "blas")]
)
def test_a_large_dense_layer_uses_the_tile(w_shape: tuple[int, int], algorithm: str) -> None:
    assert choose.dense(None, "numba", w_shape) == algorithm
    for backend in PLAIN:
        assert choose.dense(None, backend, w_shape) == "blas"


@pytest.mark.parametrize("backend", PLAIN)
def test_without_numba_nothing_is_prepared(backend: str) -> None:
    float32 = np.dtype(np.float32)
    with kernels.use_backend(backend):
        assert prepared.conv2d((4, 28, 28, 1), (3, 3, 1, 8), float32) is None
        assert prepared.conv2d_relu_pool((4, 28, 28, 1), (3, 3, 1, 8), (2, 2), float32) is None
        assert prepared.dense((4, 400), (400, 128), float32) is None


@needs_numba
def test_nothing_is_prepared_for_the_plain_algorithms() -> None:
    float32 = np.dtype(np.float32)
    with kernels.use_backend("numba"):
        assert prepared.conv2d((4, 28, 28, 1), (3, 3, 1, 8), float32, dilation=2) is None
        assert prepared.conv2d((4, 5, 5, 1), (3, 3, 1, 8), float32) is None
        too_large = (5, 5)
        assert prepared.conv2d_relu_pool((4, 28, 28, 1), (3, 3, 1, 8), (2, 2), float32) is not None
        assert prepared.conv2d_relu_pool((4, 28, 28, 1), (3, 3, 1, 40), too_large, float32) is None
        assert prepared.dense((4, 5), (5, 4), float32) is None
