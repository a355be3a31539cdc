from __future__ import annotations

import numpy as np
import pytest

from minicnn import layers

SHAPE = (100, 10)


def dropout(rate: float, seed: int = 0) -> layers.Dropout:
    layer = layers.Dropout(rate)
    layer.build(SHAPE, np.random.default_rng(seed))
    return layer


def ones(n: int = 100) -> np.ndarray:
    return np.ones((n, *SHAPE), np.float32)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_a_share_of_rate_is_zeroed_and_the_others_are_scaled(
    rate: float,
) -> None:
    x = ones()
    y = dropout(rate).forward(x, training=True)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - rate))}
    sigma = np.sqrt(rate * (1 - rate) / x.size)
    assert abs((y == 0).mean() - rate) < 5 * sigma
    assert abs(y.mean() - 1) < 5 * sigma / (1 - rate)
    # the same for every sample and every pixel
    assert abs((y == 0).mean(axis=(1, 2)) - rate).max() < 6 * np.sqrt(rate * (1 - rate) / 1000)
    assert abs((y == 0).mean(axis=(0, 2)) - rate).max() < 6 * np.sqrt(rate * (1 - rate) / 1000)


def test_outside_training_it_does_nothing(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(dropout(0.5).forward(x), x, strict=True)


def test_inference_between_two_steps_changes_no_mask() -> None:
    one, two = dropout(0.5), dropout(0.5)
    one.forward(ones(2), training=True)
    two.forward(ones(2), training=True)
    one.forward(ones(2))
    np.testing.assert_array_equal(
        one.forward(ones(2), training=True), two.forward(ones(2), training=True)
    )


def test_backward_uses_the_mask_of_forward(rng: np.random.Generator) -> None:
    layer = dropout(0.3)
    y = layer.forward(ones(), training=True)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    np.testing.assert_array_equal(layer.backward(dy), dy * y)


def test_the_same_seed_gives_the_same_masks_and_another_seed_others() -> None:
    a, b, c = (dropout(0.5, seed) for seed in (1, 1, 2))
    for _ in range(2):
        mask = a.forward(ones(), training=True)
        np.testing.assert_array_equal(mask, b.forward(ones(), training=True))
        assert (mask != c.forward(ones(), training=True)).any()


def test_two_dropouts_of_one_model_have_different_masks() -> None:
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(2):
        layer = layers.Dropout(0.5)
        layer.build(SHAPE, rng)
        masks.append(layer.forward(ones(), training=True))
    assert 0.45 < (masks[0] == masks[1]).mean() < 0.55


def test_weights_drawn_before_do_not_change_the_masks() -> None:
    rng = np.random.default_rng(1)
    layers.Dense(50).build((20,), rng)
    layer = layers.Dropout(0.5)
    layer.build(SHAPE, rng)
    np.testing.assert_array_equal(
        layer.forward(ones(), training=True), dropout(0.5, seed=1).forward(ones(), training=True)
    )
