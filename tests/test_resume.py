"""A resumed run ends in the same bits as a run without interruption.

Each case is trained once, with a checkpoint at every step; then again from each checkpoint, with a
new model and new callbacks.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minicnn import (
    ModelError,
    Sequential,
    kernels,
    layers,
    losses,
    optimizers,
    schedules,
    set_threads,
    use_backend,
)
from minicnn.callbacks import Callback, EarlyStopping, History, LambdaCallback, ModelCheckpoint
from minicnn.errors import CallbackError
from minicnn.saving import checkpoints

SHAPE, N, EPOCHS = (6, 6, 1), 22, 4  # the last batch of 8 is smaller
X = np.random.default_rng(0).random((N, *SHAPE), dtype=np.float32)
Y = np.eye(3, dtype=np.uint8)[np.random.default_rng(1).integers(0, 3, N)]
WEIGHTS = np.random.default_rng(2).random(N)


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    """Backend and threads are restored, and nothing is flushed to disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    threads = kernels.get_threads()
    with use_backend(kernels.current_backend()):
        yield
    set_threads(threads)


def plain():
    return [
        layers.Conv2D(2, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]


def with_state():
    """Layers that draw random numbers in training, or have more state than weights."""
    return [
        layers.Conv2D(2, 3, l2=0.01),
        layers.BatchNorm(0.9),
        layers.ReLU(),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(4, activation="tanh"),
        layers.Dropout(0.5),
        layers.Dense(3, activation="softmax"),
    ]


def noise(x, rng):
    """An augmentation."""
    return x + rng.normal(0, 0.1, x.shape).astype(x.dtype)


@dataclass
class Case:
    """A run that can be repeated."""

    layers: Any = plain
    optimizer: Any = lambda: "adam"
    loss: Any = "categorical_crossentropy"
    model: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    callbacks: Any = list

    def new_model(self):
        model = Sequential(self.layers(), **{"input_shape": SHAPE, "seed": 3, **self.model})
        model.compile(self.optimizer(), self.loss, ["accuracy"])
        return model

    def train(self, folder=None, resume=None, every=1, model=None, callbacks=(), **options):
        """(model, history); leaves its checkpoints in `folder`."""
        model = model or self.new_model()
        # before and after: the order of callbacks must not matter
        watching = [*self.callbacks(), *callbacks]
        if folder is not None:
            watching.insert(0, ModelCheckpoint(folder, None, every=every, keep_last=10_000))
        options = {"batch_size": 8, "epochs": EPOCHS, "verbose": 0, **self.fit, **options}
        history = model.fit(X, Y, callbacks=watching, resume=resume, **options)
        return model, history


CASES = {
    "adam": Case(),
    "sgd": Case(optimizer=lambda: optimizers.SGD(0.1)),
    "momentum": Case(optimizer=lambda: optimizers.SGD(0.1, 0.9, nesterov=True, clipnorm=0.5)),
    "rmsprop": Case(optimizer=lambda: optimizers.RMSprop(0.01, momentum=0.5, weight_decay=0.01)),
    "adamw": Case(optimizer=lambda: optimizers.AdamW(0.01, global_clipnorm=1.0)),
    "steps of rate": Case(optimizer=lambda: optimizers.SGD(schedules.StepDecay(0.1, 5, 0.5))),
    "cosine": Case(optimizer=lambda: optimizers.AdamW(schedules.CosineDecay(0.01, 12, 3, 0.1))),
    "dropout, norm": Case(with_state),
    "everything in float64": Case(with_state, model={"dtype": "float64"}),
    "no seed": Case(with_state, model={"seed": None}),
    "no shuffling": Case(fit={"shuffle": False}),
    "part of a pass": Case(with_state, fit={"steps_per_epoch": 2}),
    "more than a pass": Case(with_state, fit={"steps_per_epoch": 7}),
    "part of a pass in order": Case(fit={"steps_per_epoch": 5, "shuffle": False}),
    "one batch": Case(fit={"batch_size": 100}),
    "sample weights": Case(fit={"sample_weight": WEIGHTS, "class_weight": {0: 1, 1: 2, 2: 0.5}}),
    "validation split": Case(fit={"validation_split": 0.3}),
    "augmentation": Case(with_state, fit={"augmentation": noise}),
    "later start": Case(fit={"initial_epoch": 1}),
    "early stopping": Case(
        optimizer=lambda: optimizers.SGD(0.1),
        fit={"validation_split": 0.3, "epochs": 12},
        callbacks=lambda: [EarlyStopping("loss", patience=3, mode="max")],  # so that it stops
    ),
    "the best weights": Case(
        with_state,
        fit={"validation_split": 0.3},
        callbacks=lambda: [EarlyStopping("loss", patience=99, mode="max")],
    ),
    "two of a kind": Case(
        callbacks=lambda: [
            EarlyStopping("loss", patience=2, mode="max", restore_best_weights=False),
            EarlyStopping("accuracy", patience=3, mode="min", start_from_epoch=1, baseline=0.0),
        ],
        fit={"epochs": 6},
    ),
}


EXHAUSTIVE = {
    *("sgd", "rmsprop", "steps of rate", "everything in float64", "no shuffling"),
    *("more than a pass", "part of a pass in order", "the best weights"),
}


def same_models(one, other):
    """Weights, state arrays, and the state of the optimizer."""
    assert one.tensors().keys() == other.tensors().keys()
    for name, (held, key) in one.tensors().items():
        theirs, their_key = other.tensors()[name]
        assert held[key].tobytes() == theirs[their_key].tobytes(), name
    mine, theirs = one.optimizer.get_state(), other.optimizer.get_state()
    assert mine["iterations"] == theirs["iterations"]
    assert mine["learning_rate"] == theirs["learning_rate"]
    assert mine["slots"].keys() == theirs["slots"].keys()
    for name, slots in mine["slots"].items():
        for slot, array in slots.items():
            assert array.tobytes() == theirs["slots"][name][slot].tobytes(), (name, slot)
    assert one.generators().keys() == other.generators().keys()
    for name, rng in one.generators().items():
        assert rng.bit_generator.state == other.generators()[name].bit_generator.state, name


def same_runs(one, other):
    same_models(one[0], other[0])
    assert one[1].history == other[1].history  # NaN would differ: there is none
    assert one[1].epoch == other[1].epoch


# ---- from every checkpoint of every kind of run ----


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.exhaustive] * (name in EXHAUSTIVE)) for name in CASES],
)
def test_from_every_checkpoint_a_run_ends_in_the_same_bits(tmp_path, name):
    case = CASES[name]
    first = case.new_model()
    before = {name: rng.bit_generator.state for name, rng in first.generators().items()}
    weights = first.get_weights()
    whole = case.train(tmp_path, model=first)
    found = checkpoints.in_folder(tmp_path)
    assert len(found) >= 4
    assert any(checkpoints.read(path).done[1] for path in found) == (name != "one batch")
    for path in found:
        same_runs(case.train(resume=path), whole)
    # and the checkpoints themselves changed nothing
    again = case.new_model()
    again.set_weights(weights)
    for key, rng in again.generators().items():
        rng.bit_generator.state = before[key]
    same_runs(case.train(model=again), whole)


