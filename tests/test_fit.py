"""fit, train_on_batch, evaluate, predict: what a Keras user types, and what comes out."""

import inspect
import io
import os
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest

from minicnn import (
    MnistData,
    Sequential,
    callbacks,
    kernels,
    layers,
    losses,
    metrics,
    optimizers,
    set_threads,
    use_backend,
)
from minicnn.callbacks import Callback, LambdaCallback
from minicnn.data import ScaledImages
from minicnn.errors import CallbackError

SHAPE = (6, 6, 1)
BACKENDS = [name for name in kernels.backend.available_backends() if name != "reference"]


@pytest.fixture(autouse=True)
def settings():
    """Whatever a test chooses, the next one finds as it was."""
    threads = kernels.get_threads()
    with use_backend(kernels.current_backend()):
        yield
    set_threads(threads)


def network(softmax="softmax"):
    return [
        layers.Conv2D(2, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(3, activation=softmax),
    ]


def new_model(
    *, optimizer="sgd", loss="categorical_crossentropy", metrics=("accuracy",), **options
):
    """The same weights each time it is called."""
    softmax = None if loss == "mse" else "softmax"
    model = Sequential(network(softmax), input_shape=SHAPE, **{"seed": 0, **options})
    model.compile(optimizer, loss, metrics)
    return model


def images(n=10, seed=0):
    return np.random.default_rng(seed).random((n, *SHAPE), dtype=np.float32)


def classes(n=10, seed=0):
    return np.random.default_rng(seed + 1).integers(0, 3, n)


def one_hot(n=10, seed=0):
    return np.eye(3, dtype=np.uint8)[classes(n, seed)]


def same(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def close(a, b, rtol=1e-6):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 10)


def moved(model):
    return any(
        not np.array_equal(a, b)
        for a, b in zip(model.get_weights(), new_model().get_weights(), strict=True)
    )


class Recorder:
    """An x that is an array only when a batch is taken, and notes which rows were asked for."""

    def __init__(self, x):
        self.x, self.shape, self.batches = x, x.shape, []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        self.batches.append(np.arange(len(self.x))[rows].tolist())
        return self.x[rows]


class Broken(Exception):
    pass


# ---- epochs, batches, order ----


def test_history_has_a_value_an_epoch_under_every_name():
    model = new_model()
    history = model.fit(
        images(),
        one_hot(),
        batch_size=4,
        epochs=3,
        verbose=0,
        validation_data=(images(5), one_hot(5)),
    )
    names = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert set(history.history) == names
    assert {len(values) for values in history.history.values()} == {3}
    assert history.epoch == [0, 1, 2]
    assert history.history["epoch"] == [1, 2, 3]
    assert isinstance(history, callbacks.History)


def test_without_validation_there_are_no_val_names():
    history = new_model().fit(images(), one_hot(), verbose=0)
    assert set(history.history) == {"epoch", "loss", "accuracy"}


def test_the_defaults_are_one_epoch_in_batches_of_32():
    x = Recorder(images(70))
    history = new_model().fit(x, one_hot(70), verbose=0)
    assert [len(batch) for batch in x.batches] == [32, 32, 6]
    assert history.epoch == [0]


def test_training_lowers_the_loss():
    model = new_model(optimizer=optimizers.Adam(0.02))
    x, y = images(60), one_hot(60)
    x[y[:, 1] == 1, :3] = 0  # something to be learnt
    x[y[:, 2] == 1, :, :3] = 0
    history = model.fit(x, y, batch_size=10, epochs=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["accuracy"][-1] > 0.95


def test_shuffle_false_takes_the_samples_in_the_order_given():
    x = Recorder(images())
    new_model().fit(x, one_hot(), batch_size=4, epochs=2, shuffle=False, verbose=0)
    one_pass = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert x.batches == one_pass + one_pass


def test_shuffle_visits_every_sample_once_an_epoch_in_a_new_order_each_time():
    x = Recorder(images(30))
    new_model().fit(x, one_hot(30), batch_size=7, epochs=3, verbose=0)
    assert [len(batch) for batch in x.batches] == [7, 7, 7, 7, 2] * 3
    flat = np.concatenate(x.batches).reshape(3, 30)
    np.testing.assert_array_equal(np.sort(flat, axis=1), np.tile(np.arange(30), (3, 1)))
    assert len({tuple(order) for order in flat}) == 3
    assert tuple(range(30)) not in {tuple(order) for order in flat}


def test_the_order_follows_from_the_seed_alone():
    def order(seed):
        x = Recorder(images())
        np.random.seed(len(x.batches))  # noqa: NPY002 - must not matter
        new_model(seed=seed).fit(x, one_hot(), batch_size=4, epochs=2, verbose=0)
        return x.batches

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_a_second_fit_goes_on_with_the_order_instead_of_repeating_it():
    x = Recorder(images())
    model = new_model()
    for _ in range(2):
        model.fit(x, one_hot(), batch_size=10, verbose=0)
    assert x.batches[0] != x.batches[1]


def test_targets_follow_their_samples_through_the_shuffling():
    """With one class on the left and one on the right, wrong pairs could not be learnt."""
    x, y = np.zeros((40, *SHAPE), np.float32), classes(40)
    for row, c in enumerate(y):
        x[row, :, 2 * c : 2 * c + 2] = 1
    model = new_model(optimizer=optimizers.Adam(0.05))
    model.fit(x, np.eye(3)[y], batch_size=7, epochs=25, verbose=0)
    assert model.evaluate(x, np.eye(3)[y])["accuracy"] == 1


def test_steps_per_epoch_goes_on_where_the_last_epoch_stopped():
    x = Recorder(images())
    new_model().fit(
        x, one_hot(), batch_size=4, epochs=3, steps_per_epoch=2, shuffle=False, verbose=0
    )
    assert x.batches == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]


def test_steps_per_epoch_with_shuffling_still_visits_all_before_any_comes_again():
    x = Recorder(images(12))
    new_model().fit(x, one_hot(12), batch_size=3, epochs=6, steps_per_epoch=2, verbose=0)
    flat = np.concatenate(x.batches).reshape(3, 12)
    np.testing.assert_array_equal(np.sort(flat, axis=1), np.tile(np.arange(12), (3, 1)))


def test_steps_per_epoch_may_be_more_than_a_pass():
    x = Recorder(images(8))
    seen = []
    watch = LambdaCallback(on_epoch_end=lambda s: seen.append((s.steps, s.num_samples)))
    new_model().fit(x, one_hot(8), batch_size=4, steps_per_epoch=4, verbose=0, callbacks=[watch])
    assert sum(map(len, x.batches)) == 16
    assert seen == [(4, 16)]  # "training samples an epoch"


def test_the_epochs_loss_is_the_mean_over_its_samples_not_over_its_batches():
    model = new_model(optimizer=optimizers.SGD(0.0))  # the weights stay: the loss is known
    expected = model.evaluate(images(), one_hot())
    history = model.fit(images(), one_hot(), batch_size=4, verbose=0).history  # 4, 4, 2
    assert history["loss"] == [pytest.approx(expected["loss"], rel=1e-6)]
    assert history["accuracy"] == [pytest.approx(expected["accuracy"])]


def test_initial_epoch_counts_from_there_and_stops_before_epochs():
    history = new_model().fit(images(), one_hot(), epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]
    assert history.history["epoch"] == [4, 5]
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": 3, "initial_epoch": 3}])
def test_no_epoch_left_trains_nothing(options):
    model = new_model()
    history = model.fit(images(), one_hot(), verbose=0, **options)
    assert history.epoch == []
    assert not moved(model)


def test_the_optimizer_counts_a_step_a_batch_and_schedules_follow():
    model = new_model(optimizer=optimizers.SGD(optimizers.schedules.StepDecay(0.1, every=4)))
    model.fit(images(), one_hot(), batch_size=4, epochs=3, verbose=0)
    assert model.optimizer.iterations == 9
    assert model.optimizer.current_learning_rate == pytest.approx(0.1 * 0.1**2)


def test_a_batch_larger_than_the_data_is_the_data():
    big, exact = new_model(), new_model()
    big.fit(images(), one_hot(), batch_size=1000, shuffle=False, verbose=0)
    exact.fit(images(), one_hot(), batch_size=10, shuffle=False, verbose=0)
    same(big, exact)


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


@pytest.mark.parametrize("count", [np.int64(4), np.int16(4)])
def test_counts_may_be_numpy_integers(count):
    x = Recorder(images())
    new_model().fit(x, one_hot(), batch_size=count, epochs=np.int32(1), verbose=0)
    assert [len(batch) for batch in x.batches] == [4, 4, 2]


def test_kerass_own_defaults_may_be_written_out():
    """fit(x, y, batch_size=None, …, callbacks=None, …) is what Keras's signature says."""
    spelt, plain = new_model(), new_model()
    spelt.fit(
        images(40),
        one_hot(40),
        epochs=1,
        verbose=0,
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
    )
    plain.fit(images(40), one_hot(40), verbose=0)
    same(spelt, plain)


def test_batch_size_none_means_the_default_as_in_keras():
    spelt, plain = new_model(), new_model()
    spelt.fit(images(40), one_hot(40), batch_size=None, verbose=0)
    plain.fit(images(40), one_hot(40), verbose=0)
    same(spelt, plain)


@pytest.mark.parametrize("use", ["evaluate", "predict"])
def test_evaluate_and_predict_take_verbose_as_in_keras(use, capsys):
    model = new_model()
    targets = (one_hot(),) if use == "evaluate" else ()
    silent = getattr(model, use)(images(), *targets, verbose=0)
    assert capsys.readouterr().out == ""
    np.testing.assert_equal(getattr(model, use)(images(), *targets, verbose=1), silent)


def test_the_arguments_come_in_kerass_order():
    """Positional calls are common: fit(x, y, 128, 10)."""

    def names(method):
        return list(inspect.signature(method).parameters)[1:]

    assert names(Sequential.fit) == [
        "x",
        "y",
        "batch_size",
        "epochs",
        "verbose",
        "callbacks",
        "validation_split",
        "validation_data",
        "shuffle",
        "class_weight",
        "sample_weight",
        "initial_epoch",
        "steps_per_epoch",
        "augmentation",  # these two are ours
        "resume",
    ]
    assert names(Sequential.evaluate) == ["x", "y", "batch_size", "verbose", "sample_weight"]
    assert names(Sequential.predict) == ["x", "batch_size", "verbose"]
    assert names(Sequential.train_on_batch) == ["x", "y", "sample_weight", "class_weight"]


# ---- validation ----


def test_validation_metrics_are_those_of_evaluate_after_the_epoch():
    model = new_model(optimizer=optimizers.SGD(0.1))
    xv, yv = images(7, seed=5), one_hot(7, seed=5)
    history = model.fit(
        images(), one_hot(), batch_size=4, epochs=2, verbose=0, validation_data=(xv, yv)
    ).history
    now = model.evaluate(xv, yv)
    assert history["val_loss"][-1] == pytest.approx(now["loss"], rel=1e-6)
    assert history["val_accuracy"][-1] == now["accuracy"]
    assert history["val_loss"][0] != history["val_loss"][1]


def test_validation_data_does_not_change_the_training():
    plain, watched = new_model(), new_model()
    plain.fit(images(), one_hot(), batch_size=4, epochs=2, verbose=0)
    watched.fit(
        images(),
        one_hot(),
        batch_size=4,
        epochs=2,
        verbose=0,
        validation_data=(images(5, seed=3), one_hot(5, seed=3)),
    )
    same(plain, watched)


def test_validation_data_may_bring_weights():
    model = new_model()
    xv, yv, wv = images(6, seed=5), one_hot(6, seed=5), np.array([0, 1, 2, 3, 0.5, 0])
    history = model.fit(images(), one_hot(), verbose=0, validation_data=(xv, yv, wv)).history
    weighted = model.evaluate(xv, yv, sample_weight=wv)
    assert history["val_loss"] == [pytest.approx(weighted["loss"], rel=1e-6)]
    assert weighted["loss"] != pytest.approx(model.evaluate(xv, yv)["loss"], rel=1e-3)


def test_validation_data_may_be_a_list():
    history = new_model().fit(
        images(), one_hot(), verbose=0, validation_data=[images(5), one_hot(5)]
    )
    assert "val_loss" in history.history


@pytest.mark.parametrize("length", [1, 4])
def test_validation_data_of_another_length_is_refused_by_its_name(length):
    data = (images(5), one_hot(5), np.ones(5), {0: 1.0, 1: 1.0, 2: 1.0})[:length]
    with pytest.raises((ValueError, TypeError), match="validation_data"):
        new_model().fit(images(), one_hot(), verbose=0, validation_data=data)


def test_validation_split_holds_out_the_last_share_before_shuffling():
    split, by_hand = new_model(), new_model()
    x, y = images(20), one_hot(20)
    a = split.fit(x, y, batch_size=4, epochs=3, verbose=0, validation_split=0.25)
    b = by_hand.fit(
        x[:15], y[:15], batch_size=4, epochs=3, verbose=0, validation_data=(x[15:], y[15:])
    )
    same(split, by_hand)
    assert a.history == b.history


def test_validation_split_reads_a_lazy_x_in_the_right_places():
    x = Recorder(images(20))
    new_model().fit(x, one_hot(20), batch_size=8, validation_split=0.25, shuffle=False, verbose=0)
    assert x.batches == [list(range(8)), list(range(8, 15)), list(range(15, 20))]


def test_validation_data_wins_over_validation_split():
    x = Recorder(images(20))
    xv, yv = images(5, seed=3), one_hot(5, seed=3)
    model = new_model()
    history = model.fit(
        x, one_hot(20), validation_split=0.5, validation_data=(xv, yv), verbose=0
    ).history
    assert sorted(np.concatenate(x.batches[:1])) == list(range(20))
    assert history["val_loss"] == [pytest.approx(model.evaluate(xv, yv)["loss"], rel=1e-6)]


def test_validation_split_splits_the_sample_weights_too():
    x, y, w = images(20), one_hot(20), np.random.default_rng(2).random(20)
    split, by_hand = new_model(), new_model()
    a = split.fit(x, y, batch_size=4, verbose=0, validation_split=0.25, sample_weight=w)
    b = by_hand.fit(
        x[:15],
        y[:15],
        batch_size=4,
        verbose=0,
        sample_weight=w[:15],
        validation_data=(x[15:], y[15:], w[15:]),
    )
    same(split, by_hand)
    assert a.history == b.history


def test_class_weight_weighs_the_training_loss_only():
    """As in Keras: "used for weighting the loss function (during training only)"."""
    x, y, weights = images(20), one_hot(20), {0: 5.0, 1: 0.1, 2: 3.0}
    model = new_model()
    history = model.fit(x, y, validation_split=0.25, class_weight=weights, verbose=0).history
    plain = model.evaluate(x[15:], y[15:])
    assert history["val_loss"] == [pytest.approx(plain["loss"], rel=1e-6)]


# ---- weights of samples ----


def loss_of_each(model, x, y):
    p = model.predict(x).astype(np.float64)
    return -np.log(p[np.arange(len(p)), np.asarray(y).argmax(axis=1)])


def test_the_weighted_loss_is_the_weighted_sum_over_n():
    model = new_model(dtype="float64")
    x, y, w = images(), one_hot(), np.arange(10.0)
    expected = (loss_of_each(model, x, y) * w).sum() / 10
    assert model.evaluate(x, y, sample_weight=w)["loss"] == pytest.approx(expected, rel=1e-10)
    logs = model.train_on_batch(x, y, sample_weight=w)
    assert logs["loss"] == pytest.approx(expected, rel=1e-10)


def test_the_weighted_loss_of_an_epoch_does_not_depend_on_the_batches():
    x, y, w = images(), one_hot(), np.arange(10.0)
    expected = (loss_of_each(new_model(dtype="float64"), x, y) * w).sum() / 10
    for batch_size in (1, 3, 10):
        model = new_model(optimizer=optimizers.SGD(0.0), dtype="float64")
        history = model.fit(x, y, batch_size=batch_size, sample_weight=w, verbose=0).history
        assert history["loss"] == [pytest.approx(expected, rel=1e-10)]
        result = model.evaluate(x, y, batch_size=batch_size, sample_weight=w)
        assert result["loss"] == pytest.approx(expected, rel=1e-10)


def test_weights_of_one_are_no_weights():
    plain, weighted = new_model(dtype="float64"), new_model(dtype="float64")
    plain.train_on_batch(images(), one_hot())
    weighted.train_on_batch(images(), one_hot(), sample_weight=np.ones(10))
    close(plain, weighted, 1e-12)


def test_a_sample_of_weight_zero_only_counts_in_n():
    weighted = new_model(optimizer=optimizers.SGD(0.1), dtype="float64")
    without = new_model(optimizer=optimizers.SGD(0.1 * 7 / 10), dtype="float64")
    w = np.ones(10)
    w[[1, 4, 8]] = 0
    weighted.train_on_batch(images(), one_hot(), sample_weight=w)
    without.train_on_batch(images()[w > 0], one_hot()[w > 0])
    close(weighted, without, 1e-12)


def test_metrics_are_not_weighted():
    model = new_model()
    plain = model.evaluate(images(), one_hot())
    weighted = model.evaluate(images(), one_hot(), sample_weight=np.arange(10.0) * 3)
    assert weighted["accuracy"] == plain["accuracy"]
    assert weighted["loss"] != pytest.approx(plain["loss"], rel=1e-3)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_class_weight_is_the_sample_weight_of_each_class(loss):
    table = {0: 0.5, 1: 2.0, 2: 7.0}
    y = one_hot() if loss.startswith("cat") else classes()
    by_class, by_sample = new_model(loss=loss), new_model(loss=loss)
    w = np.array([table[int(c)] for c in classes()])
    by_class.fit(images(), y, batch_size=4, epochs=2, class_weight=table, verbose=0)
    by_sample.fit(images(), y, batch_size=4, epochs=2, sample_weight=w, verbose=0)
    same(by_class, by_sample)
    logs = new_model(loss=loss).train_on_batch(images(), y, class_weight=table)
    assert logs == new_model(loss=loss).train_on_batch(images(), y, sample_weight=w)


def test_class_and_sample_weights_multiply():
    table, w = {0: 0.5, 1: 2.0, 2: 7.0}, np.arange(1.0, 11.0)
    both, product = new_model(), new_model()
    both.fit(images(), one_hot(), class_weight=table, sample_weight=w, verbose=0)
    product.fit(
        images(), one_hot(), sample_weight=w * [table[int(c)] for c in classes()], verbose=0
    )
    same(both, product)


@pytest.mark.parametrize("wrong", [np.ones(9), np.ones((10, 1)), np.ones((10, 3)), 2.0])
def test_sample_weights_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match=r"sample_weight.*\(10,\)"):
        new_model().fit(images(), one_hot(), sample_weight=wrong, verbose=0)


