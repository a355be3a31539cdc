"""Sequential: building, weights, compiling, and its error messages."""

import numpy as np
import pytest
from fit_cases import SHAPE, images, network, one_hot

from minicnn import Sequential, architectures, kernels, layers, losses, metrics, optimizers


def small(**options):
    return Sequential(network(), **options)


def same(a, b):
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def differ(a, b):
    return any(not np.array_equal(one, other) for one, other in zip(a, b, strict=True))


# ---- building ----


@pytest.mark.parametrize(
    ("name", "count"),
    [("course", 53_866), ("codelab", 5_994), ("examples", 33_194), ("node", 594_922)],
)
def test_the_tutorials_networks_have_the_documented_number_of_parameters(name, count):
    model = Sequential(architectures.TABLE[name](10), input_shape=(28, 28, 1))
    assert model.num_params == count
    with kernels.use_backend("numpy"):  # Numba would have to compile kernels
        assert sum(w.size for _, w, _ in _with_grads(model)) == count
    assert model.output_shape == (10,)


def _with_grads(model):
    """parameters() of a model that has been through one backward."""
    model.compile()
    x = np.zeros((2, *model.input_shape), np.float32)
    model.train_on_batch(x, np.eye(model.output_shape[0])[[0, 1]])
    return model.parameters()


def test_a_model_with_an_input_shape_is_built_at_once():
    model = small(input_shape=SHAPE)
    assert model.built
    assert (model.input_shape, model.output_shape) == (SHAPE, (3,))


