"""LiveLog: the lines of a run, and that they can be followed."""

import itertools
import json
import time

import numpy as np
import pytest
from small_runs import STEPS, Saver, resumed, train

from minicnn.callbacks import Callback, LambdaCallback, LiveLog, RemoteControl, live


def records(path):
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]


def of(path, event):
    return [record for record in records(path) if record["event"] == event]


def curve(path, name):
    return list(itertools.chain(*(record[name] for record in of(path, "batches"))))


@pytest.fixture
def every_batch(monkeypatch):
    """A point for each batch."""
    monkeypatch.setattr(live, "POINT_SECONDS", 0.0)


def test_begin_epochs_and_end(tmp_path):
    path = tmp_path / "new" / "live.jsonl"
    _, history = train([LiveLog(path)], epochs=2)
    first, *_, last = records(path)
    assert first.pop("time") == pytest.approx(time.time(), abs=60)
    assert first.pop("seconds") < 5
    assert first == {
        "event": "begin",
        "epochs": 2,
        "steps": STEPS,
        "batch_size": 5,
        "num_samples": 18,
        "metrics": ["loss", "accuracy"],
        "model": "sequential",
        "done": [0, 0],
    }
    assert (last["event"], last["epoch"], last["reason"], last["failed"]) == ("end", 2, "", False)
    epochs = of(path, "epoch")
    assert [record["epoch"] for record in epochs] == [0, 1]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [record["logs"][name] for record in epochs] == pytest.approx(
            history.history[name], rel=1e-6
        )
    seconds = [record["seconds"] for record in records(path) if record["event"] != "batches"]
    assert seconds == sorted(seconds)


def test_each_batch_is_a_point(tmp_path, every_batch):
    path, seen = tmp_path / "live.jsonl", []
    watch = LambdaCallback(on_batch_end=lambda s: seen.append(s.batch_logs["loss"]))
    train([watch, LiveLog(path)], epochs=2)
    assert curve(path, "epoch") == [0] * STEPS + [1] * STEPS
    assert curve(path, "step") == [*range(STEPS), *range(STEPS)]
    assert curve(path, "loss") == pytest.approx(seen, rel=1e-5)
    assert set(curve(path, "learning_rate")) == {0.01}
    assert curve(path, "seconds") == sorted(curve(path, "seconds"))


def test_a_point_is_the_mean_of_fast_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "POINT_SECONDS", 1e9)
    path, seen = tmp_path / "live.jsonl", []
    watch = LambdaCallback(on_batch_end=lambda s: seen.append(s.batch_logs["loss"]))
    train([watch, LiveLog(path)], epochs=3)
    assert curve(path, "step") == [STEPS - 1] * 3  # the end of an epoch is always a point
    means = np.reshape(seen, (3, STEPS)).mean(axis=1)
    assert curve(path, "loss") == pytest.approx(means, rel=1e-5)


def test_mistakes_of_the_last_epoch(tmp_path):
    path, found = tmp_path / "live.jsonl", {}

    class Look(Callback):
        needs_outputs = True

        def on_epoch_end(self, state):
            found["outputs"] = state.drawing.val_outputs.copy()
            found["true"] = state.drawing.validation.y

    train([Look(), LiveLog(path, mistakes=3)])
    predicted, true = found["outputs"].argmax(1), found["true"].argmax(1)
    wrong = np.flatnonzero(predicted != true)
    lines = of(path, "epoch")[-1]
    assert lines["wrong"] == len(wrong) > 3
    confidence = found["outputs"].max(1)
    expected = sorted(wrong, key=lambda row: -confidence[row])[:3]
    assert [m[0] for m in lines["mistakes"]] == expected
    for row, is_true, is_predicted, p in lines["mistakes"]:
        assert (is_true, is_predicted) == (true[row], predicted[row])
        assert p == pytest.approx(confidence[row], abs=1e-3)


def test_without_validation_samples_there_are_no_mistakes(tmp_path):
    train([LiveLog(tmp_path / "live.jsonl")], validation=None)
    assert all("mistakes" not in record for record in of(tmp_path / "live.jsonl", "epoch"))


def test_numbers_that_are_not_finite_are_null(tmp_path, every_batch):
    path = tmp_path / "live.jsonl"

    def spoil(state):
        state.batch_logs["loss"] = float("nan")

    train([LambdaCallback(on_batch_end=spoil), LiveLog(path)], epochs=1)
    assert curve(path, "loss") == [None] * STEPS


@pytest.mark.parametrize("at", [(1, 0), (1, 2)])
def test_a_resumed_run_says_where_it_continues(tmp_path, every_batch, at):
    path = tmp_path / "live.jsonl"
    train([LiveLog(path), Saver(tmp_path)])
    before = records(path)
    resumed([LiveLog(path)], tmp_path, at)
    lines = records(path)
    assert lines[: len(before)] == before
    begin = lines[len(before)]
    assert (begin["event"], begin["done"]) == ("begin", list(at))
    later = [r for r in lines[len(before) :] if r["event"] == "batches"]
    steps = [pair for r in later for pair in zip(r["epoch"], r["step"], strict=True)]
    assert steps == [(e, s) for e in range(1, 3) for s in range(STEPS) if (e, s) >= at]
    assert begin["seconds"] > 0


def test_pauses_are_logged_and_do_not_count(tmp_path):
    path = tmp_path / "live.jsonl"
    log = LiveLog(path)
    control, pauses = RemoteControl(log.say), []

    def pause(state):
        if state.resume.done == (1, 1):
            control.pause()

    def give_up():
        pauses.append(of(path, "pause"))  # what a reader sees
        return len(pauses) > 2

    control.give_up = give_up
    before = time.perf_counter()
    train([LambdaCallback(on_batch_end=pause), log, control])
    spent = time.perf_counter() - before
    assert all(len(seen) == 1 for seen in pauses)
    assert len(of(path, "continue")) == 1
    assert records(path)[-1]["seconds"] < spent - 3 * 0.09


def test_a_failed_run(tmp_path):
    path = tmp_path / "live.jsonl"

    def fail(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([LambdaCallback(on_epoch_end=fail), LiveLog(path)])
    assert records(path)[-1]["failed"] is True
