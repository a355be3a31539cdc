"""RemoteControl: training waits, goes on and stops when another thread asks."""

import threading
import time

import pytest
from small_runs import train

from minicnn.callbacks import LambdaCallback, RemoteControl


def at(done, what):
    """A callback that calls `what` after this batch."""
    return LambdaCallback(on_batch_end=lambda state: what() if state.done == done else None)


def test_a_stop_ends_training_after_the_batch_and_gives_its_reason():
    control, ends = RemoteControl(), []
    end = LambdaCallback(on_train_end=lambda s: ends.append((s.done, s.stop_reason)))
    train([at((1, 2), lambda: control.stop("enough")), control, end])
    assert ends == [((1, 2), "enough")]


def test_training_waits_until_it_may_go_on():
    told, states = [], []
    control = RemoteControl(lambda word, state: told.append((word, state.done)))

    def pause():
        control.pause()
        threading.Timer(0.3, control.go_on).start()

    before = time.perf_counter()
    last = LambdaCallback(on_train_end=states.append)
    train([at((0, 3), pause), control, last])
    assert told == [("pause", (0, 3)), ("continue", (0, 3))]
    assert states[0].done == (3, 0)
    assert 0.29 <= states[0].waited < time.perf_counter() - before


def test_a_stop_ends_waiting():
    control, ends = RemoteControl(), []

    def pause():
        control.pause()
        threading.Timer(0.1, control.stop, ["enough"]).start()

    train([at((0, 1), pause), control, LambdaCallback(on_train_end=lambda s: ends.append(s.done))])
    assert ends == [(0, 1)]


def test_who_gives_up_ends_waiting():
    asked = []
    control = RemoteControl(give_up=lambda: asked.append(0) or len(asked) == 2)
    _, history = train([at((0, 1), control.pause), control])
    assert len(asked) == 2
    assert len(history.history["loss"]) == 3


def test_what_is_asked_while_validating_is_heard():
    control, ends = RemoteControl(), []
    ask = LambdaCallback(on_epoch_end=lambda s: control.stop("enough") if s.epoch == 1 else None)
    train([ask, control, LambdaCallback(on_train_end=lambda s: ends.append(s.done))])
    assert ends == [(2, 0)]


@pytest.mark.parametrize("ask", ["pause", "stop"])
def test_of_what_was_asked_before_only_a_pause_holds(ask):
    told = []
    control = RemoteControl(lambda word, state: told.append((word, state.done)), lambda: True)
    control.pause() if ask == "pause" else control.stop("too early")
    _, history = train([control])
    assert len(history.history["loss"]) == 3
    assert told == ([("pause", (0, 1)), ("continue", (0, 1))] if ask == "pause" else [])
