import numpy as np
import pytest
from small_runs import STEPS, VALIDATION, Saver, new_model, resumed, train

from minicnn import ModelError, kernels
from minicnn.callbacks import Callback, EarlyStopping, LambdaCallback, SwapEMA


class Recorder(Callback):
    """The weights after each batch and epoch. Before SwapEMA in the list, it sees each batch's own
    weights."""

    def __init__(self):
        self.batches, self.epochs = [], []

    def on_batch_end(self, state):
        self.batches.append(state.model.get_weights())

    def on_epoch_end(self, state):
        self.epochs.append(state.model.get_weights())


def average(steps, decay):
    """The average in float64, computed from the final share of each step."""
    shares = np.ones(len(steps))
    for t in range(2, len(steps) + 1):
        d = min(decay, (1 + t) / (10 + t))
        shares[: t - 1] *= d
        shares[t - 1] = 1 - d
    assert shares.sum() == pytest.approx(1)
    return [
        np.tensordot(shares, np.array(arrays, np.float64), axes=1)
        for arrays in zip(*steps, strict=True)
    ]


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_the_model_has_the_average_after_each_epoch(decay):
    recorder = Recorder()
    model, _ = train([recorder, SwapEMA(decay)])
    assert len(recorder.epochs) == 3
    for epoch, weights in enumerate(recorder.epochs):
        close(weights, average(recorder.batches[: (epoch + 1) * STEPS], decay))
    for final, averaged, own in zip(
        model.get_weights(), recorder.epochs[-1], recorder.batches[-1], strict=True
    ):
        np.testing.assert_array_equal(final, averaged)
        if decay == 0:
            np.testing.assert_array_equal(final, own)


def test_training_continues_with_its_own_weights():
    with_it, without = Recorder(), Recorder()
    train([with_it, SwapEMA(0.9)])
    train([without])
    for ours, theirs in zip(with_it.batches, without.batches, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_validation_measures_the_final_weights():
    model, history = train([SwapEMA(0.8)])
    found = model.evaluate(*VALIDATION, batch_size=5)
    assert found["loss"] == history.history["val_loss"][-1]
    _, plain = train([])
    assert plain.history["val_loss"] != history.history["val_loss"]
    assert plain.history["loss"] == history.history["loss"]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_run_that_ends_within_an_epoch_keeps_the_average(error):
    recorder = Recorder()

    def end(state):
        if (state.epoch, state.step) == (1, 1):
            state.stop = True
            if error:
                raise error

    watchers, model = [recorder, SwapEMA(0.9), LambdaCallback(on_batch_end=end)], new_model()
    if error:
        with pytest.raises(error):
            train(watchers, model=model)
    else:
        train(watchers, model=model)
    close(model.get_weights(), average(recorder.batches, 0.9))


def test_early_stopping_restores_the_best_average():
    recorder = Recorder()
    stopper = EarlyStopping("val_loss", patience=9)
    model, history = train([recorder, SwapEMA(0.5), stopper], epochs=6)
    best = int(np.argmin(history.history["val_loss"]))
    assert stopper.best_epoch == best
    for one, other in zip(model.get_weights(), recorder.epochs[best], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_is_not_resumed_without_it(tmp_path):
    """Training would continue with the averaged weights."""
    train([SwapEMA(), Saver(tmp_path)])
    with pytest.raises(ModelError, match="expected the callback 'SwapEMA'"):
        resumed([], tmp_path, (1, 0))


def test_averaging_can_start_in_a_resumed_run(tmp_path):
    train([Saver(tmp_path)])
    recorder = Recorder()
    model, _ = resumed([recorder, SwapEMA(0.9)], tmp_path, (1, 2))
    assert len(recorder.batches) == 2 + STEPS
    close(model.get_weights(), average(recorder.batches, 0.9))


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan"), 2])
def test_wrong_arguments(decay):
    with pytest.raises(ValueError, match="SwapEMA: expected 0 <= decay < 1, received"):
        SwapEMA(decay)


def test_float64_stays_float64():
    averager = SwapEMA()
    with kernels.use_backend("numpy"):  # nothing to compile
        model, _ = train([averager], model=new_model(dtype="float64"))
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float64")}
    assert {w.dtype for w in averager._ema.values()} == {np.dtype("float64")}