def test_early_stopping_has_stopped_and_its_best_weights_are_not_the_last_ones(tmp_path):
    """Otherwise the cases above would test nothing."""
    case = CASES["early stopping"]
    _, history = case.train(tmp_path)
    assert len(history.epoch) < 12
    model, _ = CASES["the best weights"].train(tmp_path / "other")
    last = checkpoints.read(checkpoints.in_folder(tmp_path / "other")[-1])
    name = "5.Dense.w"
    assert model.tensors()[name][0]["w"].tobytes() != last.tensors[name].tobytes()


def test_early_stopping_stops_a_resumed_run_again_unless_its_patience_grew(tmp_path):
    case = CASES["early stopping"]
    whole = case.train(tmp_path)
    stopped, heard = len(whole[1].epoch), []
    newest = checkpoints.load(tmp_path)
    assert newest.done == (stopped, 0)
    note = LambdaCallback(
        on_batch_end=lambda s: heard.append(s.step),
        on_train_end=lambda s: heard.append(s.stop_reason),
    )
    same_runs(case.train(resume=newest, callbacks=[note]), whole)
    assert len(heard) == 1
    assert "loss has not improved for 3 epochs" in heard[0]
    patient = Case(case.layers, case.optimizer, fit=case.fit)
    patient.callbacks = lambda: [EarlyStopping("loss", patience=5, mode="max")]
    assert len(patient.train(resume=newest)[1].epoch) == stopped + 2


# ---- interruptions ----


def at(done):
    """A callback that raises once these epochs and steps are done."""

    def stop(state):
        if state.resume.done >= done:
            raise RuntimeError("interrupted")

    return LambdaCallback(on_batch_end=stop, on_epoch_end=stop)


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from(["dropout, norm", "part of a pass", "the best weights", "augmentation"]),
)
def test_interrupted_anywhere_and_resumed_repeatedly(tmp_path_factory, points, every, name):
    case = CASES[name]
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    for point in sorted(points):
        try:
            case.train(folder, folder, every, callbacks=[at(point)])
        except CallbackError:
            continue
    same_runs(case.train(folder, folder, every), case.train())


