"""What fit accepts as x, y and options, and how it refuses the rest."""

import inspect

import numpy as np
import pytest
from fit_cases import SHAPE, Recorder, classes, images, moved, new_model, one_hot, same

from minicnn import Sequential
from minicnn.data import ScaledImages


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "form",
    [
        lambda array: array.tolist(),
        lambda array: array.astype(np.float64),
        lambda array: np.asfortranarray(np.repeat(array, 2, axis=0))[::2],
        read_only,
    ],
)
def test_arrays_in_any_form_train_the_same_model_and_are_not_changed(form):
    plain, other = new_model(), new_model()
    plain.fit(images(), one_hot(), epochs=2, verbose=0, sample_weight=np.ones(10))
    x, y = form(images()), form(one_hot())
    other.fit(
        x,
        y,
        epochs=2,
        verbose=0,
        sample_weight=form(np.ones(10)),
        validation_data=[form(images(4)), form(one_hot(4))],
    )
    same(plain, other)
    np.testing.assert_array_equal(x, images())
    np.testing.assert_array_equal(y, one_hot())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 2.5}, TypeError, "batch_size"),
        ({"batch_size": True}, TypeError, "batch_size"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"epochs": "3"}, TypeError, "epochs"),
        ({"initial_epoch": -1}, ValueError, "initial_epoch"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch"),
        ({"verbose": 3}, ValueError, "verbose"),
        ({"verbose": "loud"}, ValueError, "verbose"),
        ({"validation_split": 1.0}, ValueError, "validation_split"),
        ({"validation_split": -0.5}, ValueError, "validation_split"),
        ({"validation_split": 0.99}, ValueError, "validation_split"),  # of 10: none is left
    ],
)
def test_a_wrong_option_is_named_before_anything_is_trained(options, error, words):
    model = new_model()
    with pytest.raises(error, match=words):
        model.fit(images(), one_hot(), **{"verbose": 0, **options})
    assert not moved(model)


def test_counts_may_be_numpy_integers():
    x = Recorder(images())
    new_model().fit(x, one_hot(), batch_size=np.int16(4), epochs=np.int32(1), verbose=0)
    assert [len(batch) for batch in x.batches] == [4, 4, 2]


def test_defaults_of_keras_can_be_given():
    """fit(x, y, batch_size=None, …, callbacks=None, …), as in the signature of Keras."""
    explicit, plain = new_model(), new_model()
    options = {"validation_split": 0.0, "shuffle": True, "initial_epoch": 0, "verbose": 0}
    none = ["batch_size", "callbacks", "validation_data", "class_weight", "sample_weight"]
    options |= dict.fromkeys([*none, "steps_per_epoch"])
    explicit.fit(images(40), one_hot(40), epochs=1, **options)
    plain.fit(images(40), one_hot(40), verbose=0)
    same(explicit, plain)


def test_arguments_have_the_order_of_keras():
    """Positional calls are common: fit(x, y, 128, 10)."""

    def names(method):
        return " ".join(list(inspect.signature(method).parameters)[1:])

    assert names(Sequential.fit) == (
        "x y batch_size epochs verbose callbacks validation_split validation_data shuffle "
        "class_weight sample_weight initial_epoch steps_per_epoch "
        "augmentation resume"  # Keras has neither
    )
    assert names(Sequential.evaluate) == "x y batch_size verbose sample_weight"
    assert names(Sequential.predict) == "x batch_size verbose"
    assert names(Sequential.train_on_batch) == "x y sample_weight class_weight"


@pytest.mark.parametrize("length", [1, 4])
def test_validation_data_of_another_length_is_refused_by_its_name(length):
    data = (images(5), one_hot(5), np.ones(5), {0: 1.0, 1: 1.0, 2: 1.0})[:length]
    with pytest.raises((ValueError, TypeError), match="validation_data"):
        new_model().fit(images(), one_hot(), verbose=0, validation_data=data)


@pytest.mark.parametrize("wrong", [np.ones(9), np.ones((10, 1)), np.ones((10, 3)), 2.0])
def test_sample_weights_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match=r"sample_weight.*\(10,\)"):
        new_model().fit(images(), one_hot(), sample_weight=wrong, verbose=0)


