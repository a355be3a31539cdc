"""The order in which fit calls callbacks, how they stop it, and what happens when one fails."""

import numpy as np
import pytest
from fit_cases import SHAPE, Recorder, images, network, new_model, one_hot

from minicnn import Sequential, callbacks
from minicnn.callbacks import LambdaCallback
from minicnn.errors import CallbackError


class Broken(Exception):
    pass


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


def test_state_describes_the_progress_of_the_run():
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


def test_stop_within_an_epoch_ends_it_without_validation_or_epoch_end():
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
        ("on_batch_end", 1, 1),  # the other callbacks are still called
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


def test_stop_at_the_end_of_an_epoch_begins_no_other():
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


def test_on_train_end_of_every_callback_is_called_even_if_one_raises():
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


def test_before_compile_no_callback_is_called(tmp_path):
    """Otherwise a logger would empty the file of the last run."""
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,0.5\n")
    log = []
    model = Sequential(network(), input_shape=SHAPE)
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(images(), one_hot(), verbose=0, callbacks=[hooks(log), callbacks.CSVLogger(path)])
    assert log == []
    assert path.read_text() == "epoch,loss\n1,0.5\n"
