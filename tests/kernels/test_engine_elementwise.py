"""Elementwise and row-wise arithmetic: the formulas in NumPy, and their compiled versions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import FAST, close, same
from numpy.typing import NDArray

from minicnn import kernels, layers, losses, optimizers
from minicnn.kernels import PreparedAdam
from minicnn.kernels.elementwise import scale

NAN, INF = np.nan, np.inf
needs_numba = pytest.mark.skipif("numba" not in FAST, reason="needs Numba")
in_each = pytest.mark.parametrize("fast", FAST)
in_both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


# ---- relu_backward ----


@in_each
@in_both_dtypes
@pytest.mark.parametrize("shape", [(0,), (1,), (3, 4, 5), (100_003,)])
def test_relus_gradient_passes_where_the_output_is_positive(
    shape: tuple[int, ...], dtype: type, fast: str
) -> None:
    rng = np.random.default_rng(0)
    dy = rng.standard_normal(shape).astype(dtype)
    y = np.maximum(rng.standard_normal(shape), 0).astype(dtype)
    same(kernels.relu_backward(dy, y, backend=fast), np.where(y > 0, dy, dtype(0)))


@in_each
def test_a_nonfinite_gradient_passes_or_is_zero_and_nan_outputs_pass_none(fast: str) -> None:
    y = np.array([1, 0, NAN, INF, -0.0, 2, 0, 3], np.float32)
    dy = np.array([NAN, NAN, 1, -INF, INF, INF, -INF, 4], np.float32)
    expected = np.array([NAN, 0, 0, -INF, 0, INF, 0, 4], np.float32)
    same(kernels.relu_backward(dy, y, backend=fast), expected)


# ---- softmax ----


def softmax(z: NDArray[Any], fast: str, out: NDArray[Any] | None = None) -> NDArray[Any]:
    with kernels.use_backend(fast):
        return layers.Softmax().f(z, out)


@in_each
@in_both_dtypes
@pytest.mark.parametrize(("N", "K"), [(0, 3), (1, 1), (5, 10), (1000, 7), (3, 1000)])
def test_softmax_equals_the_formula(N: int, K: int, dtype: type, fast: str) -> None:
    z = np.random.default_rng(0).standard_normal((N, K)).astype(dtype) * 3
    e = np.exp(z.astype(np.longdouble))
    expected = (e / e.sum(axis=1, keepdims=True)).astype(dtype)
    close(softmax(z, fast), expected)
    out = np.full_like(z, 7)
    assert softmax(z, fast, out) is out
    close(out, expected)
    assert softmax(z, fast, z) is z
    close(z, expected)


@in_each
def test_softmax_of_huge_and_nonfinite_numbers_row_by_row(fast: str) -> None:
    z = np.array([[1e308, -1e308, 0], [-INF, 0, 0], [NAN, 0, 0], [0, NAN, 1], [0, INF, 0]])
    with np.errstate(invalid="ignore", over="ignore"):
        y = softmax(z, fast)
    nans = [NAN] * 3
    close(y, np.array([[1, 0, 0], [0, 0.5, 0.5], nans, nans, nans]))


# ---- softmax_crossentropy ----


def crossentropy(z: NDArray[Any], q: NDArray[Any], fast: str) -> tuple[NDArray[Any], NDArray[Any]]:
    with kernels.use_backend(fast):
        return losses.softmax_crossentropy(z, q)


def onehot(N: int, K: int, dtype: Any) -> NDArray[Any]:
    return np.eye(K, dtype=dtype)[np.arange(N) % K]


@in_each
@in_both_dtypes
@pytest.mark.parametrize(("N", "K"), [(0, 3), (1, 1), (5, 10), (1000, 7), (3, 1000)])
def test_losses_and_gradients_equal_the_formula(N: int, K: int, dtype: type, fast: str) -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((N, K)).astype(dtype) * 3
    smoothed = onehot(N, K, dtype) * dtype(0.9) + dtype(0.1 / K)
    weighted = rng.random((N, K)).astype(dtype)  # their sum is not one
    for q in (onehot(N, K, dtype), smoothed, weighted):
        values, dz = crossentropy(z, q, fast)
        wide = z.astype(np.longdouble)
        log_softmax = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
        close(values, -(q * log_softmax).sum(axis=1).astype(dtype))
        close(dz, (np.exp(log_softmax) * q.sum(axis=1, keepdims=True) - q).astype(dtype))


@in_each
@in_both_dtypes
def test_huge_logits_do_not_overflow(dtype: type, fast: str) -> None:
    huge = np.finfo(dtype).max / 4
    z = np.array([[huge, -huge, 0], [-huge, -huge, -huge], [1000, 999, -1000]], dtype)
    q = onehot(3, 3, dtype)
    values, dz = crossentropy(z, q, fast)
    close(values, np.array([0, np.log(3), 2000 + np.log1p(np.exp(-1))], dtype))
    p = 1 / (1 + np.exp(-1))
    close(dz, np.array([[0, 0, 0], [1 / 3, -2 / 3, 1 / 3], [p, 1 - p, -1]], dtype))


@in_each
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("special", [NAN, INF])
def test_a_nonfinite_logit_affects_only_its_row(special: float, place: int, fast: str) -> None:
    z = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    z[1, place] = special
    q = onehot(3, 3, float)
    with np.errstate(invalid="ignore"):
        values, dz = crossentropy(z, q, fast)
        expected = crossentropy(z, q, "numpy")
    assert np.isnan(values).tolist() == [False, True, False]
    close(values, expected[0])
    close(dz, expected[1])


@in_each
def test_a_logit_of_minus_infinity_has_probability_zero(fast: str) -> None:
    z = np.array([[-INF, 0.0, 0.0]])
    values, dz = crossentropy(z, np.array([[0.5, 0.5, 0]]), fast)
    assert values.tolist() == [INF]
    close(dz, np.array([[-0.5, 0, 0.5]]))


@in_each
@pytest.mark.parametrize(
    "call",
    [
        crossentropy,
        lambda z, q, fast: [softmax(z, fast), softmax(q, fast)],
        lambda z, q, fast: [kernels.relu_backward(z, q, backend=fast)],
    ],
    ids=["crossentropy", "softmax", "relu_backward"],
)
def test_arguments_may_have_any_memory_order_and_are_not_modified(call: Any, fast: str) -> None:
    z, q = np.random.default_rng(0).standard_normal((2, 40, 6))
    given = np.asfortranarray(z), np.repeat(q, 2, axis=0)[::2]
    for mine, theirs in zip(call(*given, fast), call(z, q, "numpy"), strict=True):
        close(np.ascontiguousarray(mine), theirs)
    same(np.ascontiguousarray(given[0]), z)
    same(np.ascontiguousarray(given[1]), q)


# ---- Adam ----

Parameters = list[tuple[NDArray[Any], ...]]


def second_step(make: Any = optimizers.Adam, **options: Any) -> optimizers.Adam:
    """An optimizer whose slots are filled already."""
    optimizer = make(**options)
    optimizer.iterations = 2
    return optimizer


STEPS = [
    lambda: second_step(),
    lambda: second_step(learning_rate=0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3, weight_decay=0.3),
    lambda: second_step(optimizers.AdamW, learning_rate=1e-2, beta_1=0.0, weight_decay=10),
]


def move(optimizer: optimizers.Adam, parameters: Parameters, fast: str) -> None:
    """One step of all parameters (w, g, m, s)."""
    named = [(str(k), w, g) for k, (w, g, _, _) in enumerate(parameters)]
    optimizer.slots = {str(k): {"m": m, "s": s} for k, (_, _, m, s) in enumerate(parameters)}
    with kernels.use_backend(fast):
        optimizer.move(named, optimizer.current_learning_rate)


SHAPES = [(3, 4, 5), (7,), (200, 150), (1, 1), (0,)]


def parameters(dtype: type) -> Parameters:
    """(w, g, m, s) of several shapes."""
    rng = np.random.default_rng(0)
    found = []
    for shape in SHAPES:
        w, g, m, s = rng.standard_normal((4, *shape)).astype(dtype)
        found.append((w, g, m, np.abs(s)))
    return found


@needs_numba
@in_both_dtypes
@pytest.mark.parametrize("make", STEPS)
def test_compiled_adam_equals_the_formula_to_the_last_bit(dtype: type, make: Any) -> None:
    mine, theirs = parameters(dtype), parameters(dtype)
    move(make(), mine, "numba")
    move(make(), theirs, "numpy")
    for one, other in zip(mine, theirs, strict=True):
        same(one[1], other[1])
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_max_ulp(a, b, maxulp=1)


@in_each
@in_both_dtypes
def test_a_step_of_adam_by_hand(dtype: type, fast: str) -> None:
    w, g, m, s = (np.array([value], dtype) for value in (1, 2, 0, 0))
    optimizer = optimizers.Adam(0.5, 0.9, 0.75, 0.0, weight_decay=1)
    optimizer.iterations = 1
    move(optimizer, [(w, g, m, s)], fast)
    # g = 2 + 1; m/(1-0.9) = g and s/(1-0.75) = g², so that w moves by lr
    np.testing.assert_allclose([w[0], m[0], s[0]], [0.5, 0.3, 3**2 / 4], rtol=1e-6)


@in_each
def test_adam_steps_are_the_same_in_any_memory_order(fast: str) -> None:
    mine, theirs = parameters(np.float64)[0], parameters(np.float64)[0]
    mine = tuple(np.asfortranarray(array) for array in mine)
    move(STEPS[1](), [mine], fast)
    move(STEPS[1](), [theirs], fast)
    move(STEPS[1](), [], fast)  # no parameters, no change
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_max_ulp(a, b, maxulp=1)


def test_a_prepared_adam_is_for_exactly_its_arrays() -> None:
    given = parameters(np.float32)[:2]
    prepared = PreparedAdam(given)
    named = [("a", *given[0][:2]), ("b", *given[1][:2])]
    assert prepared.is_for(named)
    assert prepared.is_for([("other names", *given[0][:2]), ("", *given[1][:2])])
    assert not prepared.is_for(named[:1])
    assert not prepared.is_for([*named, named[0]])
    assert not prepared.is_for(named[::-1])
    for index in (1, 2):
        other = list(named[1])
        other[index] = other[index].copy()
        assert not prepared.is_for([named[0], tuple(other)])
    assert PreparedAdam([]).is_for([])
    assert not PreparedAdam([]).is_for(named)


@in_each
def test_a_nan_gradient_affects_only_its_own_weight(fast: str) -> None:
    w, g, m, s = np.ones((4, 5), np.float32)
    g[2] = NAN
    move(STEPS[0](), [(w, g, m, s)], fast)
    assert np.isnan(w).tolist() == [False, False, True, False, False]


# ---- take_scaled ----

PIXELS = np.arange(256, dtype=np.uint8).reshape(8, 32)


@in_each
def test_each_of_the_256_pixel_values_becomes_the_float32_nearest_to_it(fast: str) -> None:
    scaled = kernels.take_scaled(PIXELS, np.arange(8), backend=fast)
    same(scaled.reshape(-1), (np.arange(256) / 255).astype(np.float32))
    assert scaled.min() == 0
    assert scaled.max() == 1


@in_each
@pytest.mark.parametrize(
    "rows",
    [
        np.array([3, 0, 7, 7, 1], np.uint8),
        np.array([-1, -8, 0, -3]),  # from the end
        np.array([], np.int64),
        np.random.default_rng(0).integers(-8, 8, 5000, np.int32),
    ],
    ids=["repeated", "negative", "none", "many"],
)
@pytest.mark.parametrize("pixels", [PIXELS, np.repeat(PIXELS, 2, axis=0)[::2, ::3]])
def test_rows_are_taken_in_order(rows: NDArray[Any], pixels: NDArray[Any], fast: str) -> None:
    same(kernels.take_scaled(pixels, rows, backend=fast), scale(pixels[rows]))


@in_each
@pytest.mark.parametrize("row", [8, -9, 2**40, 0.5])
def test_a_row_out_of_range_or_not_whole_is_an_index_error(row: float, fast: str) -> None:
    for rows in ([row], [0, row], [row, 0]):
        with pytest.raises(IndexError):
            kernels.take_scaled(PIXELS, np.array(rows), backend=fast)