def test_a_class_without_a_weight_is_named():
    with pytest.raises(ValueError, match=r"class_weight.*2"):
        new_model().fit(images(), one_hot(), class_weight={0: 1.0, 1: 1.0}, verbose=0)


# ---- what x and y may be ----


def test_lists_train_as_arrays_do():
    lists, arrays = new_model(), new_model()
    lists.fit(
        images().tolist(),
        one_hot().tolist(),
        epochs=2,
        verbose=0,
        sample_weight=[1.0] * 10,
        validation_data=(images(4).tolist(), one_hot(4).tolist()),
    )
    arrays.fit(images(), one_hot(), epochs=2, verbose=0, sample_weight=np.ones(10))
    same(lists, arrays)


def test_a_float64_x_trains_as_its_float32_copy_does():
    wide, narrow = new_model(), new_model()
    wide.fit(images().astype(np.float64), one_hot(), epochs=2, verbose=0)
    narrow.fit(images(), one_hot(), epochs=2, verbose=0)
    same(wide, narrow)


def test_x_may_lie_in_memory_in_any_order():
    plain, strided = new_model(), new_model()
    plain.fit(images(), one_hot(), epochs=2, verbose=0)
    double = np.repeat(images(), 2, axis=0)
    strided.fit(np.asfortranarray(double)[::2], one_hot(), epochs=2, verbose=0)
    same(plain, strided)


