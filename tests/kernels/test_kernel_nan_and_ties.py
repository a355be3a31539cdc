"""NaN, infinity and ties: the same rule in all backends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernel_cases import FAST, same

from minicnn import kernels

NAN, INF = np.nan, np.inf


def pool_four(*values: float) -> tuple[float, int]:
    """The maximum and argmax of one 2×2 window."""
    x = np.array(values, np.float64).reshape(1, 2, 2, 1)
    y, argmax = kernels.max_pool2d(x)
    return y.item(), argmax.item()


@pytest.mark.parametrize(
    ("values", "argmax"),
    [
        ((1, 1, 1, 1), 0),
        ((0, 2, 2, 1), 1),
        ((0, 1, 2, 2), 2),
        ((-INF, -INF, -INF, -INF), 0),
        ((-INF, -INF, -3, -INF), 2),
        ((0, INF, INF, 1), 1),
        ((-0.0, 0.0, -1, -1), 0),
        ((-1, 0.0, -0.0, -1), 1),
    ],
)
def test_of_equal_values_the_first_in_row_major_order_wins(
    backend: str, values: tuple[float, ...], argmax: int
) -> None:
    assert pool_four(*values) == (values[argmax], argmax)


@pytest.mark.parametrize(
    ("values", "argmax"),
    [
        ((NAN, 1, 2, 3), 0),
        ((1, 2, 3, NAN), 3),
        ((1, NAN, 3, NAN), 1),
        ((NAN, NAN, NAN, NAN), 0),
        ((INF, INF, NAN, INF), 2),
        ((-INF, NAN, INF, 0), 1),
    ],
)
def test_a_nan_beats_every_number_and_the_first_nan_wins(
    backend: str, values: tuple[float, ...], argmax: int
) -> None:
    y, found = pool_four(*values)
    assert np.isnan(y)
    assert found == argmax


@pytest.mark.parametrize("value", [-INF, -1e300, NAN, 0.0])
def test_padding_never_wins_even_where_all_pixels_are_minus_infinity(
    backend: str, value: float
) -> None:
    x = np.full((2, 3, 3, 2), value)
    y, argmax = kernels.max_pool2d(x, 3, stride=1, padding="same")
    np.testing.assert_array_equal(y, x)
    # the first tap inside the image, of a window that starts one pixel up and left
    assert argmax[0, :, :, 0].tolist() == [[4, 3, 3], [1, 0, 0], [1, 0, 0]]
    dx = kernels.max_pool2d_backward(np.ones_like(x), argmax, x.shape, 3, stride=1, padding="same")
    assert dx[0, :, :, 0].tolist() == [[4, 2, 0], [2, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("fast", FAST)
@settings(max_examples=20)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 2), st.integers(2, 5), st.integers(2, 5), st.integers(1, 3)),
        elements=st.sampled_from([-INF, -1.0, 0.0, 1.0, INF, NAN]),
    ),
    size=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    stride=st.integers(1, 2),
    padding=st.sampled_from(["valid", "same"]),
)
def test_max_pool2d_of_special_values_equals_the_reference(
    fast: str, x: np.ndarray, size: tuple[int, int], stride: int, padding: str
) -> None:
    options = {"stride": stride, "padding": padding}
    y, argmax = kernels.max_pool2d(x, size, **options, backend="reference")
    mine, places = kernels.max_pool2d(x, size, **options, backend=fast)
    same(mine, y)
    same(places, argmax)


@pytest.mark.parametrize("special", [NAN, INF, -INF])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_special_dy_reaches_only_the_pixel_that_won(
    backend: str, special: float, dtype: type
) -> None:
    x = np.zeros((1, 4, 4, 2), dtype)
    x[0, 1, 1, 0] = 1  # wins its window of channel 0
    _, argmax = kernels.max_pool2d(x)
    dy = np.ones((1, 2, 2, 2), dtype)
    dy[0, 0, 0, 0] = special
    dx = kernels.max_pool2d_backward(dy, argmax, x.shape)
    expected = np.zeros_like(x)
    expected[0, ::2, ::2] = 1  # ties: the first
    expected[0, 0, 0, 0], expected[0, 1, 1, 0] = 0, special
    np.testing.assert_array_equal(dx, expected, strict=True)


def test_a_nan_pixel_makes_nan_what_reads_it_and_nothing_else(backend: str) -> None:
    x = np.ones((2, 5, 5, 2))
    x[0, 0, 0, 1] = NAN
    w = np.zeros((2, 2, 2, 3))  # even a zero weight: 0 · NaN is NaN
    y = kernels.conv2d(x, w, np.ones(3))
    expected = np.ones((2, 4, 4, 3))
    expected[0, 0, 0] = NAN
    np.testing.assert_array_equal(y, expected)
    averages = kernels.avg_pool2d(x)
    expected = np.ones((2, 2, 2, 2))
    expected[0, 0, 0, 1] = NAN
    np.testing.assert_array_equal(averages, expected)
    rows = np.array([[NAN, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(kernels.dense(rows, np.ones((2, 1))), [[NAN], [2]])


def test_a_nan_in_dy_reaches_what_it_came_from_and_nothing_else(backend: str) -> None:
    x, w, dy = np.ones((2, 3, 3, 1)), np.ones((2, 2, 1, 2)), np.ones((2, 2, 2, 2))
    dy[0, 0, 0, 1] = NAN
    dx, dw, db = kernels.conv2d_backward(dy, x, w)
    assert dx is not None
    lost = np.zeros(x.shape, bool)
    lost[0, :2, :2] = True
    np.testing.assert_array_equal(np.isnan(dx), lost)
    assert np.isnan(dw[..., 1]).all()
    assert not np.isnan(dw[..., 0]).any()
    assert np.isnan(db).tolist() == [False, True]


@pytest.mark.parametrize("fast", FAST)
def test_nan_over_padding_is_treated_as_the_reference_does(fast: str) -> None:
    x, w, dy = np.ones((1, 3, 3, 1)), np.ones((3, 3, 1, 1)), np.ones((1, 3, 3, 1))
    lost, lost_dy = w.copy(), dy.copy()
    lost[0, 0] = NAN
    lost_dy[0, 0, 0] = NAN  # its taps of the first row and column read padding
    expected = kernels.conv2d(x, lost, padding="same", backend="reference")
    same(kernels.conv2d(x, lost, padding="same", backend=fast), expected)
    gradients = [
        kernels.conv2d_backward(lost_dy, x, w, padding="same", backend=backend)
        for backend in (fast, "reference")
    ]
    for mine, theirs in zip(*gradients, strict=True):
        assert mine is not None
        assert theirs is not None
        same(mine, theirs)