def test_scaled_images_train_to_the_same_bits_as_their_float_array():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 36)).astype(np.uint8)
    lazy, plain = new_model(optimizer="adam"), new_model(optimizer="adam")
    x = ScaledImages(pixels, SHAPE)
    options = {"batch_size": 8, "epochs": 2, "verbose": 0, "validation_split": 0.2}
    a = lazy.fit(x, one_hot(50), **options)
    b = plain.fit(np.asarray(x), one_hot(50), **options)
    same(lazy, plain)
    assert a.history == b.history
    np.testing.assert_array_equal(lazy.predict(x), plain.predict(np.asarray(x)))
    assert lazy.evaluate(x, one_hot(50)) == plain.evaluate(np.asarray(x), one_hot(50))


@pytest.mark.parametrize("use", ["fit", "validate", "train_on_batch", "evaluate", "predict"])
def test_warning_about_bytes_as_x_names_the_line_of_the_call(use):
    model, y = new_model(), one_hot()
    x = (images() * 255).astype(np.uint8)
    call = {
        "fit": lambda: model.fit(x, y, verbose=0),
        "validate": lambda: model.fit(images(), y, verbose=0, validation_data=(x, y)),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "evaluate": lambda: model.evaluate(x, y),
        "predict": lambda: model.predict(x),
    }[use]
    with pytest.warns(UserWarning, match="255") as caught:
        call()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("use", ["fit", "train_on_batch", "evaluate", "predict"])
@pytest.mark.parametrize("shape", [(10, 36), (10, 6, 6)])
def test_an_x_of_the_right_size_in_the_wrong_shape_is_refused_with_the_reshape_that_fits(
    use, shape
):
    targets = () if use == "predict" else (one_hot(),)
    with pytest.raises(ValueError, match=r"reshape\(-1, 6, 6, 1\)") as caught:
        getattr(new_model(), use)(images().reshape(shape), *targets)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("shape", [(10, 5, 6, 1), (10, 6, 6, 3), (10,), ()])
def test_x_of_another_size_is_refused_with_the_expected_shape(shape):
    with pytest.raises(ValueError, match=r"\(N, \*\(6, 6, 1\)\)|\(N, 6, 6, 1\)") as caught:
        new_model().predict(np.zeros(shape, np.float32))
    assert f"received {shape}" in str(caught.value)
    assert "reshape(" not in str(caught.value)


def test_no_samples_are_refused():
    for use in (new_model().fit, new_model().evaluate):
        with pytest.raises(ValueError, match="at least one sample"):
            use(images(0), one_hot(0))


def test_x_and_y_of_different_lengths_are_refused():
    model = new_model()
    with pytest.raises(ValueError, match=r"10.*\(9, 3\)"):
        model.fit(images(10), one_hot(9), verbose=0)
    with pytest.raises(ValueError, match=r"10.*\(11, 3\)"):
        model.evaluate(images(10), one_hot(11))
    assert not moved(model)


def test_an_x_that_holds_no_numbers_is_refused():
    with pytest.raises(TypeError, match="numbers"):
        new_model().predict(np.full((2, *SHAPE), "x"))


def test_labels_beyond_the_outputs_are_refused_before_the_weights_change():
    model = new_model(loss="sparse_categorical_crossentropy")
    for wrong in (3, -1):
        y = classes()
        y[4] = wrong
        with pytest.raises(ValueError, match="0…2"):
            model.train_on_batch(images(), y)
    assert not moved(model)


@pytest.mark.parametrize(("dtype", "column"), [(np.int64, True), (np.uint8, False)])
def test_sparse_targets_train_as_one_hot_ones_do(dtype, column):
    sparse, full = new_model(loss="sparse_categorical_crossentropy"), new_model()
    y = classes().astype(dtype)
    a = sparse.fit(images(), y[:, None] if column else y, batch_size=4, epochs=2, verbose=0)
    b = full.fit(images(), one_hot(), batch_size=4, epochs=2, verbose=0)
    same(sparse, full)
    assert a.history == b.history
