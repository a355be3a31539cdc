"""NaN and infinities in the engine: where they go, and that they go nowhere else."""

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

by_geometry = pytest.mark.parametrize("name", CONVOLUTIONS)
by_pooled_geometry = pytest.mark.parametrize("name", POOLED)


@pytest.fixture(autouse=True)
def quietly() -> Iterator[None]:
    """NumPy, which is asked what is right, would warn of 0 · ∞."""
    with np.errstate(invalid="ignore"):
        yield


def sown(array: NDArray[Any], values: list[float], seed: int = 0) -> NDArray[Any]:
    """The array with each of `values` somewhere in it."""
    array = array.copy()
    places = np.random.default_rng(seed).choice(array.size, len(values), replace=False)
    array.reshape(-1)[places] = values
    return array


# ---- convolution ----


@by_geometry
def test_special_pixels_reach_the_outputs_that_read_them_and_no_others(name: str) -> None:
    case = of(CONVOLUTIONS[name], 2)
    x, w, b = arrays(case)
    x[1] = sown(x[1], SPECIAL)
    y = conv2d(case, x, w, b)
    same(y, conv2d(case, x, w, b, **REFERENCE))
    assert np.isfinite(y[0]).all()


@by_geometry
def test_a_special_weight_or_bias_reaches_its_own_filter_alone(name: str) -> None:
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
def test_a_special_weight_reaches_the_pixels_that_its_outputs_read_and_no_others(name: str) -> None:
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
def test_a_special_gradient_reaches_what_it_came_from_and_nothing_else(
    name: str, special: float
) -> None:
    case = of(CONVOLUTIONS[name], 2)
    x, w, _ = arrays(case)
    (dy,) = case.whole(conv2d(case, x, w, **NUMPY).shape)
    dy[1, dy.shape[1] // 2, -1, -1] = special
    expected = conv2d_backward(case, dy, x, w, **NUMPY)
    for mine, theirs in zip(conv2d_backward(case, dy, x, w), expected, strict=True):
        same(mine, theirs)


@pytest.mark.parametrize("name", ["same", "stride (1, 2)"])
def test_relu_keeps_a_nan_and_cuts_off_minus_infinity(name: str) -> None:
    case = CONVOLUTIONS[name]
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
def test_special_pixels_give_the_maxima_and_winners_of_the_separate_steps(name: str) -> None:
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    for seed in range(5):
        given = sown(x, SPECIAL, seed), w, b
        for mine, theirs in zip(
            conv_pool(pooled, *given), conv_pool(pooled, *given, **NUMPY), strict=True
        ):
            same(mine, theirs)


def test_special_pixels_are_treated_as_the_reference_does() -> None:
    pooled = POOLED["2×2, leftovers, padded"].of(1)
    x, w, b = arrays(pooled.conv)
    for seed in range(3):
        given = sown(x, SPECIAL, seed), w, b
        for mine, theirs in zip(
            conv_pool(pooled, *given), conv_pool(pooled, *given, **REFERENCE), strict=True
        ):
            same(mine, theirs)


@pytest.mark.parametrize(
    ("values", "y", "winner"),
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
def test_a_nan_beats_every_number_passes_the_relu_and_is_cut_off_from_gradients(
    values: tuple[float, ...], y: float, winner: int
) -> None:
    pooled = POOLED["one filter, pointwise"].of(1)
    x = np.zeros(pooled.conv.x_shape, np.float32)
    x[0, :2, :2, 0] = np.reshape(values, (2, 2))
    w = np.zeros(pooled.conv.w_shape, np.float32)
    w[0, 0, 0] = 1
    for way in ({}, NUMPY, REFERENCE):
        maxima, winners = conv_pool(pooled, x, w, None, **way)
        np.testing.assert_array_equal(maxima[0, 0, 0, 0], y)
        assert winners[0, 0, 0, 0] == winner
        assert (maxima.reshape(-1)[1:] == 0).all()


@by_pooled_geometry
@pytest.mark.parametrize("special", SPECIAL)
def test_a_special_gradient_at_a_winner_reaches_what_the_winner_saw_and_nothing_else(
    name: str, special: float
) -> None:
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    y, winner = conv_pool(pooled, x, w, b)
    (dy,) = pooled.conv.whole(y.shape)
    place = tuple(np.argwhere(y > 0)[-1])
    dy[place] = special
    expected = conv_pool_backward(pooled, dy, winner, x, w, **NUMPY)
    assert not all(np.isfinite(gradient).all() for gradient in expected)
    for mine, theirs in zip(conv_pool_backward(pooled, dy, winner, x, w), expected, strict=True):
        same(mine, theirs)


@by_pooled_geometry
@pytest.mark.parametrize("special", SPECIAL)
def test_a_special_gradient_where_relu_cut_it_off_reaches_nothing(
    name: str, special: float
) -> None:
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    b -= 30  # so that some are cut off
    y, winner = conv_pool(pooled, x, w, b)
    dy = np.where(y > 0, 1, special).astype(y.dtype)
    assert not np.isfinite(dy).all()
    expected = conv_pool_backward(pooled, np.where(y > 0, dy, 0).astype(y.dtype), winner, x, w)
    for mine, theirs in zip(conv_pool_backward(pooled, dy, winner, x, w), expected, strict=True):
        same(mine, theirs)


def test_where_a_nan_won_no_gradient_passes() -> None:
    pooled = POOLED["course1"].of(2)
    x, w, b = arrays(pooled.conv)
    b[0] = NAN
    y, winner = conv_pool(pooled, x, w, b)
    assert np.isnan(y[..., 0]).all()
    _, dw, db = conv_pool_backward(pooled, np.ones_like(y), winner, x, w)
    assert db[0] == 0
    assert (dw[..., 0] == 0).all()
    assert np.isfinite(dw).all()


@by_pooled_geometry
def test_special_pixels_make_no_gradient_special_that_the_separate_steps_keep_finite(
    name: str,
) -> None:
    """The separate steps multiply every pixel by a gradient, zeros among them, and 0 · ∞ is NaN;
    the fused kernel visits winners alone."""
    pooled = POOLED[name].of(2)
    x, w, b = arrays(pooled.conv)
    x = sown(x, [NAN, INF], 1)
    y, winner = conv_pool(pooled, x, w, b)
    dy = np.ones_like(y)
    separate = conv_pool_backward(pooled, dy, winner, x, w, **NUMPY)
    for mine, theirs in zip(conv_pool_backward(pooled, dy, winner, x, w), separate, strict=True):
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(mine[finite], theirs[finite])


# ---- dense ----


@pytest.mark.parametrize("N", [1, 3, 29])
def test_special_numbers_in_a_row_reach_that_rows_outputs_alone(N: int) -> None:
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