def test_x_and_y_are_not_changed():
    x, y = images(), one_hot()
    kept = x.copy(), y.copy()
    model = new_model()
    model.fit(x, y, epochs=2, verbose=0)
    model.evaluate(x, y)
    model.predict(x)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_a_read_only_x_is_fine():
    x, y = images(), one_hot()
    x.flags.writeable = y.flags.writeable = False
    model = new_model()
    model.fit(x, y, verbose=0, shuffle=False)
    model.predict(x)
    assert moved(model)


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


def test_the_loaders_view_and_the_loaders_batch_are_the_same_pixels(tmp_path):
    data = MnistData("sample", cache_dir=tmp_path).load()
    pixels = data.test_images[:20].reshape(-1, 28, 28, 1)
    np.testing.assert_array_equal(data.test_x[:20], (pixels / 255).astype(np.float32))


@pytest.mark.parametrize("use", ["fit", "validate", "train_on_batch", "evaluate", "predict"])
def test_bytes_as_x_are_warned_of_where_they_were_given(use):
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


def test_bytes_as_y_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new_model().fit(images(), one_hot().astype(np.uint8), verbose=0)


@pytest.mark.parametrize("use", ["fit", "train_on_batch", "evaluate", "predict"])
@pytest.mark.parametrize("shape", [(10, 36), (10, 6, 6)])
def test_an_x_of_the_right_size_in_the_wrong_shape_is_told_how_to_reshape(use, shape):
    targets = () if use == "predict" else (one_hot(),)
    with pytest.raises(ValueError, match=r"reshape\(-1, 6, 6, 1\)") as caught:
        getattr(new_model(), use)(images().reshape(shape), *targets)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("shape", [(10, 5, 6, 1), (10, 6, 6, 3), (10,), ()])
