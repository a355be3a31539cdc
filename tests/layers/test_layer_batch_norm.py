from __future__ import annotations

import numpy as np
import pytest

from minicnn import layers
from minicnn.typing import Shape

SHAPES = [(4,), (5, 6, 3)]


def batch_norm(shape: Shape, dtype: str = "float64", **options: float) -> layers.BatchNorm:
    layer = layers.BatchNorm(**options)
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


def images(shape: Shape, N: int = 7) -> np.ndarray:
    return np.random.default_rng(N).standard_normal((N, *shape)) * 3 + 2


def axes(x: np.ndarray) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


def test_it_begins_as_the_identity_of_normalized_data() -> None:
    layer = batch_norm((3,))
    assert layer.params["gamma"].tolist() == [1, 1, 1]
    assert layer.params["beta"].tolist() == [0, 0, 0]
    assert layer.state["moving_mean"].tolist() == [0, 0, 0]
    assert layer.state["moving_variance"].tolist() == [1, 1, 1]
    assert (layer.momentum, layer.epsilon) == (0.99, 1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_in_training_each_channel_is_normalized_by_the_batch(shape: Shape) -> None:
    layer, x = batch_norm(shape), images(shape)
    layer.params["gamma"][...] = np.arange(2, 2 + shape[-1])
    layer.params["beta"][...] = np.arange(shape[-1])
    mean, variance = x.mean(axis=axes(x)), x.var(axis=axes(x))  # the biased variance
    expected = layer.params["gamma"] * (x - mean) / np.sqrt(variance + 1e-3) + layer.params["beta"]
    np.testing.assert_allclose(layer.forward(x, training=True), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("momentum", [0, 0.9, 1])
def test_moving_averages_follow_the_batches_and_inference_uses_them(
    shape: Shape, momentum: float
) -> None:
    layer = batch_norm(shape, momentum=momentum, epsilon=0.01)
    mean, variance = np.zeros(shape[-1]), np.ones(shape[-1])
    for N in (3, 5, 8):
        x = images(shape, N)
        layer.forward(x, training=True)
        mean = momentum * mean + (1 - momentum) * x.mean(axis=axes(x))
        variance = momentum * variance + (1 - momentum) * x.var(axis=axes(x))
    np.testing.assert_allclose(layer.state["moving_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(layer.state["moving_variance"], variance, rtol=1e-12)
    layer.params["gamma"][...] = 2
    layer.params["beta"][...] = -1
    x = images(shape, 4)
    expected = 2 * (x - mean) / np.sqrt(variance + 0.01) - 1
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12, atol=1e-12)


def test_inference_changes_no_moving_average_and_mixes_no_samples() -> None:
    layer, x = batch_norm((4,)), images((4,))
    layer.forward(x, training=True)
    before = {key: value.copy() for key, value in layer.state.items()}
    together = layer.forward(x)
    for key, value in before.items():
        np.testing.assert_array_equal(layer.state[key], value)
    np.testing.assert_allclose(np.concatenate([layer.forward(row[None]) for row in x]), together)


def test_one_sample_alone_becomes_beta() -> None:
    layer = batch_norm((4,))
    layer.params["beta"][...] = 5
    np.testing.assert_array_equal(layer.forward(images((4,), 1), training=True), np.full((1, 4), 5))


def test_an_empty_batch_changes_no_moving_average() -> None:
    layer = batch_norm((4,))
    layer.forward(np.zeros((0, 4)), training=True)
    assert layer.state["moving_mean"].tolist() == [0] * 4
    assert layer.state["moving_variance"].tolist() == [1] * 4


def test_float32_loses_no_digits_down_a_long_column() -> None:
    x = (np.random.default_rng(0).standard_normal((200_000, 2)) + 100).astype(np.float32)
    layer = batch_norm((2,), "float32", momentum=0)
    y = layer.forward(x, training=True)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(layer.state["moving_mean"], exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(layer.state["moving_variance"], exact.var(axis=0), rtol=1e-5)
    assert abs(y.mean(axis=0, dtype=np.float64)).max() < 1e-4
