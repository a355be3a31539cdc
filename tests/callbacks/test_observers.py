"""Observing callbacks change nothing: neither the weights, nor a resumed run."""

import shutil
import warnings
from contextlib import suppress

import numpy as np
import pytest
from small_runs import CLASSES, WHERE, Saver, new_model, resumed, same_weights, train

from minicnn import RunWarning, callbacks
from minicnn.callbacks import Callback
from minicnn.callbacks.throttle import Throttle


def observers(folder):
    """All observing callbacks, without throttling."""
    folder.mkdir(exist_ok=True)
    timer = callbacks.Timer()
    found = [
        timer,
        callbacks.JSONLogger(folder / "log.jsonl", per="both"),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.PlotMetrics(folder / "curves.png", metrics=["loss"], per="both", every_seconds=0),
        callbacks.ConfusionMatrix(folder / "confusion.png", CLASSES),
        callbacks.SampleGrid(folder / "mistakes.png"),
        callbacks.LayerStats(folder / "layers.json"),
        callbacks.LiveLog(folder / "live.jsonl"),
        callbacks.TerminateOnNaN(),
        timer.last,
    ]
    with suppress(ImportError):
        found.append(callbacks.TensorBoard(folder / "board", batches=True))
    for watcher in found:
        for throttle in (value for value in vars(watcher).values() if isinstance(value, Throttle)):
            throttle.due = lambda: True
    return found


@pytest.fixture(autouse=True)
def ignore_run_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        yield


class Generators(Callback):
    """The state of every random generator after each batch."""

    def __init__(self):
        self.states = []

    def on_batch_end(self, state):
        generators = state.model.generators().values()
        self.states.append([rng.bit_generator.state["state"]["state"] for rng in generators])


@pytest.mark.parametrize("fused", [True, False])
def test_they_do_not_change_the_weights(tmp_path, fused):
    runs = []
    for watchers in (observers(tmp_path / "a"), []):
        generators, model = Generators(), new_model()
        model.fused = fused
        train([*watchers, generators], model=model)
        runs.append((model, generators.states))
    (watched, states), (alone, others) = runs
    same_weights(watched, alone)
    assert states == others
    for name, slots in alone.optimizer.slots.items():
        for slot, array in slots.items():
            np.testing.assert_array_equal(array, watched.optimizer.slots[name][slot])
    written = {path.name for path in (tmp_path / "a").iterdir()}
    assert written >= {"log.jsonl", "log.csv", "curves.png", "confusion.png", "mistakes.png",
                       "layers.json"}  # fmt: skip


def test_without_validation_samples(tmp_path):
    need_validation = (callbacks.ConfusionMatrix, callbacks.SampleGrid)
    watchers = [w for w in observers(tmp_path) if not isinstance(w, need_validation)]
    same_weights(train(watchers, validation=None)[0], train([], validation=None)[0])


def all_callbacks(folder):
    return [
        *observers(folder),
        callbacks.SwapEMA(0.9),
        callbacks.ReduceLROnPlateau("loss", patience=1, cooldown=1, min_delta=1e9),
    ]


def test_a_second_run_starts_afresh(tmp_path):
    def new(folder):
        found = [callbacks.EarlyStopping("loss"), *all_callbacks(tmp_path / folder)]
        with_times = callbacks.LiveLog, callbacks.Timer
        return [watcher for watcher in found if not isinstance(watcher, with_times)]

    used, unused = new("a"), new("b")
    train(used, epochs=2)
    train(used, epochs=1)
    train(unused, epochs=1)
    for one, other in zip(used, unused, strict=True):
        np.testing.assert_equal(one.get_state(), other.get_state())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder, model, history) of an uninterrupted run with a checkpoint after every batch."""
    folder = tmp_path_factory.mktemp("whole")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        return folder, *train([*all_callbacks(folder / "run"), Saver(folder / "saved")])


@pytest.mark.parametrize("done", [*WHERE, (3, 0)])
def test_a_resumed_run_with_all_callbacks(tmp_path, whole, done):
    folder, model, history = whole
    shutil.copytree(folder / "run", tmp_path / "run")
    rest, again = resumed(all_callbacks(tmp_path / "run"), folder / "saved", done)
    assert again.history == history.history
    same_weights(rest, model)
    log = (folder / "run" / "log.jsonl").read_text()
    assert (tmp_path / "run" / "log.jsonl").read_text() == log