def test_an_x_of_another_size_is_told_what_is_expected(shape):
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


def test_whole_number_labels_with_a_one_hot_loss_are_told_of_the_other_loss():
    with pytest.raises(ValueError, match="sparse_categorical_crossentropy"):
        new_model().fit(images(), classes(), verbose=0)


def test_one_hot_labels_with_a_sparse_loss_are_told_of_the_other_loss():
    with pytest.raises(ValueError, match="'categorical_crossentropy'"):
        new_model(loss="sparse_categorical_crossentropy").fit(images(), one_hot(), verbose=0)


def test_labels_beyond_the_outputs_are_refused_before_they_do_harm():
    model = new_model(loss="sparse_categorical_crossentropy")
    for wrong in (3, -1):
        y = classes()
        y[4] = wrong
        with pytest.raises(ValueError, match="0…2"):
            model.train_on_batch(images(), y)
    assert not moved(model)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("column", [False, True])
def test_sparse_targets_train_as_one_hot_ones_do(dtype, column):
    sparse, full = new_model(loss="sparse_categorical_crossentropy"), new_model()
    y = classes().astype(dtype)
    a = sparse.fit(images(), y[:, None] if column else y, batch_size=4, epochs=2, verbose=0)
    b = full.fit(images(), one_hot(), batch_size=4, epochs=2, verbose=0)
    same(sparse, full)
    assert a.history == b.history


