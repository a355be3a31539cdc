import time

import pytest
from small_runs import STEPS, Saver, resumed, train

from minicnn.callbacks import Callback, LambdaCallback, Timer


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    now = [50.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def takes(clock, **seconds):
    """A callback whose hooks take these seconds."""

    def wait(amount):
        def hook(state):
            clock[0] += amount

        return hook

    return LambdaCallback(**{name: wait(amount) for name, amount in seconds.items()})


class Work(Callback):
    """The time of fit itself, between the last callback and the first."""

    def __init__(self, clock, step, validation):
        self.clock, self.step, self.validation = clock, step, validation

    runs_last = True

    def on_epoch_begin(self, state):
        self.clock[0] += self.step

    def on_batch_end(self, state):
        self.clock[0] += self.step if state.step + 1 < state.steps else self.validation


def report(clock, callbacks, **options):
    timer = Timer()
    before, after = (timer, timer.last)
    train([before, *callbacks, after, Work(clock, 0.25, 2.0)], **options)
    return timer


def test_each_part_is_measured(clock):
    busy = takes(clock, on_epoch_begin=0.5, on_batch_end=0.125, on_epoch_end=4.0)
    timer = report(clock, [busy], epochs=2)
    row = {
        "images": 18,
        "training": 0.25 * STEPS,
        "validation": 2.0,
        "callbacks": 0.5 + 0.125 * STEPS + 4.0,
        "rest": 0.0,
    }
    assert timer.epochs == [{"epoch": 1, **row}, {"epoch": 2, **row}]
    found = timer.report()
    assert found["epochs"][0]["seconds"] == 8.0
    assert found["epochs"][1]["images_per_second"] == 18.0
    assert found["total"] == {
        "images": 36,
        "training": 2.0,
        "validation": 4.0,
        "callbacks": 10.0,
        "rest": 0.0,
        "seconds": 16.0,
        "images_per_second": 18.0,
    }


def test_without_validation_there_is_none(clock):
    timer = report(clock, [], epochs=1, validation=None)
    assert (timer.epochs[0]["validation"], timer.epochs[0]["rest"]) == (0.0, 2.0)


def test_beginning_and_end_are_the_rest(clock):
    first = Timer()
    slow = takes(clock, on_train_begin=3.0)
    end = takes(clock, on_train_end=5.0)
    train([end, first, slow, first.last], epochs=1)
    total = first.report()["total"]
    assert (total["rest"], total["seconds"]) == (8.0, 8.0)


def test_without_last_callbacks_count_as_training(clock):
    busy = takes(clock, on_epoch_begin=0.5, on_batch_end=0.125, on_epoch_end=4.0)
    timer = Timer()
    train([timer, busy], epochs=2)
    first, second = timer.epochs
    assert first["training"] == 0.5 + 0.125 * (STEPS - 1)
    assert first["validation"] == 0.125
    assert first["callbacks"] == 4.0
    assert second["callbacks"] == 0.0
    assert timer.report()["total"]["rest"] == 4.0


def test_the_table(clock):
    busy = takes(clock, on_epoch_end=1.0)
    lines = report(clock, [busy], epochs=2).table().splitlines()
    assert lines[0].split() == [
        "epoch", "training", "validation", "callbacks", "rest", "seconds", "images/s",
    ]  # fmt: skip
    assert lines[1].split() == ["1", "1.000", "2.000", "1.000", "0.000", "4.000", "18"]
    assert lines[3].split() == ["total", "2.000", "4.000", "2.000", "0.000", "8.000", "18"]
    assert lines[4].split() == ["25.0", "%", "50.0", "%", "25.0", "%", "0.0", "%"]


def test_nothing_measured_yet():
    timer = Timer()
    assert timer.report()["epochs"] == []
    assert timer.report()["total"]["images_per_second"] == 0.0
    assert len(timer.table().splitlines()) == 3


def test_a_second_run_starts_afresh(clock):
    timer = Timer()
    train([timer, timer.last], epochs=2)
    train([timer, timer.last], epochs=1)
    assert [row["epoch"] for row in timer.epochs] == [1]


@pytest.mark.parametrize("done", [(1, 0), (1, 2), (1, STEPS), (3, 0)])
def test_a_resumed_run_adds_its_times(clock, tmp_path, done):
    def watch():
        timer = Timer()
        busy = takes(clock, on_batch_end=0.125, on_epoch_end=1.0)
        return timer, [timer, busy, timer.last]

    whole, watchers = watch()
    train([*watchers, Work(clock, 0.25, 2.0), Saver(tmp_path)])
    rest, watchers = watch()
    clock[0] += 1000
    resumed([*watchers, Work(clock, 0.25, 2.0)], tmp_path, done)
    assert len(rest.epochs) == 3
    for one, other in zip(rest.epochs, whole.epochs, strict=True):
        assert (one["epoch"], one["images"]) == (other["epoch"], other["images"])
        # the time between the checkpoint and the interruption counts twice, or not at all
        assert one["training"] == pytest.approx(other["training"], abs=0.5)
        assert one["callbacks"] == other["callbacks"]
    assert rest.report()["total"]["seconds"] == pytest.approx(
        whole.report()["total"]["seconds"], abs=2.5
    )
