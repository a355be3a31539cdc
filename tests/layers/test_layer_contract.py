"""The contract of every layer: shapes, dtypes, what it keeps, errors that name the layer."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from minicnn import gradcheck, layers
from minicnn.layers import Layer
from minicnn.typing import Shape

Built = tuple[Layer, Shape]
NUMBER = range(len(gradcheck.all_layers()))


@pytest.fixture(
    params=NUMBER, ids=[f"{a[0].label}-{i}" for i, a in enumerate(gradcheck.all_layers())]
)
def case(request: pytest.FixtureRequest) -> Built:
    """Each layer of the gradient check, built for float32, and its input shape."""
    layer, shape = gradcheck.all_layers()[request.param]
    layer.build(shape, np.random.default_rng(0))
    return layer, shape


def some(shape: Shape, N: int = 3, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(N).standard_normal((N, *shape)).astype(dtype)


# ---- what is kept ----


def test_backward_without_forward_is_a_runtime_error_that_names_the_layer(case: Built) -> None:
    layer, _ = case
    for name in (None, "the third"):
        layer.name = name
        with pytest.raises(RuntimeError, match=name or type(layer).__name__) as caught:
            layer.backward(some(layer.output_shape))
        assert "forward(x, training=True)" in str(caught.value)


@pytest.mark.parametrize("trained_before", [False, True])
def test_forward_outside_training_keeps_nothing(case: Built, trained_before: bool) -> None:
    layer, shape = case
    if trained_before:
        layer.forward(some(shape), training=True)
    x = some(shape)
    alive = weakref.ref(x)
    y = layer.forward(x)
    del x, y
    assert alive() is None
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(some(layer.output_shape))


def test_after_backward_nothing_is_kept(case: Built) -> None:
    layer, shape = case
    x = some(shape)
    alive = weakref.ref(x)
    y = layer.forward(x, training=True)
    dx = layer.backward(np.ones_like(y))
    del x, y, dx
    assert alive() is None
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(some(layer.output_shape))


# ---- params and grads ----


def test_params_and_grads_have_equal_keys_shapes_and_dtypes(case: Built) -> None:
    layer, shape = case
    layer.forward(some(shape), training=True)
    layer.backward(some(layer.output_shape))
    assert layer.grads.keys() == layer.params.keys()
    for key, value in layer.params.items():
        assert layer.grads[key].shape == value.shape
        assert layer.grads[key].dtype == value.dtype
    assert layer.num_params == sum(value.size for value in layer.params.values())


def test_grads_are_assigned_not_added_up(case: Built) -> None:
    layer, shape = case
    if isinstance(layer, layers.Dropout):
        return  # draws another mask, and has no grads
    results = []
    for _ in range(2):
        layer.forward(some(shape), training=True)
        layer.backward(some(layer.output_shape))
        results.append({key: value.copy() for key, value in layer.grads.items()})
    for key in layer.params:
        np.testing.assert_array_equal(results[0][key], results[1][key])


def test_need_dx_false_changes_no_grad(case: Built) -> None:
    layer, shape = case
    if isinstance(layer, layers.Dropout):
        return
    grads, returned = [], []
    for need_dx in (True, False):
        layer.forward(some(shape), training=True)
        returned.append(layer.backward(some(layer.output_shape), need_dx=need_dx))
        grads.append(dict(layer.grads))
    assert returned[0] is not None
    for key in layer.params:
        np.testing.assert_array_equal(grads[0][key], grads[1][key])


def test_the_same_generator_gives_the_same_weights_in_both_dtypes(case: Built) -> None:
    layer, shape = case
    first = {key: value.copy() for key, value in layer.params.items()}
    layer.build(shape, np.random.default_rng(0))
    for key, value in layer.params.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, first[key])
    layer.build(shape, np.random.default_rng(0), "float64")
    for key, value in layer.params.items():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value.astype(np.float32), first[key])


def test_without_drawn_weights_the_parameters_are_placeholders_without_memory(
    case: Built,
) -> None:
    layer, shape = case
    shapes = {key: value.shape for key, value in (layer.params | layer.state).items()}
    layer.build(shape, np.random.default_rng(0), draw_weights=False)
    for key, value in (layer.params | layer.state).items():
        assert value.shape == shapes[key]
        assert not any(value.strides)
        assert not value.flags.writeable


# ---- shapes and dtypes ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [0, 1, 3])
def test_shapes_and_dtypes_are_those_promised_for_any_number_of_samples(
    case: Built, N: int, dtype: type
) -> None:
    layer, shape = case
    layer.build(shape, np.random.default_rng(0), dtype)
    x = some(shape, N, dtype)
    for training in (False, True):
        before = x.copy()
        y = layer.forward(x, training)
        assert y.shape == (N, *layer.output_shape)
        assert y.dtype == dtype
        np.testing.assert_array_equal(x, before)  # not changed
    dy = some(layer.output_shape, N, dtype)
    before = dy.copy()
    dx = layer.backward(dy)
    assert dx is not None
    assert dx.shape == x.shape
    assert dx.dtype == dtype
    np.testing.assert_array_equal(dy, before)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(8, 3), (28, 28, 1), (26, 26, 8)),
        (layers.Conv2D(8, 3, padding="same", strides=2), (28, 27, 1), (14, 14, 8)),
        (layers.Conv2D(4, (3, 1), padding=((1, 0), (2, 2))), (5, 5, 2), (4, 9, 4)),
        (layers.Conv2D(4, 3, dilation_rate=2), (7, 6, 2), (3, 2, 4)),
        (layers.MaxPool2D(2), (13, 12, 5), (6, 6, 5)),
        (layers.MaxPool2D(2, padding="same"), (13, 12, 5), (7, 6, 5)),
        (layers.AvgPool2D(3, 1), (5, 6, 2), (3, 4, 2)),
        (layers.GlobalAvgPool2D(), (5, 6, 2), (2,)),
        (layers.Dense(10), (7,), (10,)),
        (layers.Flatten(), (5, 6, 2), (60,)),
        (layers.Reshape((3, -1, 2)), (5, 6, 2), (3, 10, 2)),
        (layers.BatchNorm(), (5, 6, 2), (5, 6, 2)),
    ],
)
def test_output_shapes_by_hand_are_those_of_infer_and_forward(
    layer: Layer, shape: Shape, expected: Shape
) -> None:
    layer.build(shape, np.random.default_rng(0))
    assert layer.infer(shape) == layer.output_shape == expected
    for N in (0, 2):
        y = layer.forward(some(shape, N), training=True)
        assert y.shape == (N, *expected)
        dx = layer.backward(np.ones_like(y))
        assert dx is not None
        assert dx.shape == (N, *shape)


# ---- errors ----


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(1, 3), (28, 28)),
        (layers.Conv2D(1, 3), (1, 28, 28, 1)),
        (layers.Conv2D(1, 3), (2, 28, 1)),
        (layers.Conv2D(1, 3, dilation_rate=4), (8, 28, 1)),
        (layers.MaxPool2D(2), (28, 28)),
        (layers.MaxPool2D(2), (1, 28, 3)),
        (layers.MaxPool2D(2, padding=2), (8, 8, 3)),
        (layers.AvgPool2D(2), (28,)),
        (layers.AvgPool2D(9), (8, 8, 3)),
        (layers.GlobalAvgPool2D(), (10,)),
        (layers.Dense(3), (28, 28, 1)),
        (layers.Dense(3), ()),
        (layers.Reshape((7, 2)), (28, 28, 1)),
        (layers.Reshape((7, -1)), (5,)),
        (layers.BatchNorm(), ()),
    ],
    ids=lambda value: value.label if isinstance(value, Layer) else str(value),
)
def test_a_shape_that_a_layer_cannot_take_is_a_value_error_that_names_it(
    layer: Layer, shape: Shape
) -> None:
    kind = type(layer).__name__
    with pytest.raises(ValueError, match=rf"{kind}: expected "):
        layer.build(shape, np.random.default_rng(0))
    layer.name = "the third"
    with pytest.raises(ValueError, match="the third: expected "):
        layer.build(shape, np.random.default_rng(0))
    layer.name = None


def test_a_dense_layer_on_images_suggests_flatten_and_a_convolution_the_missing_axis() -> None:
    with pytest.raises(ValueError, match=r"Flatten\(\)"):
        layers.Dense(3).infer((28, 28, 1))
    with pytest.raises(ValueError, match=r"reshape\(-1, H, W, 1\)"):
        layers.Conv2D(3, 3).infer((28, 28))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Conv2D(0, 3), "filters >= 1, received"),
        (lambda: layers.Conv2D(8, 0), "kernel_size >= 1, received 0"),
        (lambda: layers.Conv2D(8, 3, strides=(1, 0)), "strides >= 1, received"),
        (lambda: layers.Conv2D(8, 3, dilation_rate=-1), "dilation_rate >= 1, received -1"),
        (lambda: layers.Conv2D(8, 3, l2=-1), "l2 >= 0, received -1"),
        (lambda: layers.Dense(3, l2=float("nan")), "l2 >= 0, received nan"),
        (lambda: layers.Dense(0), "units >= 1, received"),
        (lambda: layers.MaxPool2D(0), "pool_size >= 1, received 0"),
        (lambda: layers.AvgPool2D(2, (0, 1)), "strides >= 1, received"),
        (lambda: layers.LeakyReLU(0), "0 < slope <= 1, received 0"),
        (lambda: layers.LeakyReLU(1.5), "0 < slope <= 1, received 1.5"),
        (lambda: layers.Dropout(1), "0 <= rate < 1, received 1"),
        (lambda: layers.Dropout(-0.1), "0 <= rate < 1, received -0.1"),
        (lambda: layers.Dropout(float("nan")), "0 <= rate < 1, received nan"),
        (lambda: layers.BatchNorm(momentum=1.1), "0 <= momentum <= 1, received 1.1"),
        (lambda: layers.BatchNorm(epsilon=0), "epsilon > 0, received 0"),
        (lambda: layers.Reshape((-1, -1)), "at most one of them -1, received"),
        (lambda: layers.Reshape((0, 3)), "sizes >= 1.*received"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"expected .*{words}"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(8.5, 3),
        lambda: layers.Conv2D(8, "3"),
        lambda: layers.Conv2D(8, (3, 3, 3)),
        lambda: layers.Dense(True),
        lambda: layers.MaxPool2D(2.0),
    ],
)
def test_an_option_that_is_no_whole_number_is_a_type_error(make: Any) -> None:
    with pytest.raises(
        TypeError, match=r"expected .* as an? (int or a pair of ints|whole number), received"
    ):
        make()


# ---- from names and configurations ----


@pytest.mark.parametrize("name", layers.TABLE)
def test_every_kind_of_layer_has_a_snake_case_name(name: str) -> None:
    if name in {"conv2d", "dense", "dropout", "reshape"}:  # those need an argument
        return
    assert type(layers.get(name)) is layers.TABLE[name]
