"""warp: reference → NumPy → Numba to the bit, and the geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import BATCHES, DTYPES, FAST, same
from numpy.typing import NDArray

from minicnn import kernels
from minicnn.kernels.warping import splines

Array = NDArray[Any]
NAN, INF = np.nan, np.inf
IDENTITY = np.eye(2, 3)


def copies(matrix: Any, n: int, dtype: Any = np.float64) -> Array:
    """The same matrix for each of n images."""
    return np.broadcast_to(np.asarray(matrix, dtype), (n, 2, 3))


def shifted(down: float, right: float) -> Array:
    """Each pixel is read from further down and to the right."""
    return np.array([[1, 0, down], [0, 1, right]])


# ---- the oracle chain ----


@st.composite
def warps(draw: st.DrawFn) -> tuple[Array, Array, Array | None]:
    """Images of odd shapes, near and far coordinates, with and without a displacement."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    dtype, side = draw(st.sampled_from(DTYPES)), st.integers(1, 7)
    N, H, W, C = draw(st.sampled_from(BATCHES)), draw(side), draw(side), draw(st.integers(1, 3))
    x = rng.standard_normal((N, H, W, C)).astype(dtype)
    spread = draw(st.sampled_from([0.0, 0.1, 1.0, 10.0]))
    matrices = (IDENTITY + spread * rng.standard_normal((N, 2, 3))).astype(dtype)
    if draw(st.booleans()):
        matrices = np.round(matrices)  # whole coordinates: weights of 0
    if draw(st.booleans()):
        return x, matrices, None
    grid = draw(st.integers(4, 6)), draw(st.integers(4, 6))
    return x, matrices, (spread * rng.standard_normal((N, *grid, 2))).astype(dtype)


@pytest.mark.parametrize("fast", FAST)
@settings(max_examples=25)
@given(case=warps())
def test_every_backend_equals_the_reference_to_the_bit(
    fast: str, case: tuple[Array, Array, Array | None]
) -> None:
    expected = kernels.warp(*case, backend="reference")
    same(kernels.warp(*case, backend=fast), expected)


@pytest.mark.parametrize("fast", FAST)
@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    special=st.sampled_from([NAN, INF, -INF]),
    step=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_special_pixels_are_treated_as_the_reference_does(
    fast: str, seed: int, special: float, step: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4, 5, 2))
    x[rng.random(x.shape) < 0.2] = special
    matrices = copies(IDENTITY, 3) + step * rng.integers(-2, 3, (3, 2, 3))
    with np.errstate(invalid="ignore"):  # inf - inf
        expected = kernels.warp(x, matrices, backend="reference")
        same(kernels.warp(x, matrices, backend=fast), expected)


# ---- coordinates by hand ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (1, 1, 1, 1), (40, 5, 6, 1), (2, 1, 6, 2)])
def test_the_identity_gives_the_images_to_the_bit_whatever_is_in_them(
    backend: str, dtype: type, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    x = rng.standard_normal(shape).astype(dtype)
    x.reshape(-1)[::3] = np.resize([NAN, INF, -INF, 1e30, 1e-42], x.reshape(-1)[::3].shape)
    before = x.copy()
    y = kernels.warp(x, copies(IDENTITY, len(x), dtype))
    same(y, x)
    assert not np.may_share_memory(y, x)
    y = kernels.warp(x, copies(IDENTITY, len(x), dtype), np.zeros((len(x), 4, 5, 2), dtype))
    same(y, x)
    same(x, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, -2), (-3, 4), (2, 2), (5, 0), (0, 1000)])