def test_mean_squared_error_trains_a_model_without_softmax():
    model = new_model(optimizer=optimizers.SGD(0.05), loss="mse", metrics=["mse"], dtype="float64")
    x, y = images(), np.random.default_rng(4).normal(size=(10, 3))
    expected = np.square(model.predict(x) - y).mean()
    first = model.train_on_batch(x, y)
    assert first["loss"] == pytest.approx(expected, rel=1e-10)
    assert first["mean_squared_error"] == pytest.approx(expected, rel=1e-10)
    history = model.fit(x, y, epochs=30, verbose=0).history
    assert history["loss"][-1] < 0.8 * expected


def test_a_loss_and_a_metric_of_ones_own_train():
    class Absolute(losses.Loss):
        def per_sample(self, outputs, targets):
            return np.abs(outputs - targets).mean(axis=1)

        def gradient(self, outputs, targets):
            return np.sign(outputs - targets) / outputs.shape[1]

    class Worst(metrics.Metric):
        name = "worst"

        def per_sample(self, outputs, targets):
            return np.abs(outputs - targets).max(axis=1)

    model = Sequential(network(None), input_shape=SHAPE, seed=0)
    model.compile(optimizers.SGD(0.2), Absolute(), [Worst()])
    y = np.random.default_rng(4).normal(size=(10, 3)).astype(np.float32)
    history = model.fit(images(), y, epochs=30, verbose=0, validation_split=0.2).history
    assert set(history) == {"epoch", "loss", "worst", "val_loss", "val_worst"}
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    difference = np.abs(model.predict(images()) - y)
    assert model.evaluate(images(), y) == {
        "loss": pytest.approx(difference.mean(), rel=1e-5),
        "worst": pytest.approx(difference.max(axis=1).mean(), rel=1e-5),
    }


def test_the_learning_rate_can_be_changed_between_steps():
    """As Keras users do: model.optimizer.learning_rate = 1e-4."""
    model, other = new_model(), new_model(optimizer=optimizers.SGD(0.5))
    model.optimizer.learning_rate = 0.5
    for each in (model, other):
        each.train_on_batch(images(), one_hot())
    same(model, other)
    model.optimizer.learning_rate = optimizers.schedules.StepDecay(0.25, every=1, factor=0.5)
    assert model.optimizer.current_learning_rate == 0.125  # one step is behind it


# ---- metrics ----


@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_acc_is_accuracy_and_is_logged_so(name):
    history = new_model(metrics=[name]).fit(images(), one_hot(), verbose=0, validation_split=0.2)
    assert set(history.history) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}


def test_accuracy_is_the_share_of_right_answers():
    model = new_model()
    right = (model.predict(images(50)).argmax(axis=1) == classes(50)).mean()
    assert model.evaluate(images(50), one_hot(50))["accuracy"] == pytest.approx(right)
    assert 0 < right < 1


def test_top_k_counts_the_truth_among_the_k_likeliest():
    model = new_model(metrics=["top_1_accuracy", "top_2_accuracy", "top_3_accuracy", "accuracy"])
    result = model.evaluate(images(50), one_hot(50))
    ranks = (-model.predict(images(50))).argsort(axis=1).argsort(axis=1)
    rank = ranks[np.arange(50), classes(50)]
    assert result["top_1_accuracy"] == result["accuracy"]
    assert result["top_2_accuracy"] == pytest.approx((rank < 2).mean())
    assert result["top_3_accuracy"] == 1


def test_metrics_in_training_are_those_before_the_step():
    model = new_model(optimizer=optimizers.SGD(10.0))
    before = model.evaluate(images(), one_hot())
    logs = model.train_on_batch(images(), one_hot())
    assert logs["accuracy"] == before["accuracy"]
    assert logs["loss"] == pytest.approx(before["loss"], rel=1e-6)


# ---- single steps, evaluate, predict ----


def test_train_on_batch_is_one_step_of_fit():
    step, fit = new_model(optimizer="adam"), new_model(optimizer="adam")
    logs = step.train_on_batch(images(), one_hot())
    history = fit.fit(images(), one_hot(), batch_size=10, shuffle=False, verbose=0).history
    same(step, fit)
    assert moved(step)
    assert history["loss"] == [logs["loss"]]
    assert history["accuracy"] == [logs["accuracy"]]


