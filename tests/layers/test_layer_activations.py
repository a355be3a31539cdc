"""Activations: values, stability, and the option `activation=` of other layers."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import layers
from minicnn.layers import Activation, Layer
from minicnn.layers import activation as activations
from minicnn.typing import Array, Shape

NAMES = list(activations.TABLE)


def apply(layer: Layer, *values: float) -> list[float]:
    return layer.forward(np.array([values], np.float64)).ravel().tolist()


def test_relu_keeps_nan_and_drops_an_infinite_gradient_below_zero() -> None:
    relu = layers.ReLU()
    y = relu.forward(np.array([[np.nan, -np.inf, np.inf, -1.0, -0.0, 1.0]]), training=True)
    np.testing.assert_array_equal(y, [[np.nan, 0, np.inf, 0, 0, 1]])
    dx = relu.backward(np.array([[1.0, np.inf, 1.0, np.nan, 7.0, np.inf]]))
    np.testing.assert_array_equal(dx[:, 1:], [[0, 1, 0, 0, np.inf]])


def test_leaky_relu_scales_the_gradient_below_zero() -> None:
    leaky = layers.LeakyReLU(0.25)
    assert leaky.forward(np.array([[-4.0, 0.0, 4.0]]), training=True).tolist() == [[-1, 0, 4]]
    assert leaky.backward(np.array([[8.0, 8.0, 8.0]])).tolist()[0][::2] == [2, 8]
    assert layers.LeakyReLU().slope == 0.3


def test_sigmoid_is_its_formula_and_does_not_overflow() -> None:
    x = np.linspace(-20, 20, 41)
    np.testing.assert_allclose(
        layers.Sigmoid().forward(x[None])[0], 1 / (1 + np.exp(-x)), rtol=1e-12, atol=1e-15
    )
    assert apply(layers.Sigmoid(), -1e4, 0, 1e4) == [0, 0.5, 1]


def test_tanh_is_its_formula_and_does_not_overflow() -> None:
    assert apply(layers.Tanh(), -1e4, 0, 1, 1e4) == [-1, 0, np.tanh(1), 1]


def test_softmax_is_over_the_last_axis(rng: np.random.Generator) -> None:
    e = np.exp(rng.standard_normal((2, 3, 4, 5)))
    np.testing.assert_allclose(
        layers.Softmax().forward(np.log(e)), e / e.sum(axis=-1, keepdims=True), rtol=1e-12
    )


# ---- activation= ----


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("kind", "shape"), [("conv", (5, 6, 2)), ("dense", (7,))], ids=["Conv2D", "Dense"]
)
def test_activation_equals_a_separate_layer(
    name: str, kind: str, shape: Shape, rng: np.random.Generator
) -> None:
    def weighted(**options: object) -> Layer:
        made: Layer = (
            layers.Conv2D(3, 2, **options) if kind == "conv" else layers.Dense(3, **options)  # type: ignore[arg-type]
        )
        made.build(shape, np.random.default_rng(5))
        return made

    together, apart, then = weighted(activation=name), weighted(), activations.get(name)
    assert then is not None
    x = rng.standard_normal((4, *shape)).astype(np.float32)
    y = together.forward(x, training=True)
    np.testing.assert_array_equal(y, then.forward(apart.forward(x, training=True), training=True))
    np.testing.assert_array_equal(y, together.forward(x + 0))
    together.forward(x, training=True)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    np.testing.assert_array_equal(together.backward(dy), apart.backward(then.backward(dy)))
    assert together.grads.keys() == apart.grads.keys() == {"w", "b"}
    for key in together.grads:
        np.testing.assert_array_equal(together.grads[key], apart.grads[key])


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_may_be_a_name_a_class_name_a_layer_or_a_configuration(name: str) -> None:
    cls = activations.TABLE[name]
    for given in (name, cls.__name__, cls(), {"class": cls.__name__}):
        found = layers.Dense(3, activation=given).nonlinearity  # type: ignore[arg-type]
        assert type(found) is cls


@pytest.mark.parametrize("none", [None, "linear"])
def test_no_activation_and_linear_leave_the_sum_as_it_is(none: str | None) -> None:
    dense = layers.Dense(1, activation=none, kernel_initializer="ones")
    dense.build((2,), np.random.default_rng(0), np.float64)
    assert dense.nonlinearity is None
    assert apply(dense, -3, 1) == [-2]


def test_an_unknown_activation_is_a_value_error_that_lists_what_there_is() -> None:
    for make in (
        lambda a: layers.Dense(3, activation=a),
        lambda a: layers.Conv2D(3, 3, activation=a),
    ):
        with pytest.raises(ValueError, match="unknown activation 'rleu'") as caught:
            make("rleu")
        for name in NAMES:
            assert name in str(caught.value)
        assert "did you mean 'relu'" in str(caught.value)
    with pytest.raises(TypeError, match="expected activation as a name or an object, received 3"):
        layers.Dense(3, activation=3)  # type: ignore[arg-type]


class Scaled(Activation):
    """A custom activation."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def f(self, x: Array, out: Array | None = None) -> Array:
        return np.multiply(x, self.factor, out=out)

    def df(self, dy: Array, y: Array) -> Array:
        return dy * self.factor


def test_custom_activation_in_a_layer() -> None:
    dense = layers.Dense(1, activation=Scaled(3.0), kernel_initializer="ones")
    dense.build((2,), np.random.default_rng(0), np.float64)
    assert dense.forward(np.array([[1.0, 2.0]]), training=True).tolist() == [[9]]
    dx = dense.backward(np.array([[1.0]]))
    assert dx is not None
    assert dx.tolist() == [[3, 3]]
