"""RemoteControl: another thread pauses, continues and stops training."""

import threading
import time

import pytest
from small_runs import train

from minicnn.callbacks import LambdaCallback, RemoteControl


def at(done, action):
    """A callback that calls `action` after this batch."""
    return LambdaCallback(
        on_batch_end=lambda state: action() if state.resume.done == done else None
    )


def test_a_stop_ends_training_after_the_batch_and_gives_its_reason():
    control, ends = RemoteControl(), []
    end = LambdaCallback(on_train_end=lambda s: ends.append((s.resume.done, s.stop_reason)))
    train([at((1, 2), lambda: control.stop("enough")), control, end])
    assert ends == [((1, 2), "enough")]


def test_training_pauses_until_go_on():
    events, states = [], []
    control = RemoteControl(lambda event, state: events.append((event, state.resume.done)))

    def pause():
        control.pause()
        threading.Timer(0.3, control.go_on).start()

    before = time.perf_counter()
    last = LambdaCallback(on_train_end=states.append)
    train([at((0, 3), pause), control, last])
    assert events == [("pause", (0, 3)), ("continue", (0, 3))]
    assert states[0].resume.done == (3, 0)
    assert 0.29 <= states[0].drawing.paused_seconds < time.perf_counter() - before


def test_a_stop_ends_a_pause():
    control, ends = RemoteControl(), []

    def pause():
        control.pause()
        threading.Timer(0.1, control.stop, ["enough"]).start()

    end = LambdaCallback(on_train_end=lambda s: ends.append(s.resume.done))
    train([at((0, 1), pause), control, end])
    assert ends == [(0, 1)]


def test_give_up_ends_a_pause():
    calls = []
    control = RemoteControl(give_up=lambda: calls.append(0) or len(calls) == 2)
    _, history = train([at((0, 1), control.pause), control])
    assert len(calls) == 2
    assert len(history.history["loss"]) == 3


def test_a_stop_during_validation():
    control, ends = RemoteControl(), []
    method = LambdaCallback(on_epoch_end=lambda s: control.stop("enough") if s.epoch == 1 else None)
    train([method, control, LambdaCallback(on_train_end=lambda s: ends.append(s.resume.done))])
    assert ends == [(2, 0)]


@pytest.mark.parametrize("method", ["pause", "stop"])
def test_before_a_run_only_a_pause_has_an_effect(method):
    events = []
    note = lambda event, state: events.append((event, state.resume.done))  # noqa: E731
    control = RemoteControl(note, lambda: True)
    control.pause() if method == "pause" else control.stop("too early")
    _, history = train([control])
    assert len(history.history["loss"]) == 3
    assert events == ([("pause", (0, 1)), ("continue", (0, 1))] if method == "pause" else [])
