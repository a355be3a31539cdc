"""NumPy and Numba against the reference, over drawn shapes.

The reference itself is checked by hand (test_kernels_by_hand.py), its gradients by central
differences (tests/layers), both against PyTorch (tests/parity)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from kernel_cases import FAST, Case, close, convolutions, outcome, poolings, same
from numpy.typing import NDArray

from minicnn import kernels

Numbers = Callable[..., list[NDArray[Any]]]  # shapes → arrays: Case.whole or Case.normal
Results = list[NDArray[Any] | None]


def conv2d(case: Case, numbers: Numbers, backend: str) -> Results:
    x, w, b = numbers(case.x_shape, case.w_shape, (case.F,))
    return [kernels.conv2d(x, w, bias, **case.options, backend=backend) for bias in (b, None)]


def conv2d_backward(case: Case, numbers: Numbers, backend: str) -> Results:
    x, w = numbers(case.x_shape, case.w_shape)
    (dy,) = numbers(kernels.conv2d(x, w, **case.options).shape)
    return list(kernels.conv2d_backward(dy, x, w, **case.options, backend=backend))


def im2col(case: Case, numbers: Numbers, backend: str) -> Results:
    (x,) = numbers(case.x_shape)
    return [kernels.im2col(x, case.kernel, **case.options, backend=backend)]


def col2im(case: Case, numbers: Numbers, backend: str) -> Results:
    shape = kernels.im2col(np.zeros(case.x_shape), case.kernel, **case.options).shape
    (cols,) = numbers(shape)
    return [kernels.col2im(cols, case.x_shape, case.kernel, **case.options, backend=backend)]


def max_pool2d(case: Case, numbers: Numbers, backend: str) -> Results:
    (x,) = numbers(case.x_shape)  # with ties, if the numbers are whole
    return list(kernels.max_pool2d(x, case.kernel, **case.options, backend=backend))


def max_pool2d_backward(case: Case, numbers: Numbers, backend: str) -> Results:
    (x,) = numbers(case.x_shape)
    y, argmax = kernels.max_pool2d(x, case.kernel, **case.options)
    (dy,) = numbers(y.shape)
    arguments = dy, argmax, x.shape, case.kernel
    return [kernels.max_pool2d_backward(*arguments, **case.options, backend=backend)]


def avg_pool2d(case: Case, numbers: Numbers, backend: str) -> Results:
    (x,) = numbers(case.x_shape)
    return [kernels.avg_pool2d(x, case.kernel, **case.options, backend=backend)]


def avg_pool2d_backward(case: Case, numbers: Numbers, backend: str) -> Results:
    shape = kernels.avg_pool2d(np.zeros(case.x_shape), case.kernel, **case.options).shape
    (dy,) = numbers(shape)
    arguments = dy, case.x_shape, case.kernel
    return [kernels.avg_pool2d_backward(*arguments, **case.options, backend=backend)]


def check(operation: Callable[..., Results], case: Case, fast: str) -> None:
    """Whole numbers give the same sums in any order, others nearly; means are rounded."""
    means = operation in (avg_pool2d, avg_pool2d_backward)
    for numbers, agree in ((case.whole, close if means else same), (case.normal, close)):
        expected = operation(case, numbers, "reference")
        for mine, theirs in zip(operation(case, numbers, fast), expected, strict=True):
            assert mine is not None
            assert theirs is not None
            agree(mine, theirs)


against_reference = pytest.mark.parametrize("fast", FAST)
chain = settings(max_examples=30)


@against_reference
@pytest.mark.parametrize("operation", [conv2d, conv2d_backward, im2col, col2im])
@chain
@given(case=convolutions())
def test_convolution_agrees_with_the_reference(
    operation: Callable[..., Results], fast: str, case: Case
) -> None:
    check(operation, case, fast)


@against_reference
@pytest.mark.parametrize(
    "operation", [max_pool2d, max_pool2d_backward, avg_pool2d, avg_pool2d_backward]
)
@chain
@given(case=poolings())
def test_pooling_agrees_with_the_reference(
    operation: Callable[..., Results], fast: str, case: Case
) -> None:
    check(operation, case, fast)


@against_reference
@settings(max_examples=5)
@given(case=convolutions())
def test_without_dx_the_gradients_of_the_weights_are_the_same(fast: str, case: Case) -> None:
    x, w = case.normal(case.x_shape, case.w_shape)
    (dy,) = case.normal(kernels.conv2d(x, w, **case.options).shape)
    _, dw, db = kernels.conv2d_backward(dy, x, w, **case.options, backend=fast)
    none, dw_alone, db_alone = kernels.conv2d_backward(
        dy, x, w, **case.options, need_dx=False, backend=fast
    )
    assert none is None
    same(dw_alone, dw)
    same(db_alone, db)


@against_reference
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("N", "D", "U"), [(0, 3, 2), (1, 1, 1), (2, 5, 1), (40, 130, 3), (35, 0, 2)]
)
def test_dense_and_its_backward_agree_with_the_reference(
    fast: str, N: int, D: int, U: int, dtype: type, rng: np.random.Generator
) -> None:
    x, w, b, dy = (rng.standard_normal(s).astype(dtype) for s in ((N, D), (D, U), (U,), (N, U)))
    for bias in (b, None):
        close(
            kernels.dense(x, w, bias, backend=fast),
            kernels.dense(x, w, bias, backend="reference"),
        )
    dx, dw, db = kernels.dense_backward(dy, x, w, backend=fast)
    expected = kernels.dense_backward(dy, x, w, backend="reference")
    assert dx is not None
    assert expected[0] is not None
    close(dx, expected[0])
    close(dw, expected[1])
    close(db, expected[2])
    none, dw_alone, db_alone = kernels.dense_backward(dy, x, w, need_dx=False, backend=fast)
    assert none is None
    same(dw_alone, dw)
    same(db_alone, db)


@pytest.mark.parametrize(("N", "C", "F"), [(2, 0, 3), (33, 0, 3), (2, 1, 0)])
@against_reference
def test_no_channels_or_filters_are_refused_or_treated_as_the_reference_does(
    fast: str, N: int, C: int, F: int
) -> None:
    x, w, b = np.zeros((N, 4, 4, C)), np.zeros((2, 2, C, F)), np.arange(float(F))
    ours = outcome(lambda: kernels.conv2d(x, w, b, backend=fast).tolist())
    assert ours == outcome(lambda: kernels.conv2d(x, w, b, backend="reference").tolist())
    assert "words" not in ours


def test_im2col_and_col2im_refuse_images_without_channels_or_have_empty_rows(backend: str) -> None:
    cols = outcome(lambda: kernels.im2col(np.zeros((2, 4, 4, 0)), 2).shape)
    assert cols in ("refused", "(18, 0)")
    x = outcome(lambda: kernels.col2im(np.zeros((18, 0)), (2, 4, 4, 0), 2).shape)
    assert x in ("refused", "(2, 4, 4, 0)")


@against_reference
@pytest.mark.parametrize("N", [1, 35])
def test_convolutions_of_more_than_a_megabyte_of_patches_are_right(
    fast: str, N: int, rng: np.random.Generator
) -> None:
    # the patch matrix is built a block of images at a time; here one image fills a block
    x, w = (rng.integers(-6, 7, s).astype(np.float64) for s in ((N, 40, 41, 8), (3, 3, 8, 2)))
    b, dy = rng.integers(-6, 7, 2) * 1.0, rng.integers(-6, 7, (N, 38, 39, 2)) * 1.0
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2)).reshape(-1, 8 * 9)
    rows, matrix = dy.reshape(-1, 2), w.transpose(2, 0, 1, 3).reshape(-1, 2)
    assert 2 * patches.nbytes / N > 2**20
    same(
        kernels.conv2d(x, w, b, algorithm="im2col", backend=fast),
        (patches @ matrix + b).reshape(dy.shape),
    )
    dx, dw, db = kernels.conv2d_backward(dy, x, w, algorithm="im2col", backend=fast)
    same(dw, (patches.T @ rows).reshape(8, 3, 3, 2).transpose(1, 2, 0, 3))
    same(db, rows.sum(axis=0))
    assert dx is not None
    assert np.vdot(dx, x) == np.vdot(dw, w)
    dcols = rows @ w.reshape(-1, 2).T
    same(dx, kernels.col2im(dcols, x.shape, 3, backend=fast))
