import math

import pytest
from small_runs import STEPS, WHERE, Saver, SetLogs, new_model, resumed, same_weights, train

from minicnn import optimizers, schedules
from minicnn.callbacks import LambdaCallback, LearningRateScheduler, ReduceLROnPlateau

NAN = math.nan


def rates(history):
    return history.history["learning_rate"]


def plateau(values, name="val_loss", rate=1.0, **options):
    """(the rate of each epoch, the callback) of a run whose metric has these values."""
    model = new_model(optimizer=optimizers.SGD(rate))
    options = {"monitor": name, "factor": 0.5, "patience": 2, "min_delta": 0.0, **options}
    watcher = ReduceLROnPlateau(**options)
    logs = SetLogs(name, values)
    _, history = train([logs, watcher], model=model, epochs=len(values), validation=None)
    return rates(history), watcher


# ---- LearningRateScheduler ----


def test_the_schedule_sets_each_epochs_rate():
    calls, used = [], []

    def schedule(epoch, rate):
        calls.append((epoch, rate))
        return 0.5 / (epoch + 1)

    watch = LambdaCallback(on_batch_end=lambda s: used.append(s.model.optimizer.learning_rate))
    model = new_model(optimizer=optimizers.SGD(1.0))
    _, history = train([LearningRateScheduler(schedule), watch], model=model)
    assert calls == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert used == [0.5] * STEPS + [0.25] * STEPS + [0.5 / 3] * STEPS
    assert rates(history) == [0.5, 0.25, 0.5 / 3]


@pytest.mark.parametrize("rate", [-0.1, NAN, math.inf])
def test_a_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=r"LearningRateScheduler: .* rate >= 0, received"):
        train([LearningRateScheduler(lambda epoch, old: rate)])


@pytest.mark.parametrize(
    "watcher", [LearningRateScheduler(lambda epoch, rate: rate), ReduceLROnPlateau()]
)
def test_an_optimizer_with_a_schedule_is_refused(watcher):
    model = new_model(optimizer=optimizers.SGD(schedules.CosineDecay(0.1, 100)))
    name = type(watcher).__name__
    with pytest.raises(ValueError, match=rf"{name}: .* constant .* received CosineDecay\(.*number"):
        train([watcher], model=model)


@pytest.mark.parametrize("done", WHERE)
def test_a_resumed_epoch_calls_the_schedule_once(tmp_path, done):
    def watch(calls):
        return LearningRateScheduler(lambda epoch, rate: calls.append(epoch) or rate / 2)

    first, second = [], []
    whole, history = train([watch(first), Saver(tmp_path)])
    rest, again = resumed([watch(second)], tmp_path, done)
    assert first == [0, 1, 2]
    assert second == [epoch for epoch in first if epoch >= done[0] + bool(done[1])]
    assert rates(again) == rates(history)
    same_weights(rest, whole)


# ---- the logs ----


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "other",
    [
        LearningRateScheduler(lambda epoch, rate: rate * 0.75),
        ReduceLROnPlateau("accuracy", factor=0.25, patience=2, min_delta=1e9),
    ],
)
def test_the_logs_have_the_rate_of_the_epoch(order, other):
    """Also if two callbacks change it, and for callbacks before and after them."""
    used, logged = [], []
    first = LambdaCallback(
        on_batch_end=lambda s: used.append(s.model.optimizer.schedule.learning_rate),
        on_epoch_end=lambda s: logged.append(s.logs["learning_rate"]),
    )
    last = LambdaCallback(on_epoch_end=lambda s: logged.append(s.logs["learning_rate"]))
    both = [ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9), other][::order]
    model = new_model(optimizer=optimizers.SGD(1.0))
    _, history = train([first, *both, last], model=model, epochs=4)
    expected = used[::STEPS]
    assert len(set(expected)) > 2
    assert used == [rate for rate in expected for _ in range(STEPS)]
    assert logged == [rate for rate in expected for _ in range(2)]
    assert rates(history) == expected


# ---- ReduceLROnPlateau ----


def test_it_reduces_after_patience_epochs():
    found, watcher = plateau([5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0])
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert (watcher.best, watcher.wait) == (4.0, 1)


def test_patience_0_is_patience_1_and_an_improvement_restarts_the_wait():
    values = [3.0, 3.0, 2.0, 2.0, 2.0]
    for patience in (0, 1):
        assert plateau(values, patience=patience)[0] == [1, 1, 0.5, 0.5, 0.25]


def test_epochs_of_the_cooldown_are_not_counted():
    # As in Keras: the last epoch of the cooldown counts already.
    found, watcher = plateau([5.0] + [6.0] * 8, cooldown=2)
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert (watcher.resting, watcher.wait) == (2, 0)  # reduced once more at the end


def test_an_improvement_during_the_cooldown_counts():
    _, watcher = plateau([5.0, 6.0, 6.0, 4.0, 4.5], cooldown=5)
    assert (watcher.best, watcher.wait) == (4.0, 0)


def test_not_below_min_lr():
    assert plateau([1.0] * 8, min_lr=0.4, patience=1)[0] == [1, 1, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4]
    assert plateau([1.0] * 4, min_lr=2.0, patience=1)[0] == [1] * 4  # it never raises the rate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1.0}, "factor < 1, received 1"),
        ({"factor": -0.1}, "0 <= factor"),
        ({"factor": NAN}, "received nan"),
        ({"patience": -1}, "patience >= 0, received -1"),
        ({"cooldown": -1}, "cooldown >= 0"),
        ({"min_lr": NAN}, "min_lr >= 0, received nan"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReduceLROnPlateau(**arguments)
