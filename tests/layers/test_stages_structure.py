"""Which layers are fused into one stage, with or without Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicnn import Sequential, architectures, kernels, layers
from minicnn.layers import Layer, fuse
from minicnn.layers.stages import Prepared, Stage

IMAGE = (26, 26, 3)


def described(stages: list[Layer]) -> list[str]:
    """The kind of each stage, and the layers that it runs."""
    found = []
    for stage in stages:
        text = type(stage).__name__
        if isinstance(stage, Stage):
            text += f"({', '.join(layer.label for layer in stage.layers)})"
        if isinstance(stage, Prepared) and stage.relu:
            text += " with ReLU"
        found.append(text)
    return found


def stages_of(*made: Layer, shape: tuple[int, ...] = IMAGE) -> list[str]:
    """The stages of these layers, built for images of `shape`."""
    return described(Sequential(made, shape, seed=0).stages)


POOLED, CONV, RELU = "ConvReLUPool(Conv2D, MaxPool2D)", "Prepared(Conv2D)", "ReLU"


# ---- the networks ----


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("course", [POOLED, POOLED, "Flatten", "Prepared(Dense) with ReLU", "Prepared(Dense)"]),
        ("codelab", [POOLED, POOLED, "Flatten", "Prepared(Dense)"]),
        (
            "node",
            [
                "Prepared(Conv2D) with ReLU",
                POOLED,
                "Prepared(Conv2D) with ReLU",
                POOLED,
                "Flatten",
                "Dropout",
                "Prepared(Dense) with ReLU",
                "Dropout",
                "Prepared(Dense)",
            ],
        ),
    ],
)
def test_the_stages_of_the_tutorials_networks(name: str, stages: list[str]) -> None:
    model = Sequential(architectures.TABLE[name](10), (28, 28, 1), seed=0)
    assert described(model.stages) == [*stages, "Softmax"]
    model.compile()  # now the loss takes the logits
    assert described(model.stages) == stages


# ---- convolution, ReLU and pooling ----


@pytest.mark.parametrize("size", [1, 2, 3, (1, 2), (15, 17), 13])
def test_a_convolution_with_relu_and_a_max_pool_are_one_stage(
    size: int | tuple[int, int],
) -> None:
    assert stages_of(layers.Conv2D(4, 3, activation="relu"), layers.MaxPool2D(size)) == [POOLED]


def test_relu_can_be_a_separate_layer() -> None:
    made = layers.Conv2D(4, 3), layers.ReLU(), layers.MaxPool2D(2)
    assert stages_of(*made) == ["ConvReLUPool(Conv2D, ReLU, MaxPool2D)"]


@pytest.mark.parametrize(
    "conv",
    [
        lambda: layers.Conv2D(4, 3, activation="relu", strides=2, padding="same"),
        lambda: layers.Conv2D(4, 3, activation=layers.ReLU(), use_bias=False, l2=0.1),
        lambda: layers.Conv2D(4, 3, activation="relu", dilation_rate=2),
    ],
)
def test_any_convolution_can_begin_it(conv: Callable[[], Layer]) -> None:
    """A dilated one too: whether a kernel fuses it is decided when the stage is run."""
    assert stages_of(conv(), layers.MaxPool2D(2)) == [POOLED]


@pytest.mark.parametrize(
    ("pool", "fits"),
    [
        (lambda: layers.MaxPool2D(2, 2, padding="valid"), True),
        (lambda: layers.MaxPool2D(2, padding="same"), True),  # 24×24 outputs need no padding
        (lambda: layers.MaxPool2D(5, padding="same"), False),
        (lambda: layers.MaxPool2D(2, padding=1), False),
        (lambda: layers.MaxPool2D(2, padding=((0, 0), (0, 1))), False),
        (lambda: layers.MaxPool2D(3, 2), False),  # windows overlap
        (lambda: layers.MaxPool2D(2, 3), False),  # there are gaps
        (lambda: layers.MaxPool2D((2, 1), (1, 2)), False),
        (lambda: layers.MaxPool2D(16), False),  # 256 taps: more than a byte can name
        (lambda: layers.AvgPool2D(2), False),
        (lambda: layers.GlobalAvgPool2D(), False),
    ],
)
def test_only_a_max_pool_without_overlap_gaps_or_padding_ends_it(
    pool: Callable[[], Layer], fits: bool
) -> None:
    end = pool()
    found = stages_of(layers.Conv2D(4, 3, activation="relu"), end)
    apart = ["Prepared(Conv2D) with ReLU", type(end).__name__]
    assert found == ([POOLED] if fits else apart)
    found = stages_of(layers.Conv2D(4, 3), layers.ReLU(), pool())
    one = ["ConvReLUPool(Conv2D, ReLU, MaxPool2D)"]
    assert found == (one if fits else [CONV, RELU, type(end).__name__])


def test_a_layer_between_them_prevents_fusing() -> None:
    pool = layers.MaxPool2D
    assert stages_of(layers.Conv2D(4, 3), layers.BatchNorm(), layers.ReLU(), pool()) == [
        CONV,
        "BatchNorm",
        RELU,
        "MaxPool2D",
    ]
    assert stages_of(layers.Conv2D(4, 3, activation="relu"), layers.Dropout(0.5), pool()) == [
        "Prepared(Conv2D) with ReLU",
        "Dropout",
        "MaxPool2D",
    ]


def test_without_relu_a_max_pool_is_not_fused() -> None:
    assert stages_of(layers.Conv2D(4, 3), layers.MaxPool2D()) == [CONV, "MaxPool2D"]
    for other in ("tanh", "leaky_relu", "sigmoid"):
        made = layers.Conv2D(4, 3, activation=other), layers.MaxPool2D()
        activation = type(made[0].nonlinearity).__name__
        assert stages_of(*made) == [CONV, activation, "MaxPool2D"]


# ---- one layer ----


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "leaky_relu", "softmax"])
def test_another_activation_follows_as_a_separate_layer(activation: str) -> None:
    dense = layers.Dense(4, activation=activation)
    assert dense.nonlinearity is not None
    name = type(dense.nonlinearity).__name__
    assert stages_of(dense, shape=(5,)) == ["Prepared(Dense)", name]


def test_layers_without_weights_are_their_own_stages() -> None:
    made = [
        layers.MaxPool2D(),
        layers.ReLU(),
        layers.BatchNorm(),
        layers.Dropout(0.1),
        layers.Flatten(),
        layers.Softmax(),
    ]
    model = Sequential(made, IMAGE)
    assert all(a is b for a, b in zip(model.stages, made, strict=True))


@pytest.mark.parametrize("head", [[layers.Softmax()], []])
def test_a_softmax_at_the_end_is_left_to_the_loss_whether_a_layer_or_an_activation(
    head: list[Layer],
) -> None:
    dense = layers.Dense(4, activation=None if head else "softmax")
    model = Sequential([layers.Flatten(), dense, *head], IMAGE)
    assert described(model.stages) == ["Flatten", "Prepared(Dense)", "Softmax"]
    model.compile()
    assert described(model.stages) == ["Flatten", "Prepared(Dense)"]
    model.compile(loss="mse")
    assert described(model.stages) == ["Flatten", "Prepared(Dense)", "Softmax"]


# ---- custom layers ----


class Halved(layers.MaxPool2D):
    """A custom pooling."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return super().forward(x, training) / 2