def test_whole_pixels_of_shift_are_exact_and_zeros_come_in(
    backend: str, dtype: type, down: int, right: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((3, 5, 6, 2)).astype(dtype)
    x[0, 0, 0, 0] = INF
    wide = np.pad(x, ((0, 0), (5, 5), (1000, 1000), (0, 0)))
    expected = wide[:, 5 + down : 10 + down, 1000 + right : 1006 + right]
    same(kernels.warp(x, copies(shifted(down, right), 3, dtype)), expected)


def test_the_four_pixels_around_a_place_are_weighed_by_how_near_they_are(backend: str) -> None:
    x = np.array([[8.0, 16.0], [32.0, 64.0]]).reshape(1, 2, 2, 1)
    y = kernels.warp(x, shifted(0.25, 0.75)[None])
    upper, lower = 8 * 0.25 + 16 * 0.75, 32 * 0.25 + 64 * 0.75
    assert y[0, 0, 0, 0] == 0.75 * upper + 0.25 * lower
    assert y[0, 1, 1, 0] == 64 * 0.75 * 0.25


@pytest.mark.parametrize("size", [1, 4, 5])
def test_quarter_turns_and_mirrors_are_exact(
    backend: str, size: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((1, size, size, 2))
    turns = {
        "left": ([[0, 1, 0], [-1, 0, 0]], np.rot90(x, 1, (1, 2))),
        "half": ([[-1, 0, 0], [0, -1, 0]], np.rot90(x, 2, (1, 2))),
        "upside down": ([[-1, 0, 0], [0, 1, 0]], x[:, ::-1]),
        "mirrored": ([[1, 0, 0], [0, -1, 0]], x[:, :, ::-1]),
        "transposed": ([[0, 1, 0], [1, 0, 0]], x.swapaxes(1, 2)),
    }
    for name, (matrix, expected) in turns.items():
        np.testing.assert_array_equal(kernels.warp(x, copies(matrix, 1)), expected, name)


def test_each_image_has_its_own_matrix_and_displacement(
    backend: str, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((40, 6, 5, 2))
    matrices = IDENTITY + 0.2 * rng.standard_normal((40, 2, 3))
    field = rng.standard_normal((40, 4, 5, 2))
    together = kernels.warp(x, matrices, field)
    for n in (0, 1, 17, 39):
        one = slice(n, n + 1)
        same(together[one], kernels.warp(x[one], matrices[one], field[one]))


# ---- the displacement ----


def test_displacements_that_grow_evenly_from_knot_to_knot_stretch_the_image(backend: str) -> None:
    """Splines reproduce linear functions: pixel j of 0…8 is read at j + (j - 4) / 4."""
    x = np.arange(9.0).reshape(1, 1, 9, 1)
    field = np.zeros((1, 4, 6, 2))
    field[..., 1] = (np.arange(6) - 2.5) * 2 / 3  # knots 1…4 lie at the pixels 0, 8/3, 16/3, 8
    y = kernels.warp(x, copies(IDENTITY, 1), field).ravel()
    places = np.arange(9) + (np.arange(9) - 4) / 4
    expected = np.interp(places, np.arange(-1, 10), [0, *range(9), 0])
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_a_knot_moves_what_is_near_it_only(backend: str) -> None:
    x = np.tile(np.arange(21.0), (21, 1))[None, :, :, None]
    field = np.zeros((1, 8, 8, 2))
    field[0, 2, 5, 1] = 1  # at pixel (4, 16): the distance of two knots is 4 pixels
    moved = (kernels.warp(x, copies(IDENTITY, 1), field) - x)[0, :, :20, 0]
    assert moved[4, 16] == pytest.approx((4 / 6) ** 2)
    assert moved[0, 16] == moved[8, 16] == moved[4, 12] == pytest.approx(4 / 36)
    rows, columns = np.nonzero(moved)
    assert rows.max() < 4 + 8
    assert columns.min() > 16 - 8


def test_the_splines_weights_at_and_between_knots_by_hand() -> None:
    weights = splines(5, 5, np.dtype(np.float64)) * 48
    np.testing.assert_allclose(weights[0], [8, 32, 8, 0, 0], atol=1e-12)
    np.testing.assert_allclose(weights[1], [1, 23, 23, 1, 0], atol=1e-12)
    np.testing.assert_allclose(weights[4], [0, 0, 8, 32, 8], atol=1e-12)
    middle = splines(1, 4, np.dtype(np.float64)) * 48
    np.testing.assert_allclose(middle, [[1, 23, 23, 1]], atol=1e-12)


# ---- NaN, infinity, and coordinates beyond the largest number ----


def test_a_nan_pixel_makes_nan_what_reads_it_and_nothing_else(backend: str) -> None:
    x = np.ones((2, 5, 5, 2))
    x[0, 2, 2, 1] = NAN
    lost = np.isnan(kernels.warp(x, copies(shifted(0.5, 0), 2)))
    expected = np.zeros(x.shape, bool)
    expected[0, 1:3, 2, 1] = True  # with weight 0.5; no weight, no NaN to the right
    np.testing.assert_array_equal(lost, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_coordinates_that_overflow_are_outside(backend: str, dtype: type) -> None:
    x, huge = np.ones((4, 3, 3, 1), dtype), np.finfo(dtype).max
    matrices = copies(IDENTITY, 4, dtype).copy()
    matrices[0, :, 2] = huge
    matrices[1, :, 2] = -huge
    matrices[2, 0] = huge, -huge, 0  # infinity - infinity
    with np.errstate(over="ignore", invalid="ignore"):
        y = kernels.warp(x, matrices)
    assert not y[:2].any()
    assert set(np.unique(y[2])) <= {0, 1}
    same(y[3], x[3])


@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["matrices", "displacement"])
def test_numbers_that_are_not_finite_are_a_value_error(
    backend: str, name: str, wrong: float
) -> None:
    given_ = {"matrices": copies(IDENTITY, 2).copy(), "displacement": np.zeros((2, 4, 4, 2))}
    given_[name][1, 1, 1] = wrong
    with pytest.raises(ValueError, match=f"expected finite numbers in {name}, received"):
        kernels.warp(np.ones((2, 3, 3, 1)), **given_)


# ---- arguments ----


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("x", (2, 3, 0, 1), " empty axis in x"),
        ("matrices", (1, 2, 3), r"matrices of shape \(2, 2, 3\), received \(1, 2, 3\)"),
        ("matrices", (2, 3, 3), r"matrices of shape \(2, 2, 3\), received \(2, 3, 3\)"),
        ("displacement", (1, 4, 4, 2), r"\(2, any, any, 2\), received \(1, 4, 4, 2\)"),
        ("displacement", (2, 4, 4, 1), r"\(2, any, any, 2\), received \(2, 4, 4, 1\)"),
        ("displacement", (2, 3, 4, 2), r"at least 4×4 knots, received \(2, 3, 4, 2\)"),
        ("displacement", (2, 4, 3, 2), r"at least 4×4 knots, received \(2, 4, 3, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error(
    name: str, shape: tuple[int, ...], words: str
) -> None:
    given_ = {"x": np.ones((2, 3, 3, 1)), "matrices": copies(IDENTITY, 2)} | {name: np.ones(shape)}
    with pytest.raises(ValueError, match=f"expected .*{words}"):
        kernels.warp(**given_)
