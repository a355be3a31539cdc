"""The oracle chain: NumPy and Numba against the reference, over drawn shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from kernel_cases import FAST, Case, close, convolutions, outcome, poolings, same

from minicnn import kernels

chain = settings(max_examples=30)
against_reference = pytest.mark.parametrize("fast", FAST)


@against_reference
@chain
@given(case=convolutions())
def test_conv2d_of_whole_numbers_equals_the_reference_exactly(fast: str, case: Case) -> None:
    x, w, b = case.whole(case.x_shape, case.w_shape, (case.F,))
    expected = kernels.conv2d(x, w, b, **case.options, backend="reference")
    same(kernels.conv2d(x, w, b, **case.options, backend=fast), expected)


@against_reference
@chain
@given(case=convolutions())
def test_conv2d_without_bias_agrees_with_the_reference(fast: str, case: Case) -> None:
    x, w = case.normal(case.x_shape, case.w_shape)
    expected = kernels.conv2d(x, w, **case.options, backend="reference")
    close(kernels.conv2d(x, w, **case.options, backend=fast), expected)


@against_reference
@chain
@given(case=convolutions())
def test_conv2d_backward_of_whole_numbers_equals_the_reference_exactly(
    fast: str, case: Case
) -> None:
    x, w = case.whole(case.x_shape, case.w_shape)
    dy = case.whole(kernels.conv2d(x, w, **case.options).shape)[0]
    expected = kernels.conv2d_backward(dy, x, w, **case.options, backend="reference")
    actual = kernels.conv2d_backward(dy, x, w, **case.options, backend=fast)
    for mine, theirs in zip(actual, expected, strict=True):
        assert mine is not None
        assert theirs is not None
        same(mine, theirs)


@against_reference
@chain
@given(case=convolutions())
def test_conv2d_backward_agrees_with_the_reference_and_can_leave_out_dx(
    fast: str, case: Case
) -> None:
    x, w = case.normal(case.x_shape, case.w_shape)
    dy = case.normal(kernels.conv2d(x, w, **case.options).shape)[0]
    expected = kernels.conv2d_backward(dy, x, w, **case.options, backend="reference")
    dx, dw, db = kernels.conv2d_backward(dy, x, w, **case.options, backend=fast)
    assert dx is not None
    assert expected[0] is not None
    close(dx, expected[0])
    close(dw, expected[1])
    close(db, expected[2])
    none, dw_alone, db_alone = kernels.conv2d_backward(
        dy, x, w, **case.options, need_dx=False, backend=fast
    )
    assert none is None
    same(dw_alone, dw)
    same(db_alone, db)


@against_reference
@chain
@given(case=convolutions())
def test_im2col_equals_the_reference_exactly(fast: str, case: Case) -> None:
    (x,) = case.normal(case.x_shape)
    expected = kernels.im2col(x, case.kernel, **case.options, backend="reference")
    same(kernels.im2col(x, case.kernel, **case.options, backend=fast), expected)


@against_reference
@chain
@given(case=convolutions())
def test_col2im_equals_the_reference(fast: str, case: Case) -> None:
    (x,) = case.normal(case.x_shape)
    shape = kernels.im2col(x, case.kernel, **case.options).shape
    for cols, agree in ((case.whole(shape)[0], same), (case.normal(shape)[0], close)):
        expected = kernels.col2im(
            cols, case.x_shape, case.kernel, **case.options, backend="reference"
        )
        agree(
            kernels.col2im(cols, case.x_shape, case.kernel, **case.options, backend=fast), expected
        )


@against_reference
@chain
@given(case=poolings())
def test_max_pool2d_equals_the_reference_exactly_ties_among_them(fast: str, case: Case) -> None:
    for (x,) in (case.whole(case.x_shape), case.normal(case.x_shape)):
        y, argmax = kernels.max_pool2d(x, case.kernel, **case.options, backend="reference")
        mine, winners = kernels.max_pool2d(x, case.kernel, **case.options, backend=fast)
        same(mine, y)
        same(winners, argmax)


@against_reference
@chain
@given(case=poolings())
def test_max_pool2d_backward_equals_the_reference(fast: str, case: Case) -> None:
    (x,) = case.whole(case.x_shape)
    y, argmax = kernels.max_pool2d(x, case.kernel, **case.options)
    for dy, agree in ((case.whole(y.shape)[0], same), (case.normal(y.shape)[0], close)):
        given_ = (dy, argmax, x.shape, case.kernel)
        expected = kernels.max_pool2d_backward(*given_, **case.options, backend="reference")
        agree(kernels.max_pool2d_backward(*given_, **case.options, backend=fast), expected)


@against_reference
@chain
@given(case=poolings())
def test_avg_pool2d_agrees_with_the_reference(fast: str, case: Case) -> None:
    (x,) = case.normal(case.x_shape)
    expected = kernels.avg_pool2d(x, case.kernel, **case.options, backend="reference")
    close(kernels.avg_pool2d(x, case.kernel, **case.options, backend=fast), expected)


@against_reference
@chain
@given(case=poolings())
def test_avg_pool2d_backward_agrees_with_the_reference(fast: str, case: Case) -> None:
    (x,) = case.normal(case.x_shape)
    (dy,) = case.normal(kernels.avg_pool2d(x, case.kernel, **case.options).shape)
    given_ = (dy, x.shape, case.kernel)
    expected = kernels.avg_pool2d_backward(*given_, **case.options, backend="reference")
    close(kernels.avg_pool2d_backward(*given_, **case.options, backend=fast), expected)


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


@pytest.mark.parametrize("N", [2, 33])
@against_reference
def test_an_image_without_channels_is_refused_or_treated_as_the_reference_does(
    fast: str, N: int
) -> None:
    x, w, b = np.zeros((N, 4, 4, 0)), np.zeros((2, 2, 0, 3)), np.arange(3.0)
    ours = outcome(lambda: kernels.conv2d(x, w, b, backend=fast).tolist())
    assert ours == outcome(lambda: kernels.conv2d(x, w, b, backend="reference").tolist())
    assert "words" not in ours


@against_reference
def test_no_filters_are_refused_or_treated_as_the_reference_does(fast: str) -> None:
    x, w = np.ones((2, 4, 4, 1)), np.zeros((2, 2, 1, 0))
    ours = outcome(lambda: kernels.conv2d(x, w, backend=fast).shape)
    assert ours == outcome(lambda: kernels.conv2d(x, w, backend="reference").shape)
    assert "words" not in ours


def test_im2col_and_col2im_refuse_images_without_channels_or_have_empty_rows(backend: str) -> None:
    cols = outcome(lambda: kernels.im2col(np.zeros((2, 4, 4, 0)), 2).shape)
    assert cols in ("refused", "(18, 0)")
    x = outcome(lambda: kernels.col2im(np.zeros((18, 0)), (2, 4, 4, 0), 2).shape)
    assert x in ("refused", "(2, 4, 4, 0)")
