"""Conv2D and Dense: forward by hand, initializers, bias, L2."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import initializers, layers
from minicnn.layers import Weighted
from minicnn.typing import Shape

KINDS = [
    (lambda **o: layers.Conv2D(3, 2, **o), (4, 5, 2)),
    (lambda **o: layers.Dense(3, **o), (7,)),
]
both = pytest.mark.parametrize(("make", "shape"), KINDS, ids=["Conv2D", "Dense"])


def build(layer: Weighted, shape: Shape, seed: int = 0) -> Weighted:
    layer.build(shape, np.random.default_rng(seed), np.float64)
    return layer


def test_conv2d_by_hand(backend: str) -> None:
    conv = build(layers.Conv2D(1, 2, activation="relu"), (2, 3, 1))
    conv.params["w"][...] = np.array([[1, -1], [2, 0]]).reshape(2, 2, 1, 1)
    conv.params["b"][...] = -1
    x = np.array([[1.0, 2.0, 5.0], [3.0, 1.0, 9.0]]).reshape(1, 2, 3, 1)
    # 1 - 2 + 6 - 1, 2 - 5 + 2 - 1
    assert conv.forward(x).ravel().tolist() == [4, 0]


def test_dense_by_hand(backend: str) -> None:
    dense = build(layers.Dense(2, activation="relu"), (3,))
    dense.params["w"][...] = [[1, 0], [0, 1], [2, -2]]
    dense.params["b"][...] = [10, 0]
    assert dense.forward(np.array([[1.0, 2.0, 3.0]])).tolist() == [[17, 0]]


@both
def test_weights_begin_as_glorot_uniform_and_biases_at_zero(make, shape: Shape) -> None:
    layer = build(make(), shape)
    expected = initializers.GlorotUniform()(
        layer.params["w"].shape, np.random.default_rng(0), "float64"
    )
    np.testing.assert_array_equal(layer.params["w"], expected)
    np.testing.assert_array_equal(layer.params["b"], np.zeros(3))


@both
def test_initializers_are_chosen_by_name_or_object(make, shape: Shape) -> None:
    for ones, zeros in (("ones", "zeros"), (initializers.Ones(), initializers.Zeros())):
        layer = build(make(kernel_initializer=ones, bias_initializer=ones), shape)
        assert (layer.params["w"] == 1).all()
        assert (layer.params["b"] == 1).all()
        layer = build(make(kernel_initializer=zeros), shape)
        assert (layer.params["w"] == 0).all()
    with pytest.raises(ValueError, match=r"unknown initializer 'he'.*he_normal"):
        make(kernel_initializer="he")


@both
def test_without_bias_there_is_no_b(make, shape: Shape, rng: np.random.Generator) -> None:
    layer, other = build(make(use_bias=False), shape), build(make(), shape)
    assert layer.params.keys() == {"w"}
    x = rng.standard_normal((2, *shape))
    y = layer.forward(x, training=True)
    np.testing.assert_array_equal(y, other.forward(x))
    layer.backward(np.ones_like(y))
    assert layer.grads.keys() == {"w"}


# ---- L2 ----


@both
def test_the_penalty_is_l2_times_the_sum_of_squared_weights_without_biases(
    make, shape: Shape
) -> None:
    layer = build(make(l2=0.5, bias_initializer="ones"), shape)
    assert layer.penalty() == pytest.approx(0.5 * (layer.params["w"] ** 2).sum(), rel=1e-14)
    layer.params["w"][...] = 2
    assert layer.penalty() == 0.5 * 4 * layer.params["w"].size
    assert build(make(), shape).penalty() == 0


@both
def test_l2_adds_twice_l2_times_w_to_the_gradient_of_w_alone(
    make, shape: Shape, rng: np.random.Generator
) -> None:
    plain, penalized = build(make(), shape), build(make(l2=0.25), shape)
    x = rng.standard_normal((4, *shape))
    dy = rng.standard_normal((4, *plain.output_shape))
    for layer in (plain, penalized):
        layer.forward(x, training=True)
        layer.backward(dy)
    np.testing.assert_allclose(
        penalized.grads["w"], plain.grads["w"] + 0.5 * plain.params["w"], rtol=1e-14, atol=1e-14
    )
    np.testing.assert_array_equal(penalized.grads["b"], plain.grads["b"])
