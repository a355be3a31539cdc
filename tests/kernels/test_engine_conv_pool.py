"""Convolution, ReLU and max-pooling in one pass ("fused"), compared with separate steps."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import (
    NUMPY,
    POOLED,
    REFERENCE,
    Pooled,
    arrays,
    by_pooled_geometry,
    conv2d,
    conv_pool,
    conv_pool_backward,
)
from kernel_cases import Case, as_pair, close, same

pytest.importorskip("numba")

from minicnn import kernels
from minicnn.kernels.engine import operations


def taps(pooled: Pooled) -> int:
    """Pixels of a pooling window."""
    PH, PW = as_pair(pooled.size)
    return PH * PW


# ---- forward ----


@by_pooled_geometry
@pytest.mark.parametrize("N", [0, 1, 2, 33])
def test_maxima_and_argmax_are_those_of_separate_steps(name: str, N: int) -> None:
    pooled = POOLED[name].of(N)
    x, w, b = arrays(pooled.conv)
    y, argmax = conv_pool(pooled, x, w, b)
    expected = conv_pool(pooled, x, w, b, **(REFERENCE if N == 1 else NUMPY))
    same(y, expected[0])
    same(argmax, expected[1])
    same(conv_pool(pooled, x, w, None)[0], conv_pool(pooled, x, w, np.zeros_like(b))[0])
    given = arrays(pooled.conv, whole=False)
    close(conv_pool(pooled, *given)[0], conv_pool(pooled, *given, **NUMPY)[0])


def test_the_first_of_equal_taps_wins_and_none_does_if_all_are_zero_or_less() -> None:
    pooled = POOLED["course1"].of(2)
    x, w, b = arrays(pooled.conv)
    y, argmax = conv_pool(pooled, np.zeros_like(x), w, np.abs(b) + 1)
    same(y, np.broadcast_to(np.abs(b) + 1, y.shape))
    same(argmax, np.zeros_like(argmax))
    for bias in (0, -1):
        y, argmax = conv_pool(pooled, np.zeros_like(x), w, np.full_like(b, bias))
        same(y, np.zeros_like(y))
        same(argmax, np.full_like(argmax, 4))


def test_ties_within_a_window_go_to_the_first_in_row_major_order() -> None:
    pooled = POOLED["one filter, pointwise"].of(1)
    x, w, b = arrays(pooled.conv)
    w[...], b[...], x[...] = 0, 0, 0
    w[0, 0, 3] = 1  # y is x's channel 3
    x[0, :, :4, 3] = [
        [1, 5, 0, 0],
        [5, 5, 7, 0],
        [-1, -1, 3, 3],
        [2, 2, 3, 3],
        [0, 0, -2, 0],
        [0, 0, -2, -1],
    ]
    y, argmax = conv_pool(pooled, x, w, b)
    assert y[0, :, :, 0].tolist() == [[5, 7], [2, 3], [0, 0]]
    assert argmax[0, :, :, 0].tolist() == [[1, 2], [2, 0], [4, 4]]


# ---- backward ----


@by_pooled_geometry
@pytest.mark.parametrize("N", [1, 2, 33])
def test_gradients_are_those_of_separate_steps(name: str, N: int) -> None:
    pooled = POOLED[name].of(N)
    for whole, agree in ((True, same), (False, close)):
        x, w, b = arrays(pooled.conv, whole)
        y, argmax = conv_pool(pooled, x, w, b)
        (dy,) = (pooled.conv.whole if whole else pooled.conv.normal)(y.shape)
        if N == 33:
            assert set(np.unique(argmax)) >= set(range(taps(pooled)))  # all taps win somewhere
        expected = conv_pool_backward(pooled, dy, argmax, x, w, **(REFERENCE if N == 1 else NUMPY))
        mine = conv_pool_backward(pooled, dy, argmax, x, w)
        for one, other in zip(mine, expected, strict=True):
            agree(one, other)


@pytest.mark.parametrize("name", ["course1", "1×2, stride 2"])
def test_without_dx_the_fused_gradients_are_the_same_to_the_bit(name: str) -> None:
    pooled = POOLED[name].of(33)
    x, w, b = arrays(pooled.conv, whole=False)
    y, argmax = conv_pool(pooled, x, w, b)
    _, dw, db = conv_pool_backward(pooled, y, argmax, x, w)
    none, dw_alone, db_alone = conv_pool_backward(pooled, y, argmax, x, w, need_dx=False)
    assert none is None
    assert dw_alone.tobytes() == dw.tobytes()
    assert db_alone.tobytes() == db.tobytes()


def test_a_batch_without_images_has_fused_gradients_of_zero() -> None:
    pooled = POOLED["course1"].of(0)
    x, w, b = arrays(pooled.conv)
    y, argmax = conv_pool(pooled, x, w, b)
    for need_dx in (True, False):
        dx, dw, db = conv_pool_backward(pooled, y, argmax, x, w, need_dx=need_dx)
        assert dx is None if not need_dx else dx.shape == x.shape
        same(dw, np.zeros_like(w))
        same(db, np.zeros_like(b))


def test_an_argmax_beyond_the_last_tap_passes_no_gradient() -> None:
    pooled = POOLED["course1"].of(2)
    x, w, b = arrays(pooled.conv)
    y, argmax = conv_pool(pooled, x, w, b)
    dy = np.ones_like(y)
    expected = conv_pool_backward(pooled, dy, argmax, x, w)
    strange = np.where(argmax == 4, 255, argmax).astype(np.uint8)
    assert (strange == 255).any()
    for mine, theirs in zip(conv_pool_backward(pooled, dy, strange, x, w), expected, strict=True):
        same(mine, theirs)


# ---- what fits the registers ----


@pytest.mark.parametrize("size", [5, pytest.param((2, 9), marks=pytest.mark.exhaustive)])
def test_a_window_too_large_for_the_registers_uses_separate_steps_or_raises_if_forced(
    size: int | tuple[int, int],
) -> None:
    F = 40
    assert not operations.fits(as_pair(size), F, np.dtype(np.float32))
    pooled = Pooled(Case((2, 14, 19, 2), (3, 3), F, {}, 1, np.float32), size)
    x, w, b = arrays(pooled.conv)
    message = (
        r'expected a pooling window whose outputs fit .*received .* 40 filters; use "separate"'
    )
    with pytest.raises(ValueError, match=message):
        conv_pool(pooled, x, w, b)
    y, argmax = conv_pool(pooled, x, w, b, algorithm=None, backend="numpy")
    with pytest.raises(ValueError, match=message):
        conv_pool_backward(pooled, y, argmax, x, w)
    for algorithm in (None, "auto", "separate"):
        mine = conv_pool(pooled, x, w, b, algorithm=algorithm)
        same(mine[0], y)
        same(mine[1], argmax)


def test_the_fused_kernel_equals_three_calls_of_public_functions() -> None:
    """The definition in the docstring: max_pool2d(max(conv2d(x, w, b), 0), size)."""
    pooled = POOLED["2×3, stride (2, 1)"].of(2)
    x, w, b = arrays(pooled.conv)
    z = np.maximum(conv2d(pooled.conv, x, w, b, **NUMPY), 0)
    y, expected = kernels.max_pool2d(z, pooled.size, backend="numpy")
    mine, argmax = conv_pool(pooled, x, w, b)
    same(mine, y)
    above = y > 0
    np.testing.assert_array_equal(argmax[above], expected[above])
    assert (argmax[~above] == taps(pooled)).all()
