"""fit: epochs, batches and their order, validation, weights, losses, what is printed."""

import numpy as np
import pytest
from fit_cases import (
    SHAPE,
    Recorder,
    classes,
    close,
    images,
    loss_of_each,
    moved,
    network,
    new_model,
    one_hot,
    same,
)

from minicnn import Sequential, callbacks, layers, losses, metrics, optimizers
from minicnn.callbacks import LambdaCallback


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


def test_the_defaults_are_one_epoch_in_batches_of_32():
    x = Recorder(images(70))
    history = new_model().fit(x, one_hot(70), verbose=0)
    assert [len(batch) for batch in x.batches] == [32, 32, 6]
    assert history.epoch == [0]


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


def test_targets_follow_their_samples_through_the_shuffling():
    """Each class is a pair of columns: wrong pairs could not be learned."""
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


def test_validation_data_may_bring_weights():
    model = new_model()
    xv, yv, wv = images(6, seed=5), one_hot(6, seed=5), np.array([0, 1, 2, 3, 0.5, 0])
    history = model.fit(images(), one_hot(), verbose=0, validation_data=(xv, yv, wv)).history
    weighted = model.evaluate(xv, yv, sample_weight=wv)
    assert history["val_loss"] == [pytest.approx(weighted["loss"], rel=1e-6)]
    assert weighted["loss"] != pytest.approx(model.evaluate(xv, yv)["loss"], rel=1e-3)


def test_validation_split_holds_out_the_last_share_before_shuffling():
    split, by_hand = new_model(), new_model()
    x, y = images(20), one_hot(20)
    a = split.fit(x, y, batch_size=4, epochs=3, verbose=0, validation_split=0.25)
    b = by_hand.fit(
        x[:15], y[:15], batch_size=4, epochs=3, verbose=0, validation_data=(x[15:], y[15:])
    )
    same(split, by_hand)
    assert a.history == b.history


def test_validation_data_wins_over_validation_split():
    x = Recorder(images(20))
    xv, yv = images(5, seed=3), one_hot(5, seed=3)
    model = new_model()
    history = model.fit(
        x, one_hot(20), validation_split=0.5, validation_data=(xv, yv), verbose=0
    ).history
    assert sorted(np.concatenate(x.batches[:1])) == list(range(20))
    assert history["val_loss"] == [pytest.approx(model.evaluate(xv, yv)["loss"], rel=1e-6)]


def test_class_weight_weighs_the_training_loss_only():
    """As in Keras: "used for weighting the loss function (during training only)"."""
    x, y, weights = images(20), one_hot(20), {0: 5.0, 1: 0.1, 2: 3.0}
    model = new_model()
    history = model.fit(x, y, validation_split=0.25, class_weight=weights, verbose=0).history
    plain = model.evaluate(x[15:], y[15:])
    assert history["val_loss"] == [pytest.approx(plain["loss"], rel=1e-6)]


def test_weighted_loss_is_the_weighted_sum_over_n_for_any_batch_size():
    x, y, w = images(), one_hot(), np.arange(10.0)
    expected = (loss_of_each(new_model(dtype="float64"), x, y) * w).sum() / 10
    for batch_size in (1, 3, 10):
        model = new_model(optimizer=optimizers.SGD(0.0), dtype="float64")
        history = model.fit(x, y, batch_size=batch_size, sample_weight=w, verbose=0).history
        assert history["loss"] == [pytest.approx(expected, rel=1e-10)]
        result = model.evaluate(x, y, batch_size=batch_size, sample_weight=w)
        assert result["loss"] == pytest.approx(expected, rel=1e-10)


def test_a_sample_of_weight_zero_only_counts_in_n():
    weighted = new_model(optimizer=optimizers.SGD(0.1), dtype="float64")
    without = new_model(optimizer=optimizers.SGD(0.1 * 7 / 10), dtype="float64")
    w = np.ones(10)
    w[[1, 4, 8]] = 0
    weighted.train_on_batch(images(), one_hot(), sample_weight=w)
    without.train_on_batch(images()[w > 0], one_hot()[w > 0])
    close(weighted, without, 1e-12)


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


def test_custom_loss_and_metric_train():
    class Absolute(losses.Loss):
        def per_sample(self, outputs, targets):
            return np.abs(outputs - targets).mean(axis=1)

        def gradient(self, outputs, targets):
            return np.sign(outputs - targets) / outputs.shape[1]

    class Largest(metrics.Metric):
        name = "largest"

        def per_sample(self, outputs, targets):
            return np.abs(outputs - targets).max(axis=1)

    model = Sequential(network(None), input_shape=SHAPE, seed=0)
    model.compile(optimizers.SGD(0.2), Absolute(), [Largest()])
    y = np.random.default_rng(4).normal(size=(10, 3)).astype(np.float32)
    history = model.fit(images(), y, epochs=30, verbose=0, validation_split=0.2).history
    assert set(history) == {"epoch", "loss", "largest", "val_loss", "val_largest"}
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    difference = np.abs(model.predict(images()) - y)
    assert model.evaluate(images(), y) == {
        "loss": pytest.approx(difference.mean(), rel=1e-5),
        "largest": pytest.approx(difference.max(axis=1).mean(), rel=1e-5),
    }


def test_learning_rate_can_be_changed_between_steps():
    """As Keras users do: model.optimizer.learning_rate = 1e-4."""
    model, other = new_model(), new_model(optimizer=optimizers.SGD(0.5))
    model.optimizer.learning_rate = 0.5
    for each in (model, other):
        each.train_on_batch(images(), one_hot())
    same(model, other)
    model.optimizer.learning_rate = optimizers.schedules.StepDecay(0.25, every=1, factor=0.5)
    assert model.optimizer.current_learning_rate == 0.125  # one step is behind it


def test_two_fits_of_one_epoch_are_one_fit_of_two():
    once, twice = new_model(optimizer="adam"), new_model(optimizer="adam")
    once.fit(images(), one_hot(), batch_size=4, epochs=2, verbose=0)
    twice.fit(images(), one_hot(), batch_size=4, epochs=1, verbose=0)
    twice.fit(images(), one_hot(), batch_size=4, epochs=2, initial_epoch=1, verbose=0)
    same(once, twice)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_loss_is_in_the_history():
    x = images()
    x[5] = np.nan
    history = new_model().fit(x, one_hot(), batch_size=2, epochs=2, verbose=0).history
    assert np.isnan(history["loss"]).all()
    assert len(history["loss"]) == 2


def test_the_softmax_in_the_loss_is_the_softmax_and_its_gradient():
    """Training through the logits equals softmax, -Σ q log p, and backward through the softmax."""

    def make():
        body = [layers.Conv2D(2, 3, activation="tanh"), layers.Flatten()]
        head = [layers.Dense(3), layers.Softmax()]
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


def out(capsys, **options):
    new_model().fit(images(), one_hot(), batch_size=4, epochs=3, validation_split=0.2, **options)
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("options", [{}, {"verbose": 2}])
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
