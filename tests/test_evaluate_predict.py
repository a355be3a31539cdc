"""evaluate, predict and train_on_batch."""

import tracemalloc

import numpy as np
import pytest
from fit_cases import (
    SHAPE,
    classes,
    images,
    loss_of_each,
    moved,
    network,
    new_model,
    one_hot,
    same,
)

from minicnn import Sequential, layers, optimizers


@pytest.mark.parametrize("use", ["evaluate", "predict"])
def test_evaluate_and_predict_take_verbose_as_in_keras(use, capsys):
    model = new_model()
    targets = (one_hot(),) if use == "evaluate" else ()
    silent = getattr(model, use)(images(), *targets, verbose=0)
    assert capsys.readouterr().out == ""
    np.testing.assert_equal(getattr(model, use)(images(), *targets, verbose=1), silent)


def test_metrics_are_not_weighted():
    model = new_model()
    plain = model.evaluate(images(), one_hot())
    weighted = model.evaluate(images(), one_hot(), sample_weight=np.arange(10.0) * 3)
    assert weighted["accuracy"] == plain["accuracy"]
    assert weighted["loss"] != pytest.approx(plain["loss"], rel=1e-3)


def test_metrics_in_training_are_those_before_the_step():
    model = new_model(optimizer=optimizers.SGD(10.0))
    before = model.evaluate(images(), one_hot())
    logs = model.train_on_batch(images(), one_hot())
    assert logs["accuracy"] == before["accuracy"]
    assert logs["loss"] == pytest.approx(before["loss"], rel=1e-6)


def test_train_on_batch_is_one_step_of_fit():
    step, fit = new_model(optimizer="adam"), new_model(optimizer="adam")
    logs = step.train_on_batch(images(), one_hot())
    history = fit.fit(images(), one_hot(), batch_size=10, shuffle=False, verbose=0).history
    same(step, fit)
    assert moved(step)
    assert history["loss"] == [logs["loss"]]
    assert history["accuracy"] == [logs["accuracy"]]


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_evaluate_is_the_mean_over_samples_for_any_batch_size(batch_size):
    model = new_model(dtype="float64")
    result = model.evaluate(images(100), one_hot(100), batch_size=batch_size)
    expected = loss_of_each(model, images(100), one_hot(100)).mean()
    assert result["loss"] == pytest.approx(expected, rel=1e-10)
    right = (model.predict(images(100)).argmax(axis=1) == classes(100)).mean()
    assert result["accuracy"] == pytest.approx(right, rel=1e-12)


def test_l2_penalties_are_in_the_loss_once():
    def make(l2):
        model = Sequential(
            [layers.Flatten(), layers.Dense(3, activation="softmax", l2=l2)],
            input_shape=SHAPE,
            seed=0,
            dtype="float64",
        )
        model.compile("sgd")
        return model

    plain, penalized = make(0.0), make(0.3)
    penalty = 0.3 * np.square(plain.get_weights()[0]).sum()
    for batch_size in (3, 10):
        a = plain.evaluate(images(), one_hot(), batch_size=batch_size)["loss"]
        b = penalized.evaluate(images(), one_hot(), batch_size=batch_size)["loss"]
        assert b == pytest.approx(a + penalty, rel=1e-10)
    a, b = (m.train_on_batch(images(), one_hot())["loss"] for m in (plain, penalized))
    assert b == pytest.approx(a + penalty, rel=1e-10)


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_predict_does_not_depend_on_the_batch_size(batch_size):
    model = new_model()
    expected = model.predict(images(100))
    result = model.predict(images(100), batch_size=batch_size)
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    assert result.shape == (100, 3)
    for row in (0, 99):
        alone = model.predict(images(100)[row : row + 1])
        np.testing.assert_allclose(alone[0], expected[row], rtol=1e-5)


@pytest.mark.parametrize("use", ["evaluate", "predict"])
def test_evaluate_and_predict_leave_the_model_as_it_was(use):
    model = Sequential(
        [layers.Flatten(), layers.BatchNorm(), layers.Dropout(0.5), *network()[3:]],
        input_shape=SHAPE,
        seed=0,
    )
    model.compile()
    before = model.get_weights()
    targets = () if use == "predict" else (one_hot(),)
    first = getattr(model, use)(images(), *targets)
    second = getattr(model, use)(images(), *targets)
    np.testing.assert_equal(first, second)  # no dropout here
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("use", ["evaluate", "predict"])
@pytest.mark.parametrize("wrong", [0, -1, 1.5])
def test_a_wrong_batch_size_of_evaluate_and_predict_is_named(use, wrong):
    targets = () if use == "predict" else (one_hot(),)
    with pytest.raises((ValueError, TypeError), match="batch_size"):
        getattr(new_model(), use)(images(), *targets, batch_size=wrong)


class Generated:
    """N images, each generated when it is read."""

    def __init__(self, n):
        self.shape = (n, 12, 12, 1)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        count = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        return np.full((count, *self.shape[1:]), 0.5, np.float32)


@pytest.mark.parametrize("use", ["evaluate", "predict", "fit"])
def test_memory_does_not_grow_with_the_number_of_samples(use):
    model = Sequential(network(), input_shape=(12, 12, 1), seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])

    def peak(n):
        x, y = Generated(n), np.zeros(n, np.uint8)
        tracemalloc.start()
        try:
            if use == "predict":
                model.predict(x, batch_size=64)
            elif use == "evaluate":
                model.evaluate(x, y, batch_size=64)
            else:
                model.fit(x, y, batch_size=64, verbose=0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(64)  # compiles kernels and fills caches
    few, many = 64, 2048
    # outputs and orders take a few bytes a sample, the pixels 576
    assert peak(many) - peak(few) < (many - few) * 576 / 10