def test_two_fits_of_one_epoch_are_one_fit_of_two():
    once, twice = new_model(optimizer="adam"), new_model(optimizer="adam")
    once.fit(images(), one_hot(), batch_size=4, epochs=2, verbose=0)
    twice.fit(images(), one_hot(), batch_size=4, epochs=1, verbose=0)
    twice.fit(images(), one_hot(), batch_size=4, epochs=2, initial_epoch=1, verbose=0)
    same(once, twice)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_evaluate_is_the_mean_over_samples_whatever_the_batch_size(batch_size):
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


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
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
    """N images that exist only while they are looked at."""

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

    peak(64)  # compilers and caches first
    few, many = 256, 8192
    # outputs and orders hold a few numbers a sample; its pixels alone take 576 bytes
    assert peak(many) - peak(few) < (many - few) * 576 / 10


# ---- what is printed ----


def out(capsys, **options):
    new_model().fit(images(), one_hot(), batch_size=4, epochs=3, validation_split=0.2, **options)
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("verbose", [0, False])
def test_verbose_0_prints_nothing(capsys, verbose):
    assert out(capsys, verbose=verbose) == ""


@pytest.mark.parametrize("options", [{}, {"verbose": "auto"}, {"verbose": 1}, {"verbose": 2}])
def test_without_a_terminal_each_epoch_is_one_plain_line(capsys, options):
    text = out(capsys, **options)
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.strip().splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        assert line.startswith(f"Epoch {number}/3")
        for name in (" loss ", " accuracy ", " val_loss ", " val_accuracy ", "images/s"):
            assert name in line


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_on_a_terminal_1_moves_and_2_stays_plain(monkeypatch, verbose):
    terminal = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", terminal)
    new_model().fit(images(), one_hot(), batch_size=4, epochs=2, verbose=verbose)
    monkeypatch.undo()
    text = terminal.getvalue()
    assert text.count("Epoch 2/2") >= (verbose > 0)
    moves = "\x1b[2K" in text or "\r" in text  # a line that is wiped and written again
    assert moves == (verbose == 1)
    if verbose == 2:
        assert text.count("\n") == 2


# ---- callbacks ----


def hooks(log, **extra):
    names = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_batch_end")

    def note(name):
        def hook(state):
            log.append((name, state.epoch, state.step) if "batch" in name else name)
            if name in extra:
                extra[name](state)

        return hook

    return LambdaCallback(**{name: note(name) for name in names})


def test_the_five_hooks_come_in_order():
    log = []
    new_model().fit(
        images(),
        one_hot(),
        batch_size=4,
        epochs=2,
        validation_split=0.2,
        callbacks=[hooks(log)],
        verbose=0,
    )
    epochs = [
        ["on_epoch_begin", ("on_batch_end", e, 0), ("on_batch_end", e, 1), "on_epoch_end"]
        for e in (0, 1)
    ]
    assert log == ["on_train_begin", *epochs[0], *epochs[1], "on_train_end"]


def test_callbacks_are_told_in_the_order_given():
    log = []
    each = [LambdaCallback(on_batch_end=lambda s, i=i: log.append(i)) for i in range(3)]
    new_model().fit(images(), one_hot(), callbacks=each, verbose=0)
    assert log == [0, 1, 2]


def test_a_callback_class_of_ones_own_needs_only_the_hooks_it_wants():
    class Mine(Callback):
        seen = 0

        def on_epoch_end(self, state):
            self.seen += 1

    mine = Mine()
    new_model().fit(images(), one_hot(), epochs=3, callbacks=(mine,), verbose=0)
    assert mine.seen == 3


def test_the_state_says_where_the_run_stands():
    model, seen = new_model(), []

    def batch(state):
        assert state.model is model
        assert (state.epochs, state.steps, state.batch_size, state.num_samples) == (5, 3, 4, 10)
        assert set(state.logs) == set(state.batch_logs) == {"loss", "accuracy"}
        assert not state.stop
        assert state.seen == (4, 8, 10)[state.step]
        seen.append((state.epoch, state.step, dict(state.logs), dict(state.batch_logs)))

    def epoch(state):
        assert set(state.logs) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        seen.append(dict(state.logs))

    model.fit(
        images(),
        one_hot(),
        batch_size=4,
        epochs=5,
        initial_epoch=4,
        verbose=0,
        validation_data=(images(3), one_hot(3)),
        callbacks=[LambdaCallback(on_batch_end=batch, on_epoch_end=epoch)],
    )
    (e0, s0, logs0, batch0), (e1, s1, logs1, batch1), (e2, s2, logs2, batch2), end = seen
    assert [(e0, s0), (e1, s1), (e2, s2)] == [(4, 0), (4, 1), (4, 2)]
    assert logs0 == pytest.approx(batch0)
    for name in ("loss", "accuracy"):  # means over the epoch so far, sample by sample
        mean = (4 * batch0[name] + 4 * batch1[name]) / 8
        assert logs1[name] == pytest.approx(mean)
        mean = (4 * batch0[name] + 4 * batch1[name] + 2 * batch2[name]) / 10
        assert logs2[name] == pytest.approx(mean)
        assert end[name] == logs2[name]


def test_on_batch_end_comes_after_the_weights_moved():
    model = new_model()
    before, during = model.get_weights(), []
    watch = LambdaCallback(on_batch_end=lambda s: during.append(s.model.get_weights()))
    model.fit(images(), one_hot(), callbacks=[watch], verbose=0)
    assert not np.array_equal(before[0], during[0][0])
    np.testing.assert_array_equal(during[-1][0], model.get_weights()[0])


def stop(state):
    state.stop = True