@pytest.mark.parametrize("use", ["fit", "train_on_batch", "evaluate", "predict"])
def test_the_first_data_builds_a_model_without_input_shape(use):
    model, at_once = small(seed=1), small(seed=1, input_shape=SHAPE)
    assert not model.built
    assert model.input_shape is None
    model.compile(optimizers.SGD(0))
    x, y = images(4).tolist(), one_hot(4).tolist()
    {
        "fit": lambda: model.fit(x, y, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "evaluate": lambda: model.evaluate(x, y),
        "predict": lambda: model.predict(x),
    }[use]()
    assert model.built
    assert model.input_shape == SHAPE
    same(model.get_weights(), at_once.get_weights())


def test_layers_can_be_added_one_by_one():
    model = Sequential(seed=5)
    for layer in small().layers:
        model.add(layer)
    model.build(SHAPE)
    same(model.get_weights(), small(seed=5, input_shape=SHAPE).get_weights())


def test_adding_to_a_built_model_is_refused():
    model = small(input_shape=SHAPE)
    with pytest.raises(RuntimeError, match="built already"):
        model.add(layers.Dense(3))
    assert len(model.layers) == 4


def test_an_empty_model_cannot_be_built():
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential([], input_shape=SHAPE)
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential().predict(images())


@pytest.mark.parametrize("thing", ["relu", None, 3, layers.Flatten, optimizers.SGD()])
def test_an_object_that_is_not_a_layer_is_refused(thing):
    with pytest.raises(TypeError, match="expected a layer"):
        Sequential([layers.Flatten(), thing])


def test_the_same_layer_twice_is_refused():
    layer = layers.Dense(4, name="second")
    with pytest.raises(ValueError, match=r"second.*twice"):
        Sequential([layer, layers.ReLU(), layer])


@pytest.mark.parametrize(
    ("bad", "shape", "index", "words"),
    [
        # the message has the layer's index, its name, what it expected and what it received
        ([layers.Conv2D(2, 3)], (28, 28), 0, ["Conv2D", r"\(H, W, channels\)", r"\(28, 28\)"]),
        ([layers.Conv2D(2, 3, name="eye")], (5,), 0, ["eye", r"\(5,\)"]),
        ([layers.Conv2D(2, 3), layers.Dense(3)], SHAPE, 1, ["Dense", r"\(4, 4, 2\)", "Flatten"]),
        ([layers.Conv2D(2, 7)], SHAPE, 0, ["Conv2D", "7", "6"]),
        ([layers.MaxPool2D(2), layers.MaxPool2D(4)], SHAPE, 1, ["MaxPool2D", "4", "3"]),
        ([layers.Flatten(), layers.AvgPool2D(2)], SHAPE, 1, ["AvgPool2D", r"\(36,\)"]),
        ([layers.Flatten(), layers.GlobalAvgPool2D()], SHAPE, 1, ["GlobalAvgPool2D", r"\(36,\)"]),
        ([layers.Reshape((5, 7))], SHAPE, 0, ["Reshape", "36", r"\(5, 7\)"]),
        ([layers.Reshape((5, -1))], SHAPE, 0, ["Reshape", "36", r"\(5, -1\)"]),
    ],
)
def test_layers_that_do_not_fit_are_named(bad, shape, index, words):
    with pytest.raises(ValueError, match=f"layer {index}") as caught:
        Sequential(bad, input_shape=shape)
    for word in words:
        assert caught.match(word)


@pytest.mark.parametrize(("wrong", "index"), [((6, 6), 0), ((3, 3, 1), 1)])
def test_a_model_that_failed_to_build_can_be_built_with_the_right_shape(wrong, index):
    model = small(seed=2)
    with pytest.raises(ValueError, match=f"layer {index}"):
        model.build(wrong)
    assert not model.built
    model.build(SHAPE)
    assert model.predict(images()).shape == (10, 3)


@pytest.mark.parametrize("shape", [(), (0, 6, 1), (6, -1, 1)])
def test_an_impossible_input_shape_is_refused(shape):
    with pytest.raises(ValueError, match="input_shape"):
        small(input_shape=shape)


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64", np.uint8])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(TypeError, match="float32 or float64"):
        small(dtype=dtype)


# ---- weights ----


def test_the_same_seed_gives_the_same_weights_and_another_seed_or_none_others():
    first, again, second, third, fourth = (
        small(seed=seed, input_shape=SHAPE).get_weights() for seed in (7, 7, 8, None, None)
    )
    same(first, again)
    assert differ(first, second)
    assert differ(first, third)
    assert differ(third, fourth)


def test_no_global_generator_is_used():
    np.random.seed(1)  # noqa: NPY002 - must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = Sequential([layers.Dropout(0.5), layers.Dense(3, activation="softmax")])
    model.compile()
    model.fit(images().reshape(10, -1), one_hot(), verbose=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_weights_and_state_go_from_model_to_model():
    def make(seed):
        return Sequential(
            [layers.Conv2D(2, 3), layers.BatchNorm(), layers.Flatten(), layers.Dense(3)],
            input_shape=SHAPE,
            seed=seed,
        )

    one, other = make(0), make(1)
    one.compile("sgd", "mse")
    one.fit(images(), one_hot(), epochs=2, verbose=0)  # changes BatchNorm's averages too
    assert len(one.get_weights()) == 2 + 4 + 2
    other.set_weights(one.get_weights())
    np.testing.assert_array_equal(other.predict(images()), one.predict(images()))


def test_get_weights_and_set_weights_copy():
    model = small(seed=0, input_shape=SHAPE)
    before, weights = model.get_weights(), model.get_weights()
    model.set_weights(weights)
    for weight in weights:
        weight += 1
    same(model.get_weights(), before)


def test_set_weights_refuses_another_number_or_shape_and_changes_nothing():
    model = small(seed=0, input_shape=SHAPE)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"expected 4 arrays, received 3"):
        model.set_weights(before[:3])
    wrong = [w + 1 for w in before]
    wrong[2] = wrong[2].T  # (8, 3) → (3, 8)
    with pytest.raises(ValueError, match=r"Dense.*\(8, 3\).*\(3, 8\)"):
        model.set_weights(wrong)
    same(model.get_weights(), before)


def test_a_prediction_of_a_softmax_model_is_a_probability_compiled_or_not():
    model = small(seed=0, input_shape=SHAPE)
    before = model.predict(images())
    assert before.shape == (10, 3)
    np.testing.assert_array_equal(model(images()), before)
    np.testing.assert_allclose(before.sum(axis=1), 1, rtol=1e-6)
    model.compile("adam", "categorical_crossentropy")  # the softmax moves into the loss
    np.testing.assert_array_equal(model.predict(images()), before)


# ---- compiling ----


def test_names_classes_and_objects_mean_the_same():
    model = small()
    model.compile("sgd", "mse", "accuracy")
    assert isinstance(model.optimizer, optimizers.SGD)
    assert isinstance(model.loss, losses.MeanSquaredError)
    assert [metric.name for metric in model.metrics] == ["accuracy"]
    model.compile("sgd", "mse", None)
    assert model.metrics == []
    model.compile(optimizers.SGD, losses.MeanSquaredError, [metrics.Accuracy()])
    assert isinstance(model.optimizer, optimizers.SGD)
    given = optimizers.Adam(0.5)
    model.compile(given, losses.CategoricalCrossentropy(0.1))
    assert model.optimizer is given
    assert model.loss == losses.CategoricalCrossentropy(0.1)


def test_custom_optimizer_needs_only_an_update():
    class Sign(optimizers.Optimizer):
        def update(self, w, g, slots):
            return np.sign(g)

    model = small(seed=0, input_shape=SHAPE)
    model.compile(Sign(0.25))
    before = model.get_weights()
    model.train_on_batch(images(), one_hot())
    for old, new in zip(before, model.get_weights(), strict=True):
        assert set(np.unique(np.round(new - old, 3))) <= {-0.25, 0.0, 0.25}
    assert differ(before, model.get_weights())


def test_compiling_again_starts_the_optimizer_afresh():
    model, fresh = small(seed=0, input_shape=SHAPE), small(seed=0, input_shape=SHAPE)
    model.compile("adam")
    model.fit(images(), one_hot(), epochs=3, verbose=0)
    fresh.set_weights(model.get_weights())
    for each in (model, fresh):
        each.compile("adam")
        assert each.optimizer.iterations == 0
        each.train_on_batch(images(), one_hot())
    same(model.get_weights(), fresh.get_weights())


def test_loss_among_the_metrics_is_not_counted_twice():
    model = small(input_shape=SHAPE)
    model.compile(metrics=["loss", "accuracy"])
    assert list(model.evaluate(images(), one_hot())) == ["loss", "accuracy"]


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_cross_entropy_without_softmax_is_refused_with_advice(loss):
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match="softmax") as caught:
        model.compile(loss=loss)
    assert 'activation="softmax"' in str(caught.value)
    assert "from_logits=True" in str(caught.value)


