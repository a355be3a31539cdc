"""Optimizers: a few steps by hand; tests/parity compares them with PyTorch."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest

from minicnn.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop

EACH = [
    SGD(0.1),
    SGD(0.1, 0.9),
    SGD(0.1, 0.9, True),
    RMSprop(),
    RMSprop(momentum=0.9),
    Adam(),
    AdamW(),
]


def run(optimizer: Optimizer, w: list[float], *grads: list[float]) -> list[list[float]]:
    """The weights after each step."""
    weights, after = np.array(w), []
    for g in grads:
        optimizer.step([("w", weights, np.array(g))])
        after.append(weights.tolist())
    return after


# ---- by hand ----


def test_sgd_by_hand() -> None:
    assert run(SGD(0.5), [1.0, 2.0], [2.0, 0.0], [0.0, -4.0]) == [[0, 2], [0, 4]]


def test_momentum_by_hand() -> None:
    # v: 1, 1.5, 1.75
    assert run(SGD(1.0, 0.5), [0.0], [1.0], [1.0], [1.0]) == [[-1], [-2.5], [-4.25]]


def test_nesterov_by_hand() -> None:
    # v: 1, 1.5; u = g + v/2: 1.5, 1.75
    assert run(SGD(1.0, 0.5, nesterov=True), [0.0], [1.0], [1.0]) == [[-1.5], [-3.25]]


def test_weight_decay_is_added_to_the_gradient() -> None:
    assert run(SGD(0.5, weight_decay=0.1), [10.0], [1.0]) == [[10 - 0.5 * (1 + 0.1 * 10)]]


def test_rmsprop_by_hand() -> None:
    # s = 0.25 · 16, √s = 2
    assert run(RMSprop(1.0, rho=0.75, epsilon=0.5), [0.0], [4.0]) == [[pytest.approx(-4 / 2.5)]]


def test_rmsprop_momentum_by_hand() -> None:
    # rho = 0: √s = |g|, u = 1; v: 1, 1.5
    after = run(RMSprop(1.0, rho=0.0, momentum=0.5, epsilon=0.0), [0.0], [4.0], [9.0])
    np.testing.assert_allclose(after, [[-1], [-2.5]])


def test_adams_first_step_is_the_learning_rate_against_the_sign() -> None:
    after = run(Adam(0.1, epsilon=0.0), [0.0, 0.0], [1e-3, -1e3])
    np.testing.assert_allclose(after, [[-0.1, 0.1]])


def test_adams_second_step_by_hand() -> None:
    after = run(Adam(1.0, 0.5, 0.75, epsilon=0.5), [0.0], [2.0], [4.0])
    m1, s1 = 0.5 * 2, 0.25 * 4
    w1 = -(m1 / 0.5) / (sqrt(s1 / 0.25) + 0.5)
    m2, s2 = 0.5 * m1 + 0.5 * 4, 0.75 * s1 + 0.25 * 16
    w2 = w1 - (m2 / 0.75) / (sqrt(s2 / (1 - 0.75**2)) + 0.5)
    np.testing.assert_allclose(after, [[w1], [w2]], rtol=1e-14)


def test_adamw_decays_weights_beside_the_step() -> None:
    after = run(AdamW(0.1, weight_decay=0.5, epsilon=0.0), [10.0], [1.0])
    np.testing.assert_allclose(after, [[10 * (1 - 0.1 * 0.5) - 0.1]])
    assert AdamW().weight_decay == 0.01
    for other in (SGD(), RMSprop(), Adam()):
        assert other.weight_decay == 0


# ---- clipping ----


def sgd_step(optimizer: Optimizer, *grads: list[float], dtype: Any = np.float64) -> list[Any]:
    """One step with rate 1 from weights at 0: the clipped gradients."""
    weights = [np.zeros(len(g), dtype) for g in grads]
    optimizer.step(
        [
            (str(i), w, np.array(g, dtype))
            for i, (w, g) in enumerate(zip(weights, grads, strict=True))
        ]
    )
    return [(-w).tolist() for w in weights]


def test_clipnorm_scales_each_gradient_by_itself() -> None:
    clipped = sgd_step(SGD(1.0, clipnorm=1), [3.0, 4.0], [0.6, 0.0], [0.0, -10.0])
    np.testing.assert_allclose(clipped, [[0.6, 0.8], [0.6, 0], [0, -1]], rtol=1e-14)


def test_global_clipnorm_scales_all_by_their_common_norm() -> None:
    clipped = sgd_step(SGD(1.0, global_clipnorm=6.5), [3.0, 4.0], [0.0, 12.0])  # norm 13
    np.testing.assert_allclose(clipped, [[1.5, 2], [0, 6]], rtol=1e-14)
    assert sgd_step(SGD(1.0, global_clipnorm=13), [3.0, 4.0], [0.0, 12.0]) == [[3, 4], [0, 12]]


def test_clipping_comes_before_weight_decay() -> None:
    weights = np.array([10.0])
    SGD(1.0, clipnorm=1, weight_decay=0.5).step([("w", weights, np.array([100.0]))])
    assert weights.tolist() == [10 - (1 + 5)]


@pytest.mark.parametrize("which", ["clipnorm", "global_clipnorm"])
def test_a_float32_gradient_whose_square_overflows_is_clipped_and_not_lost(which: str) -> None:
    clipped = sgd_step(SGD(1.0, **{which: 10.0}), [3e20, 4e20], dtype=np.float32)
    np.testing.assert_allclose(clipped, [[6, 8]], rtol=1e-6)


# ---- every optimizer ----


@pytest.mark.parametrize("optimizer", EACH, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_change_in_place_and_keep_their_dtype(optimizer: Optimizer, dtype: type) -> None:
    optimizer = replace(optimizer)
    w, g = np.ones((2, 3), dtype), np.full((2, 3), 0.5, dtype)
    for step in range(1, 4):
        before = w.copy()
        optimizer.step([("w", w, g.copy())])
        assert (w < before).all()
        assert w.dtype == dtype
        assert optimizer.iterations == step
    for held in optimizer.slots["w"].values():
        assert held.dtype == dtype
        assert held.shape == w.shape


@pytest.mark.parametrize("optimizer", EACH, ids=repr)
def test_parameters_are_identified_by_name_not_by_order(optimizer: Optimizer) -> None:
    def train(flipped: bool) -> list[list[float]]:
        mine = replace(optimizer)
        a, b = np.array([1.0, 2.0]), np.array([[3.0]])
        for step in range(5):
            parameters = [("a", a, np.array([1.0, -2.0])), ("b", b, np.array([[5.0]]))]
            mine.step(parameters[::-1] if flipped and step % 2 else parameters)
        return [a.tolist(), b.tolist()]

    assert train(False) == train(True)


def test_the_learning_rate_is_that_of_the_next_step() -> None:
    assert SGD().current_learning_rate == 1e-2
    for cls in (RMSprop, Adam, AdamW):
        assert cls().current_learning_rate == 1e-3
    assert Adam(0.25).current_learning_rate == 0.25


# ---- errors and names ----


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(-0.1), "a learning rate >= 0, received -0.1"),
        (lambda: Adam(float("nan")), "a learning rate >= 0, received nan"),
        (lambda: SGD(momentum=1), "0 <= momentum < 1, received 1"),
        (lambda: SGD(momentum=-0.1), "0 <= momentum < 1, received -0.1"),
        (lambda: SGD(nesterov=True), "momentum > 0 with nesterov=True, received 0"),
        (lambda: RMSprop(rho=1), "0 <= rho < 1, received 1"),
        (lambda: RMSprop(momentum=1), "0 <= momentum < 1, received 1"),
        (lambda: Adam(beta_1=1), "0 <= beta_1 < 1, received 1"),
        (lambda: Adam(beta_2=-1), "0 <= beta_2 < 1, received -1"),
        (lambda: AdamW(weight_decay=-1), "weight_decay >= 0, received -1"),
        (lambda: SGD(weight_decay=float("nan")), "weight_decay >= 0, received nan"),
        (lambda: SGD(clipnorm=0), "clipnorm > 0 or None, received 0"),
        (lambda: Adam(global_clipnorm=-1), "global_clipnorm > 0 or None, received -1"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"expected {words}"):
        make()