def test_a_stop_in_the_midst_of_an_epoch_ends_it_without_validation_or_epoch_end():
    log = []
    xv = Recorder(images(3))
    halt = LambdaCallback(on_batch_end=lambda s: stop(s) if (s.epoch, s.step) == (1, 1) else None)
    history = new_model().fit(
        images(),
        one_hot(),
        batch_size=4,
        epochs=5,
        verbose=0,
        validation_data=(xv, one_hot(3)),
        callbacks=[halt, hooks(log)],
    )
    assert log == [
        "on_train_begin",
        "on_epoch_begin",
        *[("on_batch_end", 0, step) for step in range(3)],
        "on_epoch_end",
        "on_epoch_begin",
        ("on_batch_end", 1, 0),
        ("on_batch_end", 1, 1),  # the other callbacks still hear of the batch
        "on_train_end",
    ]
    assert len(xv.batches) == 1
    assert history.epoch == [0]


def test_a_stop_at_the_last_batch_lets_the_epoch_end():
    log = []
    halt = LambdaCallback(on_batch_end=lambda s: stop(s) if s.step == 2 else None)
    history = new_model().fit(
        images(), one_hot(), batch_size=4, epochs=5, verbose=0, callbacks=[halt, hooks(log)]
    )
    assert log[-2:] == ["on_epoch_end", "on_train_end"]
    assert history.epoch == [0]


def test_a_stop_at_an_epochs_end_begins_no_other():
    log = []
    new_model().fit(
        images(), one_hot(), epochs=5, verbose=0, callbacks=[hooks(log, on_epoch_end=stop)]
    )
    assert log.count("on_epoch_begin") == 1
    assert log[-1] == "on_train_end"


@pytest.mark.parametrize("where", ["on_epoch_begin", "on_batch_end", "on_epoch_end"])
def test_on_train_end_is_called_when_a_callback_raises(where):
    log = []

    def fail(state):
        raise Broken

    with pytest.raises(CallbackError, match=f"LambdaCallback.{where}: Broken") as caught:
        new_model().fit(
            images(), one_hot(), verbose=0, callbacks=[hooks(log), LambdaCallback(**{where: fail})]
        )
    assert isinstance(caught.value.__cause__, Broken)
    assert log[-1] == "on_train_end"
    assert log.count("on_train_end") == 1


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_on_train_end_is_called_when_a_batch_raises(error):
    class Bad(Recorder):
        def __getitem__(self, rows):
            if len(self.batches) == 2:
                raise error
            return super().__getitem__(rows)

    log = []
    with pytest.raises(error):
        new_model().fit(Bad(images()), one_hot(), batch_size=4, verbose=0, callbacks=[hooks(log)])
    assert log[-2:] == [("on_batch_end", 0, 1), "on_train_end"]


def test_every_callback_hears_of_the_end_even_if_one_of_them_fails_there():
    log = []

    def fail(state):
        log.append("first")
        raise Broken

    each = [
        LambdaCallback(on_train_end=fail),
        LambdaCallback(on_train_end=lambda s: log.append("second")),
    ]
    with pytest.raises(CallbackError, match=r"LambdaCallback\.on_train_end: Broken"):
        new_model().fit(images(), one_hot(), verbose=0, callbacks=each)
    assert log == ["first", "second"]


def test_before_compile_no_callback_hears_of_a_run(tmp_path):
    """Or a logger would empty the file of the run before."""
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,0.5\n")
    log = []
    model = Sequential(network(), input_shape=SHAPE)
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(images(), one_hot(), verbose=0, callbacks=[hooks(log), callbacks.CSVLogger(path)])
    assert log == []
    assert path.read_text() == "epoch,loss\n1,0.5\n"


