"""Dense layers with the register tile (algorithm "tile")."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import close, same
from numpy.typing import NDArray

pytest.importorskip("numba")

from minicnn import kernels
from minicnn.kernels.engine import product
from minicnn.kernels.engine.operations import Dense

TILE: dict[str, Any] = {"algorithm": "tile", "backend": "numba"}
BLAS: dict[str, Any] = {"algorithm": "blas", "backend": "numba"}
BATCHES = [0, 1, 3, 13, 14, 29, 100]

# D, U, dtype: a last vector with few lanes in use, one panel and several, a single output
SIZES = [
    (37, 35, np.float32),
    (5, 17, np.float64),
    pytest.param(130, 1, np.float32, marks=pytest.mark.exhaustive),
]
by_size = pytest.mark.parametrize(("D", "U", "dtype"), SIZES)


def integers(*shapes: tuple[int, ...], dtype: Any) -> list[NDArray[Any]]:
    """Small integers."""
    rng = np.random.default_rng(0)
    return [rng.integers(-6, 7, shape).astype(dtype) for shape in shapes]


def normal(*shapes: tuple[int, ...], dtype: Any) -> list[NDArray[Any]]:
    """Normal numbers."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


# ---- forward ----


@by_size
@pytest.mark.parametrize("N", BATCHES)
def test_products_are_those_of_blas_exactly_for_integers_else_up_to_rounding(
    N: int, D: int, U: int, dtype: type
) -> None:
    for draw, agree in ((integers, same), (normal, close)):
        x, w, b = draw((N, D), (D, U), (U,), dtype=dtype)
        agree(kernels.dense(x, w, b, **TILE), kernels.dense(x, w, b, **BLAS))
        agree(kernels.dense(x, w, **TILE), kernels.dense(x, w, **BLAS))


@pytest.mark.parametrize("N", [1, 3, 29])
def test_relu_is_the_maximum_with_zero_of_every_product(N: int) -> None:
    x, w, b = integers((N, 37), (37, 35), (35,), dtype=np.float32)
    y = kernels.dense(x, w, b, relu=True, **TILE)
    same(y, np.maximum(kernels.dense(x, w, b, **BLAS), 0))
    same(y, kernels.dense(x, w, b, relu=True, **BLAS))
    assert (y == 0).any()
    assert (y > 0).any()


@by_size
def test_a_row_gives_the_same_bits_alone_and_in_any_batch(D: int, U: int, dtype: type) -> None:
    x, w, b = normal((100, D), (D, U), (U,), dtype=dtype)
    expected = kernels.dense(x, w, b, **TILE)
    for N in BATCHES[1:]:
        for start in (0, 100 - N):
            rows = slice(start, start + N)
            assert kernels.dense(x[rows], w, b, **TILE).tobytes() == expected[rows].tobytes(), N


# ---- backward ----


@by_size
@pytest.mark.parametrize("N", BATCHES)
def test_gradients_are_those_of_blas_exactly_for_integers_else_up_to_rounding(
    N: int, D: int, U: int, dtype: type
) -> None:
    for draw, agree in ((integers, same), (normal, close)):
        x, w, dy = draw((N, D), (D, U), (N, U), dtype=dtype)
        expected = kernels.dense_backward(dy, x, w, **BLAS)
        for mine, theirs in zip(kernels.dense_backward(dy, x, w, **TILE), expected, strict=True):
            assert mine is not None
            assert theirs is not None
            agree(mine, theirs)


def test_without_dx_the_other_gradients_of_dense_are_the_same_to_the_bit() -> None:
    x, w, dy = normal((29, 37), (37, 35), (29, 35), dtype=np.float32)
    _, dw, db = kernels.dense_backward(dy, x, w, **TILE)
    none, dw_alone, db_alone = kernels.dense_backward(dy, x, w, need_dx=False, **TILE)
    assert none is None
    assert dw_alone.tobytes() == dw.tobytes()
    assert db_alone.tobytes() == db.tobytes()


@pytest.mark.parametrize("N", [2, 14])
def test_a_dense_operation_with_relu_has_no_gradient_where_its_output_is_zero(
    N: int,
) -> None:
    x, w, b, dy = integers((N, 37), (37, 35), (35,), (N, 35), dtype=np.float32)
    operation = Dense(N, w.shape, True, x.dtype)
    passed = np.where(operation.forward(x, w, b) > 0, dy, 0)
    expected = kernels.dense_backward(passed, x, w, **BLAS)
    for mine, theirs in zip(operation.backward(dy, x, w, True), expected, strict=True):
        same(mine, theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 33), (300, 130), (3, 40)])
def test_a_transposed_matrix_is_complete(shape: tuple[int, int], dtype: type) -> None:
    from minicnn.kernels.engine.threads import team

    w = np.arange(shape[0] * shape[1], dtype=dtype).reshape(shape)
    transposed = np.full(shape[::-1], -1, dtype)
    team.call(product.transpose(np.dtype(dtype)), w, transposed)
    same(transposed, np.ascontiguousarray(w.T))