def test_from_logits_is_for_a_model_without_softmax():
    model = Sequential([layers.Flatten(), layers.Dense(3)], input_shape=SHAPE, seed=0)
    model.compile("sgd", losses.CategoricalCrossentropy(from_logits=True), ["accuracy"])
    logits = model.predict(images())
    assert logits.min() < 0  # they stay logits
    with_softmax = Sequential(
        [layers.Flatten(), layers.Dense(3, activation="softmax")], input_shape=SHAPE, seed=0
    )
    with_softmax.compile("sgd", "categorical_crossentropy", ["accuracy"])
    assert model.evaluate(images(), one_hot()) == with_softmax.evaluate(images(), one_hot())


def test_from_logits_with_softmax_as_an_activation_or_a_layer_is_refused():
    as_layer = Sequential([layers.Flatten(), layers.Dense(3), layers.Softmax()])
    for model in (small(), as_layer):
        model.compile(loss="categorical_crossentropy")
        with pytest.raises(ValueError, match="from_logits"):
            model.compile(loss=losses.CategoricalCrossentropy(from_logits=True))


def test_a_compile_that_fails_leaves_the_former_one():
    model = small(input_shape=SHAPE)
    model.compile("sgd", "mse", ["accuracy"])
    before = model.optimizer, model.loss, model.metrics
    for wrong in ({"loss": "no"}, {"optimizer": "no"}, {"metrics": ["no"]}):
        with pytest.raises(ValueError, match="unknown"):
            model.compile(**{"optimizer": "adam", "loss": "mse", **wrong})
        assert (model.optimizer, model.loss, model.metrics) == before


@pytest.mark.parametrize("use", ["fit", "train_on_batch", "evaluate"])
def test_before_compile_the_error_says_what_to_do(use):
    model = small(input_shape=SHAPE, seed=0)
    options = {"verbose": 0} if use == "fit" else {}
    before = model.get_weights()
    with pytest.raises(RuntimeError, match=r"model\.compile\("):
        getattr(model, use)(images(), one_hot(), **options)
    for name in ("optimizer", "loss"):
        with pytest.raises(RuntimeError, match=r"model\.compile\("):
            getattr(model, name)
    same(model.get_weights(), before)


# ---- objects used more than once ----


def test_an_activation_object_may_be_given_to_several_layers():
    def make(first, second):
        model = Sequential(
            [
                layers.Flatten(),
                layers.Dense(5, activation=first),
                layers.Dense(4, activation=second),
                layers.Dense(3, activation="softmax"),
            ],
            input_shape=SHAPE,
            seed=0,
        )
        model.compile("sgd")
        return model

    relu = layers.ReLU()
    shared, separate = make(relu, relu), make("relu", "relu")
    for model in (shared, separate):
        model.train_on_batch(images(), one_hot())
    same(shared.get_weights(), separate.get_weights())


def test_built_layers_cannot_be_built_again():
    model = small(seed=0, input_shape=SHAPE)
    before = model.get_weights()
    for build in (
        lambda: model.build(SHAPE),
        lambda: Sequential(model.layers[:3], input_shape=SHAPE, seed=1),
    ):
        with pytest.raises(RuntimeError, match="would throw the weights away"):
            build()
    same(model.get_weights(), before)


def test_one_optimizer_object_cannot_train_two_models():
    optimizer = optimizers.Adam(0.01)
    first, second = small(seed=0, input_shape=SHAPE), small(seed=0, input_shape=SHAPE)
    first.compile(optimizer)
    second.compile(optimizer)
    with pytest.raises(RuntimeError, match="optimizer object was given to another"):
        first.train_on_batch(images(), one_hot())
    second.train_on_batch(images(), one_hot())
    with pytest.raises(ValueError, match="this optimizer object has trained another model"):
        first.compile(optimizer)