class Doubled(layers.Conv2D):
    """A custom convolution."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return super().forward(x, training) * 2


class Shifted(layers.Dense):
    """A custom dense layer."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return super().forward(x, training) + 1


COMPILED: dict[str, Any] = {"strides": (1, 2), "padding": 1, "activation": "relu"}


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        # the engine's tests compile these shapes too
        (lambda: [layers.Conv2D(40, 3, **COMPILED), Halved((1, 2))], (3, 26, 16)),
        (lambda: [Doubled(40, 3, **COMPILED), layers.MaxPool2D((1, 2))], (3, 26, 16)),
        (lambda: [Shifted(35, activation="relu")], (37,)),
    ],
)
def test_a_custom_subclass_of_a_layer_is_run_by_its_own_methods(
    make: Callable[[], list[Layer]], shape: tuple[int, ...]
) -> None:
    model = Sequential(make(), shape, seed=0)
    x = np.random.default_rng(0).random((2, *shape), np.float32)
    fused = model.forward(x)
    model.fused = False
    np.testing.assert_allclose(fused, model.forward(x), rtol=1e-4, atol=1e-5)


# ---- what a stage is ----


def course() -> Sequential:
    return Sequential(architectures.course(), (28, 28, 1), seed=0)


@pytest.mark.parametrize("name", kernels.available_backends())
def test_backward_without_forward_is_a_runtime_error_of_the_stage(name: str) -> None:
    model = course()
    model.compile()
    with kernels.use_backend(name):
        for stage in model.stages:
            with pytest.raises(RuntimeError, match=r"needs forward\(x, training=True\) first"):
                stage.backward(np.zeros((2, *stage.output_shape), np.float32))


# ---- the switch ----


def test_fused_is_on_and_can_be_switched_off_and_on_at_any_time() -> None:
    model = Sequential(architectures.course(), seed=0)
    assert model.fused
    assert model.stages == model.layers  # not built yet
    model.fused = False
    model.build((28, 28, 1))
    assert not model.fused
    assert model.stages == model.layers
    model.fused = True
    assert described(model.stages)[0] == POOLED
    model.compile()
    assert described(model.stages)[0] == POOLED
    model.fused = False
    model.compile()
    assert model.stages[:-1] == model.layers[:-1]


def test_fuse_does_not_change_the_list_or_the_layers() -> None:
    model = course()
    given = list(model.layers)
    before = [dict(vars(layer)) for layer in given]
    fuse(given)
    assert all(a is b for a, b in zip(given, model.layers, strict=True))
    assert [dict(vars(layer)) for layer in given] == before