def test_a_finished_run_is_resumed_with_nothing_to_do(tmp_path):
    case = CASES["dropout, norm"]
    whole = case.train(tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    same_runs(case.train(tmp_path, tmp_path), whole)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


# ---- files and folders ----


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_checkpoints_is_the_beginning(tmp_path, made):
    folder = tmp_path / "checkpoints"
    if made:
        folder.mkdir()
        (folder / "notes.txt").write_text("not a checkpoint")
        (folder / "epoch-x.safetensors").write_text("nor this")
    case = CASES["dropout, norm"]
    same_runs(case.train(resume=folder), case.train())


@pytest.mark.parametrize("kind", [str, Path, checkpoints.read])
def test_resume_takes_a_path_a_string_or_a_checkpoint(tmp_path, kind):
    case = CASES["adam"]
    whole = case.train(tmp_path)
    path = checkpoints.in_folder(tmp_path)[1]
    same_runs(case.train(resume=kind(path)), whole)


def test_of_a_folder_the_newest_checkpoint_is_used(tmp_path):
    case = CASES["adam"]
    case.train(tmp_path)
    names = [path.name for path in checkpoints.in_folder(tmp_path)]
    assert names[:4] == [
        "epoch-0000+000001.safetensors",
        "epoch-0000+000002.safetensors",
        "epoch-0001.safetensors",
        "epoch-0001+000001.safetensors",
    ]
    assert checkpoints.load(tmp_path).path.name == names[-1] == "epoch-0004.safetensors"


def test_numbers_are_ordered_as_numbers(tmp_path):
    for name in ("epoch-10000", "epoch-9999", "epoch-9999+1000000", "epoch-9999+999999"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    assert [path.stem for path in checkpoints.in_folder(tmp_path)] == [
        *("epoch-9999", "epoch-9999+999999", "epoch-9999+1000000", "epoch-10000")
    ]
    for done in ((0, 1), (4, 0), (9999, 1_000_000), (123_456, 0)):
        assert checkpoints.position(Path(checkpoints.file_name(done))) == done


def test_a_checkpoint_is_a_model_too(tmp_path):
    case = CASES["dropout, norm"]
    model = case.new_model()
    outputs = {}

    def note(state):
        outputs[state.resume.done] = state.model.predict(X).tobytes()

    case.train(tmp_path, model=model, callbacks=[LambdaCallback(on_batch_end=note)])
    for path in checkpoints.in_folder(tmp_path):
        done = checkpoints.read(path).done
        if done[1]:
            assert Sequential.load(path).predict(X).tobytes() == outputs[done]
    loaded = Sequential.load(tmp_path / "epoch-0004.safetensors")
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    assert loaded.optimizer.iterations == 0


def test_a_loaded_checkpoint_or_a_trained_model_can_be_the_model_that_resumes(tmp_path):
    case = CASES["dropout, norm"]
    whole = case.train(tmp_path)
    path = checkpoints.in_folder(tmp_path)[4]
    for model in (Sequential.load(path), whole[0]):
        same_runs(case.train(resume=path, model=model), whole)


# ---- checkpoints that do not fit ----


REFUSED = {
    "setup.batch_size: expected 9": {"batch_size": 9},
    "setup.shuffle: expected False": {"shuffle": False},
    "setup.steps: expected 2": {"steps_per_epoch": 2},
    "setup.samples: expected 11": {"validation_split": 0.5},
}


@pytest.mark.parametrize("words", REFUSED)
def test_other_batches_are_refused_before_anything_has_changed(tmp_path, words):
    case = CASES["adam"]
    case.train(tmp_path)
    path = checkpoints.in_folder(tmp_path)[3]
    model, heard = case.new_model(), []
    before, state = model.get_weights(), model.rng.bit_generator.state
    with pytest.raises(ModelError, match=words) as caught:
        case.train(
            resume=path,
            model=model,
            callbacks=[LambdaCallback(on_train_begin=heard.append)],
            **REFUSED[words],
        )
    assert str(path) in str(caught.value)
    assert heard == []
    assert model.rng.bit_generator.state == state
    assert model.optimizer.iterations == 0
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Case(with_state), "model.layers: expected"),
        (Case(model={"dtype": "float64"}), "model.dtype: expected 'float64'.*'float32'"),
        (Case(optimizer=lambda: "sgd"), "model.compile.optimizer.class: expected 'SGD'.*'Adam'"),
        (Case(optimizer=lambda: optimizers.Adam(beta_1=0.5)), r"optimizer\.beta_1: expected 0\.5"),
        (Case(loss=losses.CategoricalCrossentropy(0.1)), r"loss\.label_smoothing: expected 0\.1"),
    ],
)
def test_another_model_is_refused_by_the_field(tmp_path, other, words):
    CASES["adam"].train(tmp_path)
    with pytest.raises(ModelError, match=words):
        other.train(resume=tmp_path)


