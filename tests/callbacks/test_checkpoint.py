"""ModelCheckpoint: what its docstring promises, and every way in which writing can fail."""

import contextlib
import errno
import itertools
import math
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from small_runs import SetLogs

from minicnn import Sequential, layers, optimizers
from minicnn.callbacks import CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from minicnn.errors import CallbackError, RunWarning
from minicnn.saving import checkpoints

SHAPE, STEPS = (4, 4, 1), 3

X = np.random.default_rng(0).random((9, *SHAPE), dtype=np.float32)
Y = np.eye(3, dtype=np.uint8)[np.random.default_rng(1).integers(0, 3, 9)]


def new_model(own=()):
    model = Sequential(
        [layers.Flatten(), *own, layers.Dense(3, activation="softmax")], input_shape=SHAPE, seed=0
    )
    model.compile(optimizers.SGD(0.1, 0.9), metrics=["accuracy"])
    return model


def train(saving, epochs=4, callbacks=(), model=None, **options):
    model = model or new_model()
    model.fit(
        X, Y, 3, epochs, verbose=0, callbacks=[saving, *callbacks], validation_data=(X, Y),
        **options,
    )  # fmt: skip
    return model


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def weights_of(model):
    return b"".join(w.tobytes() for w in model.get_weights())


# ---- the files ----


def test_each_file_is_a_model_and_its_name_says_where_the_run_was(tmp_path):
    folder = tmp_path / "a" / "b"  # is created
    saving = ModelCheckpoint(folder, None, every=2, keep_last=99)
    train(saving, epochs=2)
    assert names(folder) == [
        "epoch-0000+000002.safetensors",
        "epoch-0001+000002.safetensors",
        "epoch-0001.safetensors",
        "epoch-0002.safetensors",
    ]
    for path in folder.iterdir():
        assert Sequential.load(path).predict(X).shape == (9, 3)
        assert checkpoints.read(path).done == checkpoints.position(path)
    assert saving.saved == folder / "epoch-0002.safetensors"


@pytest.mark.parametrize(("keep", "left"), [(1, [4]), (3, [2, 3, 4]), (9, [1, 2, 3, 4])])
def test_the_newest_are_kept(tmp_path, keep, left):
    train(ModelCheckpoint(tmp_path, None, keep_last=keep))
    assert names(tmp_path) == [f"epoch-{epoch:04}.safetensors" for epoch in left]


