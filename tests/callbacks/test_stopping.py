import math

import numpy as np
import pytest

from minicnn.callbacks import EarlyStopping, TerminateOnNaN

NAN = math.nan


def val(*losses):
    return [{"loss": 1.0, "val_loss": loss} for loss in losses]


def test_it_stops_after_patience_epochs_without_improvement(drive):
    stopper = EarlyStopping(patience=2)
    state = drive([stopper], val(3.0, 2.0, 2.5, 2.0, 1.0))
    assert state.stop
    assert state.epoch == 3
    assert (stopper.best, stopper.best_epoch, stopper.wait) == (2.0, 1, 2)
    assert state.stop_reason == "val_loss has not improved for 2 epochs (best: 2 in epoch 2)"


def test_an_improvement_restarts_the_wait(drive):
    state = drive([EarlyStopping(patience=2)], val(3.0, 3.1, 2.0, 2.1, 1.0, 1.1))
    assert not state.stop
    assert state.epoch == 5


@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_are_restored(drive, restore):
    stopper = EarlyStopping(patience=2, restore_best_weights=restore)
    state = drive([stopper], val(3.0, 2.0, 2.5, 2.5), steps=4)
    batches = 8 if restore else 16  # the weight counts the batches; epoch 2 was best
    np.testing.assert_array_equal(state.model.weights[0], batches)


def test_they_are_restored_after_the_last_epoch_and_after_an_error(drive):
    state = drive([EarlyStopping(patience=9)], val(1.0, 2.0, 3.0))
    np.testing.assert_array_equal(state.model.weights[0], 4)
    stopper, model = EarlyStopping(), []
    catch = EarlyStopping()
    catch.on_train_begin = lambda state: model.append(state.model)
    with pytest.raises(KeyboardInterrupt):
        drive([catch, stopper], val(1.0, 2.0), fail_at=(1, 2), error=KeyboardInterrupt())
    np.testing.assert_array_equal(model[0].weights[0], 4)


def test_the_direction_comes_from_the_name(drive):
    logs = [{"val_accuracy": a} for a in (0.5, 0.9, 0.8, 0.7)]
    stopper = EarlyStopping("val_acc", patience=2)
    assert drive([stopper], logs).stop
    assert (stopper.best, stopper.best_epoch) == (0.9, 1)
    stopper = EarlyStopping("score", mode="max", min_delta=0.5, patience=1)
    state = drive([stopper], [{"score": 1.0}, {"score": 2.0}, {"score": 2.5}])
    assert (state.epoch, stopper.best) == (2, 2.0)


def test_only_nan_stops_and_keeps_the_weights(drive):
    state = drive([EarlyStopping(patience=2)], val(NAN, NAN, NAN))
    assert state.stop_reason == "val_loss has been NaN for 2 epochs"
    np.testing.assert_array_equal(state.model.weights[0], 8)


def test_a_baseline(drive):
    state = drive([EarlyStopping(patience=1, baseline=1.0)], val(3.0, 2.0, 0.5))
    assert (state.stop, state.epoch) == (True, 1)  # never after the first epoch
    assert state.stop_reason == "val_loss has not beaten 1 in 1 epoch (best: 2 in epoch 2)"
    assert not drive([EarlyStopping(patience=2, baseline=1.0)], val(3.0, 0.9, 0.8)).stop


def test_start_from_epoch_ignores_earlier_epochs(drive):
    stopper = EarlyStopping(patience=1, start_from_epoch=2)
    state = drive([stopper], val(0.1, 9.0, 3.0, 2.0, 2.5))
    assert (state.epoch, stopper.best, stopper.best_epoch) == (4, 2.0, 3)


def test_a_missing_metric(drive):
    with pytest.raises(ValueError, match=r"'val_loss' .* have loss, accuracy; .*validation_data"):
        drive([EarlyStopping()], [{"loss": 1.0, "accuracy": 0.5}])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": 0}, "patience >= 1, received 0"),
        ({"monitor": "score"}, 'Give mode="min" or mode="max"'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**arguments)


def test_the_first_reason_stays(drive):
    both = [EarlyStopping(patience=1), EarlyStopping("loss", patience=1)]
    state = drive(both, val(1.0, 1.0))
    assert state.stop_reason.startswith("val_loss")


@pytest.mark.parametrize("loss", [NAN, math.inf, -math.inf])
def test_terminate_on_nan_stops_at_that_batch(drive, loss):
    state = drive([TerminateOnNaN()], [{"loss": 1.0}] * 3, losses={(1, 2): loss})
    assert (state.epoch, state.step, state.stop) == (1, 2, True)
    assert f"became {loss} in epoch 2, step 3;" in state.stop_reason