def test_another_learning_rate_is_accepted_and_that_of_the_checkpoint_is_used(tmp_path):
    case = Case(optimizer=lambda: optimizers.SGD(0.1))
    whole = case.train(tmp_path)
    other = Case(optimizer=lambda: optimizers.SGD(schedules.CosineDecay(9.0, 100)))
    same_runs(other.train(resume=checkpoints.in_folder(tmp_path)[0]), whole)


def test_a_learning_rate_set_by_hand_is_restored(tmp_path):
    def slower(state):
        if state.resume.done == (1, 2):
            state.model.optimizer.learning_rate = 0.01

    case = Case(optimizer=lambda: optimizers.SGD(0.1))
    case.callbacks = lambda: [LambdaCallback(on_batch_end=slower)]
    whole = case.train(tmp_path)
    same_runs(case.train(resume=tmp_path / "epoch-0002.safetensors"), whole)


# ---- state of callbacks ----


class Remembers(Callback):
    def __init__(self):
        self.state = {}
        self.given = None

    def get_state(self):
        return self.state

    def set_state(self, saved):
        self.given = saved


def remembered(tmp_path, state):
    """The argument of set_state, if get_state returned `state`."""
    case, one, other = CASES["adam"], Remembers(), Remembers()
    one.state = state
    case.train(tmp_path, callbacks=[one])
    case.train(resume=tmp_path, callbacks=[other])
    return other.given


def test_a_custom_callback_gets_its_state_back(tmp_path):
    state = {
        "none": None,
        "numbers": [1, 2.5, float("inf"), np.int64(3), np.float32(0.5), 2**70, True],
        "text": "ä\n\ud800",
        "nested": {"a/b": {"c": (1, [2, {}])}},
    }
    assert remembered(tmp_path, state) == {
        "none": None,
        "numbers": [1, 2.5, float("inf"), 3, 0.5, 2**70, True],
        "text": "ä\n\ud800",
        "nested": {"a/b": {"c": [1, [2, {}]]}},
    }


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.array(5, np.int16),
        np.zeros((0, 3), np.float32),
        np.array([True, False]),
        np.array([1, 2], ">f4"),
        np.array([2**64 - 1], np.uint64),
        np.array([np.nan, -0.0]),
    ],
    ids=lambda array: f"{array.dtype.str} {array.shape}",
)
def test_arrays_of_every_dtype_and_shape_are_restored(tmp_path, array):
    found = remembered(tmp_path, {"here": [array, {"and here": array}]})["here"]
    for each in (found[0], found[1]["and here"]):
        assert each.shape == array.shape
        assert each.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(each, array)


def test_similar_names_are_not_confused(tmp_path):
    one, two, three = (np.full(2, value) for value in (1.0, 2.0, 3.0))
    found = remembered(tmp_path, {"a/b": one, "a": {"b": two}, "a~1b": three})
    np.testing.assert_array_equal(found["a/b"], one)
    np.testing.assert_array_equal(found["a"]["b"], two)
    np.testing.assert_array_equal(found["a~1b"], three)


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, IndexError, OverflowError])
def test_a_callback_that_cannot_use_its_state_is_named(tmp_path, error):
    case = CASES["adam"]
    case.train(tmp_path, callbacks=[Remembers()])

    class Refuses(Callback):
        def set_state(self, saved):
            raise error("this one")

    Refuses.__name__ = "Remembers"
    with pytest.raises(ModelError, match=r"training: callbacks\.Remembers: .*this one"):
        case.train(resume=tmp_path, callbacks=[Refuses()])


def test_a_callback_that_the_checkpoint_lacks_starts_without_state(tmp_path):
    case, heard = CASES["adam"], []
    case.train(tmp_path)

    class Late(Callback):
        def set_state(self, saved):
            heard.append(saved)

    case.train(resume=tmp_path / "epoch-0002.safetensors", callbacks=[Late(), History()])
    assert heard == []