def test_a_folder_that_cannot_be_created_is_an_error_at_the_start(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises((OSError, CallbackError), match="file"):
        train(ModelCheckpoint(tmp_path / "file" / "x"))
    assert (tmp_path / "file").read_text() == "kept"


# ---- the best ----


@pytest.mark.parametrize(
    ("monitor", "mode", "values", "best"),
    [
        ("val_loss", "auto", [3, 1, 2, 1], 1),
        ("val_accuracy", "auto", [0.1, 0.5, 0.5, 0.2], 1),
        ("val_acc", "auto", [0.1, 0.2, 0.9, 0.3], 2),
        ("acc", "auto", [0.9, 0.2, 0.1, 0.3], 0),
        ("mine", "max", [1, 2, 3, 4], 3),
        ("mine", "min", [1, 2, 0, 4], 2),
        ("loss", "max", [-1, -2, -3, -4], 0),
        ("val_loss", "auto", [math.nan, math.nan, 5, 6], 2),
        ("val_accuracy", "auto", [0.5, math.nan, 0.4, math.nan], 0),
        ("mine", "max", [math.inf, 1, 2, 3], 0),
        ("mine", "min", [math.inf, math.nan, 7, 8], 2),
    ],
)
def test_the_model_of_the_best_epoch_is_kept(tmp_path, monitor, mode, values, best):
    name = {"acc": "accuracy", "val_acc": "val_accuracy"}.get(monitor, monitor)
    saving, seen = ModelCheckpoint(tmp_path, monitor, mode=mode, keep_last=1), []
    note = LambdaCallback(on_epoch_end=lambda state: seen.append(weights_of(state.model)))
    train(saving, callbacks=[SetLogs(name, values), note])
    assert weights_of(Sequential.load(tmp_path / "best.safetensors")) == seen[best]
    assert checkpoints.read(tmp_path / "best.safetensors").done == (best + 1, 0)
    assert saving.best == values[best]
    assert (tmp_path / "epoch-0004.safetensors").exists()  # saved despite a NaN in the logs


@pytest.mark.parametrize("monitor", [None, "mine"])
def test_no_best(tmp_path, monitor):
    saving = ModelCheckpoint(tmp_path, monitor, mode="max")
    train(saving, callbacks=[SetLogs("mine", [math.nan] * 4)])
    assert not (tmp_path / "best.safetensors").exists()
    assert math.isnan(saving.best)


def test_the_best_is_known_after_a_resumption_and_a_run_can_be_resumed_from_it(tmp_path):
    logs = SetLogs("mine", [5, 1, 3, 2])
    train(ModelCheckpoint(tmp_path, "mine", mode="min"), 2, [logs])
    best = tmp_path / "best.safetensors"
    written, results = best.read_bytes(), []
    for source in (tmp_path, best):
        saving = ModelCheckpoint(tmp_path, "mine", mode="min")
        results.append(weights_of(train(saving, 4, [logs], resume=source)))
        assert saving.best == 1
        assert best.read_bytes() == written
    assert results[0] == results[1]


def test_after_a_resumption_a_best_that_was_not_written_is_forgotten(tmp_path):
    values = [5, 1, 3, 4]
    (tmp_path / "best.safetensors").mkdir()
    with pytest.warns(RunWarning, match="can't write"):
        train(ModelCheckpoint(tmp_path, "mine", mode="min"), 2, [SetLogs("mine", values)])
    (tmp_path / "best.safetensors").rmdir()
    saving = ModelCheckpoint(tmp_path, "mine", mode="min")
    train(saving, 4, [SetLogs("mine", values)], resume=tmp_path)
    assert saving.best == 3
    assert checkpoints.read(tmp_path / "best.safetensors").done == (3, 0)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keep_last": 0}, "keep_last >= 1, received 0"),
        ({"every": 0}, "every >= 1, received 0"),
        ({"max_cost": 0}, "0 < max_cost <= 1, received 0"),
        ({"max_cost": math.nan}, "max_cost <= 1, received nan"),
        ({"monitor": "mine"}, "is more or less of"),
    ],
)
def test_wrong_arguments(tmp_path, options, words):
    with pytest.raises(ValueError, match=f"ModelCheckpoint: .*{words}"):
        ModelCheckpoint(tmp_path, **options)


def test_a_model_that_cannot_be_saved_is_refused_before_the_first_batch(tmp_path):
    class Own(layers.ReLU):
        pass

    steps = []
    note = LambdaCallback(on_batch_end=lambda state: steps.append(state.step))
    with pytest.raises((ValueError, CallbackError), match=r"could not be loaded again.*Own"):
        train(ModelCheckpoint(tmp_path, None), callbacks=[note], model=new_model([Own()]))
    assert steps == []


@pytest.mark.parametrize("resume", [False, True])
def test_checkpoints_of_another_run_are_refused_and_kept(tmp_path, resume):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    train(ModelCheckpoint(theirs, None), 8)
    train(ModelCheckpoint(ours, None), 2)
    before = {path: path.read_bytes() for path in theirs.iterdir()}
    with pytest.raises((FileExistsError, CallbackError), match=r"epoch-0008\.safetensors"):
        train(ModelCheckpoint(theirs, None), resume=ours if resume else None)
    assert {path: path.read_bytes() for path in theirs.iterdir()} == before


def test_files_that_are_no_checkpoints_are_kept(tmp_path):
    others = ["epoch-1.txt", "epoch-x.safetensors", "model.safetensors", "epoch-1+.safetensors"]
    for name in others:
        (tmp_path / name).write_text("kept")
    train(ModelCheckpoint(tmp_path, None, keep_last=1))
    assert names(tmp_path) == sorted([*others, "epoch-0004.safetensors"])
    assert {(tmp_path / name).read_text() for name in others} == {"kept"}


