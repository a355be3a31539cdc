"""NaN and infinities in the engine: they reach what depends on them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from engine_cases import (
    CONVOLUTIONS,
    NUMPY,
    POOLED,
    REFERENCE,
    arrays,
    by_geometry,
    by_pooled_geometry,
    conv2d,
    conv2d_backward,
    conv_pool,
    conv_pool_backward,
    of,
)
from kernel_cases import same
from numpy.typing import NDArray

pytest.importorskip("numba")

from minicnn import kernels

NAN, INF = np.nan, np.inf
SPECIAL = [NAN, INF, -INF]


@pytest.fixture(autouse=True)
def ignore_invalid() -> Iterator[None]:
    """NumPy computes the expected results, and would warn of 0 · ∞."""
    with np.errstate(invalid="ignore"):
        yield


def with_values(array: NDArray[Any], values: list[float], seed: int = 0) -> NDArray[Any]:
    """The array with each of `values` somewhere in it."""
    array = array.copy()
    places = np.random.default_rng(seed).choice(array.size, len(values), replace=False)
    array.reshape(-1)[places] = values
    return array


# ---- convolution ----


@by_geometry
def test_nonfinite_pixels_reach_only_the_outputs_that_read_them(name: str) -> None:
    case = of(CONVOLUTIONS[name], 2)
    x, w, b = arrays(case)
    x[1] = with_values(x[1], SPECIAL)
    y = conv2d(case, x, w, b)
    same(y, conv2d(case, x, w, b, **REFERENCE))
    assert np.isfinite(y[0]).all()


@by_geometry
def test_a_nonfinite_weight_or_bias_reaches_only_its_own_filter(name: str) -> None:
    case = of(CONVOLUTIONS[name], 2)
    for special in SPECIAL:
        x, w, b = arrays(case)
        w[-1, -1, 0, -1] = special
        same(conv2d(case, x, w, b), conv2d(case, x, w, b, **NUMPY))
        x, w, b = arrays(case)
        b[case.F // 2] = special
        y = conv2d(case, x, w, b)
        same(y, conv2d(case, x, w, b, **NUMPY))
        assert np.isfinite(np.delete(y, case.F // 2, axis=3)).all()


@by_geometry
def test_a_nonfinite_weight_reaches_only_the_pixels_that_its_outputs_read(name: str) -> None:
    case = of(CONVOLUTIONS[name], 2)
    for special in SPECIAL:
        x, w, _ = arrays(case)
        w[0, -1, -1, 0] = special
        (dy,) = case.whole(conv2d(case, x, w, **NUMPY).shape)
        expected = conv2d_backward(case, dy, x, w, **NUMPY)
        for mine, theirs in zip(conv2d_backward(case, dy, x, w), expected, strict=True):
            same(mine, theirs)


@by_geometry
@pytest.mark.parametrize("special", SPECIAL)
def test_a_nonfinite_gradient_reaches_only_what_its_output_depends_on(
    name: str, special: float
) -> None:
    case = of(CONVOLUTIONS[name], 2)
    x, w, _ = arrays(case)
    (dy,) = case.whole(conv2d(case, x, w, **NUMPY).shape)
    dy[1, dy.shape[1] // 2, -1, -1] = special
    expected = conv2d_backward(case, dy, x, w, **NUMPY)
    for mine, theirs in zip(conv2d_backward(case, dy, x, w), expected, strict=True):
        same(mine, theirs)


def test_the_relu_of_nan_is_nan_and_of_minus_infinity_zero() -> None:
    case = CONVOLUTIONS["stride (1, 2)"]
    x, w, b = arrays(case)
    b[:3] = NAN, INF, -INF
    y = conv2d(case, x, w, b, relu=True)
    assert np.isnan(y[..., 0]).all()
    assert (y[..., 1] == INF).all()
    assert (y[..., 2] == 0).all()
    for others in (NUMPY, REFERENCE):
        same(y, conv2d(case, x, w, b, relu=True, **others))


# ---- convolution, ReLU and pooling in one pass ----


@by_pooled_geometry
def test_nonfinite_pixels_give_the_maxima_and_argmax_of_separate_steps(name: str) -> None:
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    for seed, separate in ((0, NUMPY), (1, NUMPY), (2, REFERENCE)):
        given = with_values(x, SPECIAL, seed), w, b
        for mine, theirs in zip(
            conv_pool(pooled, *given), conv_pool(pooled, *given, **separate), strict=True
        ):
            same(mine, theirs)


@pytest.mark.parametrize(
    ("values", "y", "argmax"),
    [
        ((NAN, 1, 2, 3), NAN, 4),
        ((1, 2, 3, NAN), NAN, 4),
        ((INF, NAN, NAN, INF), NAN, 4),
        ((-INF, -INF, -INF, -INF), 0, 4),
        ((-INF, 2, INF, INF), INF, 2),
        ((-INF, -INF, -INF, 1), 1, 3),
        ((-0.0, 0.0, -1, -INF), 0, 4),
    ],
)
def test_nan_beats_every_number_and_passes_the_relu_but_no_gradient(
    values: tuple[float, ...], y: float, argmax: int
) -> None:
    pooled = POOLED["one filter, pointwise"].of(1)
    x = np.zeros(pooled.conv.x_shape, np.float32)
    x[0, :2, :2, 0] = np.reshape(values, (2, 2))
    w = np.zeros(pooled.conv.w_shape, np.float32)
    w[0, 0, 0] = 1
    for way in ({}, NUMPY, REFERENCE):
        maxima, taps = conv_pool(pooled, x, w, None, **way)
        np.testing.assert_array_equal(maxima[0, 0, 0, 0], y)
        assert taps[0, 0, 0, 0] == argmax
        assert (maxima.reshape(-1)[1:] == 0).all()


@by_pooled_geometry
@pytest.mark.parametrize("special", SPECIAL)
def test_a_nonfinite_gradient_of_a_winner_reaches_only_its_patch_and_filter(
    name: str, special: float
) -> None:
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    y, argmax = conv_pool(pooled, x, w, b)
    (dy,) = pooled.conv.whole(y.shape)
    place = tuple(np.argwhere(y > 0)[-1])
    dy[place] = special
    expected = conv_pool_backward(pooled, dy, argmax, x, w, **NUMPY)
    assert not all(np.isfinite(gradient).all() for gradient in expected)
    for mine, theirs in zip(conv_pool_backward(pooled, dy, argmax, x, w), expected, strict=True):
        same(mine, theirs)


@by_pooled_geometry
@pytest.mark.parametrize("special", SPECIAL)
def test_a_nonfinite_gradient_reaches_nothing_where_relu_is_zero(name: str, special: float) -> None:
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    b -= 30  # so that ReLU is 0 for some
    y, argmax = conv_pool(pooled, x, w, b)
    dy = np.where(y > 0, 1, special).astype(y.dtype)
    assert not np.isfinite(dy).all()
    expected = conv_pool_backward(pooled, np.where(y > 0, dy, 0).astype(y.dtype), argmax, x, w)
    for mine, theirs in zip(conv_pool_backward(pooled, dy, argmax, x, w), expected, strict=True):
        same(mine, theirs)


@by_pooled_geometry
def test_nonfinite_pixels_keep_every_gradient_finite_that_separate_steps_do(
    name: str,
) -> None:
    """Separate steps multiply every pixel by a gradient, even by zero, and 0 · ∞ is NaN. The fused
    kernel visits only winners."""
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    x = with_values(x, [NAN, INF], 1)
    y, argmax = conv_pool(pooled, x, w, b)
    dy = np.ones_like(y)
    separate = conv_pool_backward(pooled, dy, argmax, x, w, **NUMPY)
    for mine, theirs in zip(conv_pool_backward(pooled, dy, argmax, x, w), separate, strict=True):
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(mine[finite], theirs[finite])


# ---- dense ----


@pytest.mark.parametrize("N", [1, 3, 29])
def test_nonfinite_numbers_in_a_row_reach_only_that_rows_outputs(N: int) -> None:
    rng = np.random.default_rng(0)
    x, w, b = (
        rng.integers(-6, 7, shape).astype(np.float32) for shape in ((N, 37), (37, 35), (35,))
    )
    x[N // 2, [0, 5, 36]] = SPECIAL
    w[3, 34] = NAN  # the last lane in use
    for relu in (False, True):
        y = kernels.dense(x, w, b, relu=relu, algorithm="tile", backend="numba")
        expected = kernels.dense(x, w, b, relu=relu, backend="numpy")
        np.testing.assert_array_equal(y, expected)
        others = np.delete(y, N // 2, axis=0)[:, :34]
        assert np.isfinite(others).all()