def test_observers_change_no_bit_of_the_weights(tmp_path, capsys):
    def run(watched):
        model = Sequential(
            [
                layers.Conv2D(2, 3),
                layers.BatchNorm(),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(3, activation="softmax"),
            ],
            input_shape=SHAPE,
            seed=0,
        )
        model.compile("adam", metrics=["accuracy"])
        observers = [
            callbacks.PlotMetrics(tmp_path / "curves.png", per="both", every_seconds=0),
            callbacks.CSVLogger(tmp_path / "log.csv"),
            callbacks.TerminateOnNaN(),
            callbacks.History(),
            callbacks.ProgressBar(),
            LambdaCallback(on_batch_end=lambda s: s.model.predict(images(3))),
            LambdaCallback(on_epoch_end=lambda s: s.model.evaluate(images(3), one_hot(3))),
        ]
        model.fit(
            images(),
            one_hot(),
            batch_size=5,
            epochs=2,
            verbose=1 if watched else 0,
            callbacks=observers if watched else [],
            validation_data=(images(4), one_hot(4)) if watched else None,
        )
        return model

    same(run(True), run(False))
    assert (tmp_path / "log.csv").read_text().count("\n") == 3
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_early_stopping_gives_the_best_weights_back():
    model, xv, yv = (
        new_model(optimizer=optimizers.SGD(3.0)),
        images(12, seed=9),
        one_hot(12, seed=9),
    )
    weights = []
    stopper = callbacks.EarlyStopping("val_loss", patience=3)
    history = model.fit(
        images(),
        one_hot(),
        batch_size=4,
        epochs=60,
        verbose=0,
        validation_data=(xv, yv),
        callbacks=[
            LambdaCallback(on_epoch_end=lambda s: weights.append(s.model.get_weights())),
            stopper,
        ],
    ).history["val_loss"]
    best = int(np.argmin(history))
    assert len(history) == best + 1 + 3 < 60
    assert stopper.best_epoch == best < len(history) - 1
    for got, wanted in zip(model.get_weights(), weights[best], strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert model.evaluate(xv, yv)["loss"] == pytest.approx(min(history), rel=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_terminate_on_nan_stops_at_the_first_such_batch(capsys):
    x = Recorder(images())
    x.x[5] = np.nan
    states = []
    history = new_model().fit(
        x,
        one_hot(),
        batch_size=2,
        epochs=4,
        shuffle=False,
        verbose=2,
        callbacks=[
            callbacks.TerminateOnNaN(),
            LambdaCallback(on_train_end=lambda s: states.append((s.epoch, s.step, s.stop_reason))),
        ],
    )
    assert x.batches == [[0, 1], [2, 3], [4, 5]]
    assert history.epoch == []
    ((epoch, step, reason),) = states
    assert (epoch, step) == (0, 2)
    assert "nan" in reason
    assert "nan" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_without_it_a_nan_loss_is_shown_as_what_it_is():
    x = images()
    x[5] = np.nan
    history = new_model().fit(x, one_hot(), batch_size=2, epochs=2, verbose=0).history
    assert np.isnan(history["loss"]).all()
    assert len(history["loss"]) == 2


# ---- the softmax in the loss ----


@pytest.mark.parametrize("own_layer", [False, True])
def test_the_softmax_in_the_loss_is_the_softmax_and_its_gradient(own_layer):
    """Training through the logits equals softmax, -Σ q log p, and backward through the softmax."""

    def make():
        body = [layers.Conv2D(2, 3, activation="tanh"), layers.Flatten()]
        head = (
            [layers.Dense(3), layers.Softmax()]
            if own_layer
            else [layers.Dense(3, activation="softmax")]
        )
        return Sequential(body + head, input_shape=SHAPE, seed=0, dtype="float64")

    fused, by_hand = make(), make()
    fused.compile(optimizers.SGD(0.5), losses.CategoricalCrossentropy(), ["accuracy"])
    x, q = images().astype(np.float64), one_hot().astype(np.float64)
    for _ in range(5):
        logs = fused.train_on_batch(x, q)
        p = x
        for layer in by_hand.layers:
            p = layer.forward(p, training=True)
        assert logs["loss"] == pytest.approx(-(q * np.log(p)).sum(axis=1).mean(), rel=1e-10)
        assert logs["accuracy"] == (p.argmax(axis=1) == q.argmax(axis=1)).mean()
        d = -q / p / len(x)
        for layer in reversed(by_hand.layers):
            d = layer.backward(d)
        for layer in by_hand.layers:
            for key, w in layer.params.items():
                w -= 0.5 * layer.grads[key]
        close(fused, by_hand, 1e-10)
    np.testing.assert_allclose(fused.predict(x), by_hand.predict(x), rtol=1e-10)
    assert not np.allclose(fused.get_weights()[0], make().get_weights()[0], rtol=1e-3)


def test_huge_logits_give_a_finite_loss_and_gradient():
    model = Sequential(
        [layers.Flatten(), layers.Dense(3, activation="softmax")], input_shape=SHAPE, seed=0
    )
    model.compile("sgd")
    model.set_weights([w * 1e4 for w in model.get_weights()])
    logs = model.train_on_batch(images(), one_hot())
    assert np.isfinite(logs["loss"])
    assert all(np.isfinite(w).all() for w in model.get_weights())


# ---- determinism ----

DETERMINISM = """
import hashlib
import numpy as np
from minicnn import Sequential, layers

def digest():
    rng = np.random.default_rng(0)
    x = rng.random((150, 12, 12, 1), dtype=np.float32)
    y = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, 150)]
    model = Sequential(
        [
            layers.Conv2D(6, 3, padding="same"), layers.BatchNorm(), layers.ReLU(),
            layers.MaxPool2D(2), layers.Conv2D(5, 3, activation="relu"), layers.AvgPool2D(2),
            layers.Flatten(), layers.Dropout(0.3), layers.Dense(9, activation="tanh", l2=1e-3),
            layers.Dense(4, activation="softmax"),
        ],
        input_shape=(12, 12, 1), seed=0,
    )
    model.compile("adam", metrics=["accuracy"])
    history = model.fit(
        x, y, batch_size=64, epochs=2, verbose=0, validation_split=0.1
    ).history
    total = hashlib.sha256(repr(history).encode())
    for weight in model.get_weights() + [model.predict(x)]:
        total.update(weight.tobytes())
    return total.hexdigest()
"""


def digest_here():
    scope = {}
    exec(DETERMINISM, scope)
    return scope["digest"]()


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_thread_or_many_leave_the_same_bits(backend):
    use_backend(backend)
    digests = set()
    for threads in (1, 2, 2, 5):
        set_threads(threads)
        digests.add(digest_here())
    assert len(digests) == 1


def test_other_processes_with_other_threads_find_the_same_bits():
    """Both backends, MINICNN_THREADS=1 and 2, each in a process of its own, and here."""
    runs = {
        (backend, threads): subprocess.Popen(
            [sys.executable, "-c", DETERMINISM + "\nprint(digest())"],
            env={**os.environ, "MINICNN_BACKEND": backend, "MINICNN_THREADS": threads},
            stdout=subprocess.PIPE,
            text=True,
        )
        for backend in BACKENDS
        for threads in "12"
    }
    found = {key: run.communicate(timeout=120)[0].strip() for key, run in runs.items()}
    assert {run.returncode for run in runs.values()} == {0}
    for backend in BACKENDS:
        use_backend(backend)
        assert found[backend, "1"] == found[backend, "2"] == digest_here()