def test_a_folder_is_the_same_by_another_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(ModelCheckpoint("here", None), 2)
    train(ModelCheckpoint(tmp_path / "here" / ".." / "here", None), 4, resume="here")
    assert names("here") == ["epoch-0003.safetensors", "epoch-0004.safetensors"]


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".tmp-abc.safetensors").write_bytes(b"half")
    (tmp_path / ".hidden").write_text("kept")
    train(ModelCheckpoint(tmp_path, None), 1)
    assert names(tmp_path) == [".hidden", "epoch-0001.safetensors"]


# ---- cost ----


def test_max_cost_skips_checkpoints_but_never_the_last(tmp_path, monkeypatch):
    """With a fake clock: a checkpoint takes a second, a step a tenth of a second."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Slow(ModelCheckpoint):
        def _write(self, path, content):
            now[0] += 1
            return super()._write(path, content)

    def step(state):
        now[0] += 0.1

    saved = []
    saving = Slow(tmp_path, None, every=1, max_cost=0.1, keep_last=99)
    note = LambdaCallback(on_batch_end=step)
    train(saving, 61, [note, LambdaCallback(on_batch_end=lambda s: saved.append(s.resume.done))])
    found = [checkpoints.position(path) for path in checkpoints.in_folder(tmp_path)]
    steps = [STEPS * epoch + step for epoch, step in found]
    gaps = np.diff(steps)
    assert found[-1] == (61, 0)
    assert 2 <= len(found) <= 4
    assert gaps[0] >= 99  # ten seconds of training to one of saving


# ---- runs that fail ----


@pytest.mark.parametrize(("error", "step"), [(ValueError, 0), (KeyboardInterrupt, 4)])
def test_an_incomplete_step_is_not_saved(tmp_path, error, step, monkeypatch):
    model, count = new_model(), itertools.count()
    usual = model.optimizer.move

    def fail(parameters, lr):
        if next(count) == step:
            usual(parameters[:1], lr)
            raise error("within a step")
        usual(parameters, lr)

    monkeypatch.setattr(model.optimizer, "move", fail)
    with pytest.raises(error, match="within a step"):
        train(ModelCheckpoint(tmp_path, None), model=model)
    assert names(tmp_path) == (["epoch-0001.safetensors"] if step >= STEPS else [])


def test_a_stop_within_an_epoch_is_saved(tmp_path):
    def stop(state):
        state.stop = state.resume.done == (1, 2)

    saving = ModelCheckpoint(tmp_path, None)
    model = train(saving, callbacks=[LambdaCallback(on_batch_end=stop)])
    assert saving.saved.name == "epoch-0001+000002.safetensors"
    assert weights_of(Sequential.load(saving.saved)) == weights_of(model)


def test_it_saves_before_the_best_weights_are_restored(tmp_path):
    seen = []
    stopping = EarlyStopping("mine", patience=1, mode="max")
    note = LambdaCallback(on_epoch_end=lambda state: seen.append(weights_of(state.model)))
    saving = ModelCheckpoint(tmp_path, None)
    model = train(saving, callbacks=[SetLogs("mine", [3, 2, 1, 0]), stopping, note])
    assert weights_of(model) == seen[0] != seen[1]
    assert weights_of(Sequential.load(saving.saved)) == seen[1]


@pytest.mark.parametrize(("kind", "keep"), [("loss", 1), ("weights", 2)])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_diverged_weights_are_not_saved(tmp_path, kind, keep):
    def spoil(state):
        if state.resume.done[0] >= 1 and state.resume.done[1]:
            if kind == "loss":
                state.batch_logs["loss"] = math.inf
            if kind == "weights":
                state.model.layers[-1].params["w"][0, 0] = np.nan
                state.batch_logs["loss"] = 1.0  # it is from before the step

    saving = ModelCheckpoint(tmp_path, "val_accuracy", every=1, keep_last=keep)
    with pytest.warns(RunWarning, match="are NaN or infinite; they are not saved"):
        train(saving, callbacks=[LambdaCallback(on_batch_end=spoil)])
    found = checkpoints.in_folder(tmp_path)
    assert found[-1].name == "epoch-0001.safetensors"
    assert len(found) == keep
    for path in tmp_path.iterdir():
        assert all(np.isfinite(w).all() for w in Sequential.load(path).get_weights())


@pytest.mark.parametrize("how", ["diverges", "raises"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_best_is_written_even_if_the_run_fails(tmp_path, how):
    def spoil(state):
        if state.resume.done == (2, 1):
            state.model.layers[-1].params["w"][0, 0] = np.nan
            if how == "raises":
                raise KeyboardInterrupt

    saving, seen = ModelCheckpoint(tmp_path, "x", mode="max", max_cost=1e-9), []
    logs = SetLogs("x", [1.0, 2.0, 0.0])
    note = LambdaCallback(
        on_batch_end=spoil, on_epoch_end=lambda state: seen.append(weights_of(state.model))
    )
    with warnings.catch_warnings(), contextlib.suppress(KeyboardInterrupt):
        train(saving, 3, [logs, note])
    assert saving.best == 2.0
    assert weights_of(Sequential.load(tmp_path / "best.safetensors")) == seen[1]


# ---- several of them, and resumed runs ----


def test_two_in_a_run_with_different_folders(tmp_path):
    def two():
        return [ModelCheckpoint(tmp_path / name, name) for name in ("val_loss", "val_accuracy")]

    first, second = two()
    whole = train(first, 4, [second])
    shutil.rmtree(tmp_path / "val_loss")
    shutil.rmtree(tmp_path / "val_accuracy")
    first, second = two()
    train(first, 2, [second])
    first, second = two()
    rest = train(first, 4, [second], resume=tmp_path / "val_accuracy")
    assert weights_of(rest) == weights_of(whole)
    assert names(tmp_path / "val_loss") == names(tmp_path / "val_accuracy")


def test_two_with_the_same_folder_are_refused(tmp_path):
    other = ModelCheckpoint(tmp_path / "x" / "..", "val_accuracy")
    (tmp_path / "x").mkdir()
    with pytest.raises(ValueError, match="a folder for each one"):
        train(ModelCheckpoint(tmp_path, "val_loss"), callbacks=[other])


def test_a_missing_best_file_is_replaced_by_the_next_best(tmp_path):
    best = lambda folder: ModelCheckpoint(folder, "x", mode="max")  # noqa: E731
    logs = SetLogs("x", [9.0, 1.0, 2.0, 0.0])
    train(best(tmp_path / "a"), 2, [logs])
    train(best(tmp_path / "b"), 4, [logs], resume=tmp_path / "a")
    assert "best.safetensors" in names(tmp_path / "b")

    saving = best(tmp_path / "c")
    remove = LambdaCallback(
        on_epoch_begin=lambda state: state.epoch == 1 and shutil.rmtree(saving.folder)
    )
    with pytest.warns(RunWarning, match="was deleted; it is created again"):
        train(saving, 4, [logs, remove])
    assert saving.best == 2.0
    assert "best.safetensors" in names(tmp_path / "c")


def test_checkpoints_after_the_one_resumed_from_are_superseded(tmp_path):
    """The run is killed before its next checkpoint. If a later one was used again, the log, cut
    at the earlier one, would have a gap."""
    saving = lambda: ModelCheckpoint(tmp_path / "c", None, keep_last=4)  # noqa: E731
    log = lambda: CSVLogger(tmp_path / "log.csv")  # noqa: E731
    whole = train(saving(), 6, [log()])
    shutil.rmtree(tmp_path / "c")
    train(saving(), 4, [log()])

    def end(state):
        raise KeyboardInterrupt

    older = tmp_path / "c" / "epoch-0002.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(saving(), 6, [log(), LambdaCallback(on_batch_end=end)], resume=older)
    assert names(tmp_path / "c") == [
        "epoch-0001.safetensors",
        "epoch-0002.safetensors",
        "epoch-0003.safetensors.superseded",
        "epoch-0004.safetensors.superseded",
    ]
    rest = train(saving(), 6, [log()], resume=tmp_path / "c")
    assert weights_of(rest) == weights_of(whole)
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == list("123456")
    assert names(tmp_path / "c") == [f"epoch-000{n}.safetensors" for n in (3, 4, 5, 6)]


# ---- writing that fails ----


EXHAUSTIVE = pytest.mark.exhaustive
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
CALLS = {
    "mkstemp": (tempfile, "mkstemp"),
    "write": (Path, "write_bytes"),
    "chmod": (os, "chmod"),
    "fsync": (os, "fsync"),
    "replace": (os, "replace"),
    "unlink": (Path, "unlink"),
    "mkdir": (Path, "mkdir"),
}


def failing(monkeypatch, call, error, when):
    """Fails from call number `when` on; write_bytes writes half before it fails."""
    owner, name = CALLS[call]
    usual, count = getattr(owner, name), itertools.count()

    def fail(*args, **options):
        if next(count) >= when:
            if call == "write":
                usual(args[0], args[1][: len(args[1]) // 2])
            raise error
        return usual(*args, **options)

    monkeypatch.setattr(owner, name, fail)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("when", [2, *(pytest.param(n, marks=EXHAUSTIVE) for n in (1, 5))])
def test_a_failing_write_warns_once_and_keeps_the_good_files(tmp_path, monkeypatch, call, when):
    plain = weights_of(train(LambdaCallback()))
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        failing(patch, call, NO_SPACE, when)
        saving = ModelCheckpoint(tmp_path, "val_loss", every=1, keep_last=2)
        model = train(saving)
    assert weights_of(model) == plain
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 1, texts
    assert caught[0].category is RunWarning
    assert NO_SPACE.strerror in texts[0]
    assert str(tmp_path) in texts[0]
    found = [path for path in tmp_path.iterdir() if not path.name.startswith(".tmp-")]
    for path in found:
        Sequential.load(path)
        checkpoints.read(path)
    complete = {"mkdir": when - 1, "fsync": (when + 1) // 2}.get(call, when)
    assert len(found) >= min(complete, 2)
    if call != "unlink":
        assert len(found) == len(names(tmp_path))  # no incomplete ones
    assert weights_of(train(ModelCheckpoint(tmp_path), resume=tmp_path)) == plain


@pytest.mark.parametrize("call", ["write", "replace"])
def test_ctrl_c_during_a_write_keeps_the_good_files(tmp_path, monkeypatch, call):
    plain = weights_of(train(LambdaCallback()))
    with monkeypatch.context() as patch:
        failing(patch, call, KeyboardInterrupt(), 3)
        with pytest.raises(KeyboardInterrupt):
            train(ModelCheckpoint(tmp_path, None, every=1, keep_last=2))
    found = checkpoints.in_folder(tmp_path)
    assert len(found) >= 2
    for path in found:
        checkpoints.read(path)
    assert weights_of(train(ModelCheckpoint(tmp_path, None), resume=tmp_path)) == plain
    assert [name for name in names(tmp_path) if name.startswith(".")] == []


def test_an_older_file_is_removed_only_after_the_next_one_is_complete(tmp_path, monkeypatch):
    unlink, replace, events = Path.unlink, os.replace, []

    def removes(path, *args, **options):
        events.append(("remove", path.name))
        assert path.exists()
        unlink(path, *args, **options)

    def renames(source, target):
        replace(source, target)
        checkpoints.read(target)
        events.append(("complete", Path(target).name))

    monkeypatch.setattr(Path, "unlink", removes)
    monkeypatch.setattr(os, "replace", renames)
    train(ModelCheckpoint(tmp_path, None, keep_last=1), 3)
    assert events == [
        ("complete", "epoch-0001.safetensors"),
        ("complete", "epoch-0002.safetensors"),
        ("remove", "epoch-0001.safetensors"),
        ("complete", "epoch-0003.safetensors"),
        ("remove", "epoch-0002.safetensors"),
    ]


def test_it_saves_again_when_there_is_space_again(tmp_path, monkeypatch):
    usual, full = os.replace, [True]

    def replace(source, target):
        if full[0]:
            raise NO_SPACE
        usual(source, target)

    def cleared(state):
        full[0] = state.epoch < 2

    monkeypatch.setattr(os, "replace", replace)
    values = [1, 2, 3, 4]  # the first one is the best, and it is written late
    saving = ModelCheckpoint(tmp_path, "mine", mode="min")
    with pytest.warns(RunWarning, match="No space left") as caught:
        train(saving, callbacks=[SetLogs("mine", values), LambdaCallback(on_epoch_begin=cleared)])
    assert len(caught) == 1
    assert names(tmp_path) == [
        *("best.safetensors", "epoch-0003.safetensors", "epoch-0004.safetensors")
    ]
    assert checkpoints.read(tmp_path / "best.safetensors").done == (1, 0)
