"""Backprop against central differences, with options that `minicnn.gradcheck` does not check."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minicnn import gradcheck, layers
from minicnn.layers import Layer
from minicnn.typing import Shape

Make = Callable[[], Layer]
IMAGE = (5, 4, 2)
CASES: list[tuple[Make, Shape]] = [
    (lambda: layers.Conv2D(3, 1), (3, 3, 1)),
    (lambda: layers.Conv2D(1, (5, 4)), IMAGE),
    (lambda: layers.Conv2D(2, 2, strides=2, use_bias=False), IMAGE),
    (lambda: layers.Conv2D(2, (3, 2), strides=(2, 3), padding="same", l2=0.3), IMAGE),
    (lambda: layers.Conv2D(2, 2, dilation_rate=(2, 3), activation="tanh"), IMAGE),
    (lambda: layers.Conv2D(2, 3, padding=2, activation="sigmoid"), (3, 2, 1)),
    (lambda: layers.Conv2D(2, 2, padding=((0, 1), (2, 0)), activation="softmax"), (3, 3, 1)),
    (lambda: layers.Dense(1, use_bias=False), (1,)),
    (lambda: layers.Dense(3, activation="tanh", l2=0.2), (4,)),
    (lambda: layers.MaxPool2D((2, 3), (1, 2), padding="same"), IMAGE),
    (lambda: layers.MaxPool2D(3, 2, padding=((2, 1), (0, 2))), IMAGE),
    (lambda: layers.MaxPool2D(1, 2), IMAGE),
    (lambda: layers.AvgPool2D(3, 1, padding="same"), IMAGE),
    (lambda: layers.AvgPool2D((1, 3), 2, padding=((0, 0), (2, 1))), IMAGE),
    (lambda: layers.Flatten(), (3,)),
    (lambda: layers.LeakyReLU(1.0), (5,)),
    (lambda: layers.Softmax(), (3, 2, 4)),
    (lambda: layers.Dropout(0), (5,)),
    (lambda: layers.BatchNorm(momentum=0.5, epsilon=0.1), (4,)),
]


@pytest.mark.parametrize(
    ("make", "shape"), CASES, ids=[f"{make().label}-{i}" for i, (make, _) in enumerate(CASES)]
)
def test_backprop_agrees_with_central_differences_to_1e_7(
    make: Make, shape: Shape, backend: str
) -> None:
    layer = make()
    checks = list(gradcheck.check_layer(layer, shape, batch=2, seed=1))
    assert [check.parameter for check in checks] == ["x", *layer.params]
    for check in checks:
        assert check.error <= 1e-7, check


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("seed", range(3))  # none gives a weighted sum within 1e-5 of 0
def test_activations_with_a_kink_behind_weights(activation: str, seed: int) -> None:
    for layer, shape in (
        (layers.Conv2D(2, 2, activation=activation), (3, 3, 1)),
        (layers.Dense(4, activation=activation), (3,)),
    ):
        for check in gradcheck.check_layer(layer, shape, batch=2, seed=seed):
            assert check.error <= 1e-7, check


def test_the_command_checks_every_kind_of_layer() -> None:
    assert {type(layer) for layer, _ in gradcheck.all_layers()} == set(layers.TABLE.values())
