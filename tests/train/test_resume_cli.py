"""python -m minicnn.train --resume: stopped, killed and damaged runs continue to the same bits."""

import json
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from train_process import finish, run_json, start

from minicnn import Sequential, kernels, runs, train
from minicnn.callbacks import PlotMetrics
from minicnn.saving import checkpoints
from minicnn.train import command, plan

TRAIN, TEST = 300, 60  # of the small sheet

pytestmark = pytest.mark.usefixtures("own_cache", "own_settings")

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(scope="module", autouse=True)
def fast():
    """No plots and no flushing to disk, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "draw", lambda *args, **options: None)
        patch.setattr(PlotMetrics, "_draw", lambda self, state: None)
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def sheet(make_sheet, tmp_path_factory):
    """A folder with a sheet of real digits and its labels."""
    return make_sheet(tmp_path_factory.mktemp("digits"), TRAIN + TEST)


EPOCHS = 10


def arguments(sheet, folder, *more, epochs=EPOCHS):
    return [
        *("--data", str(sheet), "--model", "codelab", "--seed", "3", "--batch-size", "32"),
        *("--epochs", str(epochs), "--quiet", "--out", str(folder), *more),
    ]


@pytest.fixture(scope="module")
def uninterrupted(sheet, tmp_path_factory):
    """The model and the history of a run without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert train.main(arguments(sheet, folder)) == 0
    return results(folder)


def resume(where, *more):
    return train.main(["--resume", str(where), *map(str, more)])


def results(folder):
    """The files that must be equal to the byte."""
    return tuple((folder / name).read_bytes() for name in ("model.safetensors", "history.csv"))


def newest(folder):
    return checkpoints.in_folder(folder / "checkpoints")[-1]


# ---- stopped and resumed ----


@pytest.fixture(scope="module")
def stopped_once(sheet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped") / "run"
    options = arguments(sheet, folder, "--stop-after", "4", "--checkpoint-every", "3")
    assert train.main(options) == 0
    assert run_json(folder)["status"] == "stopped"
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """The folder of a run that was stopped after four of its epochs."""
    return shutil.copytree(stopped_once, tmp_path / "run")


def test_a_stopped_run_continues_to_the_same_bits(stopped, uninterrupted):
    assert resume(stopped) == 0
    assert results(stopped) == uninterrupted
    record = run_json(stopped)
    assert record["status"] == "finished"
    assert record["results"]["epochs"] == EPOCHS
    assert [entry["from"] for entry in record["resumed"]] == ["epoch-0004.safetensors"]
    assert "--stop-after 4" in record["command"]
    assert "--resume" in record["resumed"][0]["command"]


def test_a_checkpoint_within_an_epoch(stopped, uninterrupted):
    path = checkpoints.in_folder(stopped / "checkpoints")[0]
    assert checkpoints.position(path)[1] > 0
    assert resume(path) == 0
    assert results(stopped) == uninterrupted
    positions = [checkpoints.position(p) for p in checkpoints.in_folder(stopped / "checkpoints")]
    assert positions[-1] == (EPOCHS, 0)


def test_stopped_several_times(stopped, uninterrupted):
    for after in (6, 9):
        assert resume(stopped, "--stop-after", after) == 0
        assert run_json(stopped)["results"]["epochs"] == after
    assert resume(stopped) == 0
    assert results(stopped) == uninterrupted
    assert len(run_json(stopped)["resumed"]) == 3


def test_the_number_of_threads_does_not_change_the_bits(stopped, uninterrupted):
    threads = 1 if kernels.get_threads() > 1 else 2
    assert resume(stopped, "--threads", threads) == 0
    assert results(stopped) == uninterrupted


def test_data_and_folder_may_have_moved(stopped, uninterrupted, tmp_path, sheet):
    moved = shutil.copytree(sheet, tmp_path / "elsewhere")
    folder = stopped.rename(tmp_path / "renamed")
    assert resume(folder, "--data", moved) == 0
    assert results(folder) == uninterrupted
    assert run_json(folder)["options"]["data"] == str(moved)
    assert not stopped.exists()


def test_more_epochs_at_a_constant_rate_equal_one_long_run(sheet, monkeypatch, capsys):
    """--tutorial on fewer images: 4 epochs, then until epoch 10."""
    monkeypatch.setattr(plan, "TUTORIAL_TRAIN", TRAIN - 50)
    monkeypatch.setattr(plan, "TUTORIAL_TEST", TEST)
    options = ["--tutorial", "--data", str(sheet), "--split", str(TRAIN), "--batch-size", "64"]
    assert train.main([*options, "--epochs", "10", "--quiet", "--out", "whole"]) == 0
    assert train.main([*options, "--epochs", "4", "--out", "run"]) == 0
    assert run_json(Path("run"))["status"] == "finished"
    capsys.readouterr()
    assert resume("run", "--epochs", "10") == 0
    assert results(Path("run")) == results(Path("whole"))
    assert "schedule" not in capsys.readouterr().out


def test_a_longer_schedule_is_reported(sheet, tmp_path, capsys):
    loud = [option for option in arguments(sheet, tmp_path / "run") if option != "--quiet"]
    assert train.main([*loud, "--stop-after", "4"]) == 0
    capsys.readouterr()
    assert resume(tmp_path / "run", "--epochs", "20", "--stop-after", "5") == 0
    out = capsys.readouterr().out
    assert f"Continuing from epoch 4 in {tmp_path / 'run'}; the learning rate now follows" in out
    assert "the schedule of 20 epochs" in out


def test_a_longer_run_that_was_killed_before_its_first_checkpoint(stopped, tmp_path, uninterrupted):
    """run.json has the longer schedule, the newest checkpoint does not."""
    longer = shutil.copytree(stopped, tmp_path / "longer")
    assert resume(longer, "--epochs", "12") == 0
    record = run_json(stopped)
    record["options"]["epochs"] = record["recipe"]["epochs"] = 12
    (stopped / "run.json").write_text(json.dumps(record | {"status": "running"}))
    assert resume(stopped) == 0
    assert results(stopped) == results(longer) != uninterrupted


# ---- killed ----


def start_or_resume(sheet, folder, *more):
    """The options that resume a killed run, or start it if there is no record."""
    if (folder / "run.json").exists():
        return ["--resume", str(folder)]
    return arguments(sheet, folder, "--checkpoint-every", "1", *more)


def check_files(folder):
    """Check that all files of a killed run can be read."""
    if (folder / "run.json").exists():
        runs.read_record(folder)
    for path in folder.glob("checkpoints/epoch-*"):
        checkpoints.read(path)
    if (folder / "model.safetensors").exists():
        Sequential.load(folder / "model.safetensors")


@posix
@pytest.mark.parametrize("kills", [2, pytest.param(15, marks=pytest.mark.exhaustive)])
def test_killed_at_random_times(sheet, tmp_path, uninterrupted, kills):
    """Each kill comes shortly after a number of new checkpoints."""
    rng, folder, killed = np.random.default_rng(0), tmp_path / "run", 0
    while killed < kills:
        process = start(start_or_resume(sheet, folder))
        try:
            wait_for_checkpoints(process, folder / "checkpoints", int(rng.integers(1, 9)))
            time.sleep(rng.uniform(0, 0.02))
        finally:
            process.kill()
            finish(process)
        check_files(folder)
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:  # it ended before this process could kill it: start again
            assert results(folder) == uninterrupted
            shutil.rmtree(folder)
    ended = run_json(folder)["status"] == "finished"
    process = start(start_or_resume(sheet, folder))
    out, err = finish(process)
    assert process.returncode == (2 if ended else 0), out + err
    assert results(folder) == uninterrupted
    left = [path.name for path in folder.rglob("*") if path.name.startswith(".")]
    assert ended or left == []


def wait_for_checkpoints(process, place, count):
    """Wait until the process has written `count` checkpoints, or has ended."""
    deadline = time.monotonic() + 60
    seen = {path.name for path in place.glob("epoch-*")}
    before = len(seen)
    while process.poll() is None and time.monotonic() < deadline:
        seen |= {path.name for path in place.glob("epoch-*")}
        if len(seen) >= before + count:
            return
        time.sleep(0.0005)


AT = """
import itertools
calls = itertools.count()
def kill_in(function):
    def call(*args, **options):
        if next(calls) == {number}:
            {half}
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return call
{name} = kill_in({name})
"""
WRITE, UNLINK = "__import__('pathlib').Path.write_bytes", "__import__('pathlib').Path.unlink"
MKSTEMP = "__import__('tempfile').mkstemp"
KILLS = [  # (function, number of the call); write_bytes is killed after half of the bytes
    *(("os.replace", 0), ("os.fsync", 0), (WRITE, 0), (MKSTEMP, 1), ("os.replace", 3)),
    *(("os.fsync", 7), (WRITE, 5), (UNLINK, 2), (MKSTEMP, 6), ("os.replace", 20), ("os.fsync", 30)),
    *((UNLINK, 9), (WRITE, 12)),
]


@posix
@pytest.mark.parametrize(
    "kills", [KILLS[2:5], pytest.param(KILLS, marks=pytest.mark.exhaustive)], ids=["some", "all"]
)
def test_killed_while_writing(sheet, tmp_path, uninterrupted, kills):
    folder = tmp_path / "run"
    for name, number in kills:
        half = "args[0].open('wb').write(args[1][: len(args[1]) // 2])" if name == WRITE else "pass"
        before = AT.format(name=name, half=half, number=number)
        process = start(start_or_resume(sheet, folder), before=before)
        _, err = finish(process)
        assert process.returncode == -signal.SIGKILL, err
        check_files(folder)
    process = start(start_or_resume(sheet, folder))
    _, err = finish(process)
    assert (process.returncode, err) == (0, "")
    assert results(folder) == uninterrupted
    assert [path for path in folder.rglob("*") if path.name.startswith(".")] == []


@posix
def test_ctrl_c_and_resume(sheet, tmp_path, uninterrupted):
    folder = tmp_path / "run"
    process = start(arguments(sheet, folder, "--checkpoint-every", "5"))
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("checkpoints/epoch-0001*")) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
    finally:
        _, err = finish(process)
    assert process.returncode == 130, err
    record = run_json(folder)
    assert record["status"] == "stopped"
    assert record["results"]["epochs"] < EPOCHS
    assert resume(folder) == 0
    assert results(folder) == uninterrupted


def test_an_error_and_resume(sheet, tmp_path, uninterrupted, monkeypatch, capsys):
    fit = Sequential.fit

    def fails(self, *args, **options):
        def fail(state):
            if state.resume.done == (2, 3):
                raise OSError("the battery is empty")

        broken = command.LambdaCallback(on_batch_end=fail)
        return fit(self, *args, **{**options, "callbacks": [*options["callbacks"], broken]})

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Sequential, "fit", fails)
        assert train.main(arguments(sheet, folder, "--checkpoint-every", "2")) == 2
    assert "the battery is empty" in capsys.readouterr().err
    assert run_json(folder)["status"] == "running"
    assert checkpoints.position(newest(folder)) == (2, 2)
    assert resume(folder) == 0
    assert results(folder) == uninterrupted


# ---- errors ----


@pytest.fixture
def refused(capsys):
    """refused(where, options…) returns the one line on stderr."""

    def call(where, *options):
        capsys.readouterr()
        assert resume(where, "--quiet", *options) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1, captured.err
        assert captured.err.startswith("minicnn.train: ")
        return captured.err

    return call


@contextmanager
def unchanged(folder):
    """Check that the block changes no file in the folder."""

    def contents():
        return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}

    before = contents()
    yield
    assert contents() == before


def test_a_folder_without_a_run(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no such folder" in refused(tmp_path / "missing")
    assert "no run.json" in refused(tmp_path / "empty")
    assert str(tmp_path / "empty") in refused(tmp_path / "empty")
    assert os.listdir(tmp_path / "empty") == []
    assert "missing" in refused(tmp_path / "missing" / "checkpoints" / "epoch-0001.safetensors")


RECORDS = {
    "a list": (lambda r: [r], "expected a JSON object"),
    "an earlier release": (
        lambda r: {k: v for k, v in r.items() if k not in ("status", "recipe")},
        "expected an entry 'status', received .* earlier release",
    ),
    "an unknown network": (
        lambda r: r | {"options": r["options"] | {"model": "resnet"}},
        "options: argument --model: invalid choice: 'resnet'",
    ),
    "wrong epochs": (
        lambda r: r | {"options": r["options"] | {"epochs": "many"}},
        "options: argument --epochs: expected a whole number >= 1, received 'many'",
    ),
    "a seed that is a list": (lambda r: r | {"options": r["options"] | {"seed": [1]}}, "--seed"),
    "a switch with a value": (lambda r: r | {"options": r["options"] | {"quiet": 7}}, "--quiet"),
    "a value without one": (
        lambda r: r | {"options": r["options"] | {"lr": 1, "seed": True}},
        "seed",
    ),
    "other data": (lambda r: r | {"data": {}}, "training data: expected SHA-256 None"),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_damaged_record_is_named(refused, stopped, kind):
    change, words = RECORDS[kind]
    (stopped / "run.json").write_text(json.dumps(change(run_json(stopped))), encoding="utf-8")
    with unchanged(stopped):
        err = refused(stopped)
    assert re.search(words, err), err
    assert str(stopped) in err


def test_unknown_options_of_a_record_are_ignored(stopped, uninterrupted):
    record = run_json(stopped)
    record["options"]["of_a_later_release"] = [1, 2]
    (stopped / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert resume(stopped) == 0
    assert results(stopped) == uninterrupted


@pytest.mark.parametrize("damage", ["changed", "of another kind"])
def test_a_damaged_checkpoint_is_named_with_the_one_before_it(
    refused, stopped, uninterrupted, damage
):
    *_, before, last = checkpoints.in_folder(stopped / "checkpoints")
    if damage == "changed":
        content = bytearray(last.read_bytes())
        content[-1] ^= 1
    else:
        content = (stopped / "model.safetensors").read_bytes()
    last.write_bytes(content)
    with unchanged(stopped):
        err = refused(stopped)
    assert str(last) in err
    assert str(before) in err
    assert ("checksum" if damage == "changed" else "a model alone") in err
    assert resume(before) == 0
    assert results(stopped) == uninterrupted


@pytest.mark.parametrize("status", ["finished", "running"])
def test_a_result_without_checkpoints_is_not_overwritten(refused, stopped, status):
    shutil.rmtree(stopped / "checkpoints")
    record = run_json(stopped) | {"status": status}
    (stopped / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with unchanged(stopped):
        err = refused(stopped)
    assert "holds no checkpoint to continue from; start a new run" in err


@pytest.mark.parametrize("epochs", [2, 4])
def test_stop_after_an_epoch_that_is_done(refused, stopped, epochs):
    with unchanged(stopped):
        err = refused(stopped, "--stop-after", epochs)
    assert (
        f"expected --stop-after with more than the 4 epochs that are done, received {epochs}" in err
    )


def test_a_run_that_ends_just_before_it_is_resumed(stopped, uninterrupted, monkeypatch, capsys):
    """It ends after --resume looks at the folder, and before --resume locks it."""
    hold, others = runs.hold, []

    @contextmanager
    def late(folder):
        if not others:
            others.append(folder)
            assert resume(stopped) == 0
        with hold(folder):
            yield

    monkeypatch.setattr(runs, "hold", late)
    assert resume(stopped) == 2
    assert "has finished its" in capsys.readouterr().err
    assert results(stopped) == uninterrupted


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (["--seed", "4"], "--seed"),
        (["--model", "course"], "--model"),  # the default
        (["--lr", "0.1"], "--lr"),
        (["--tutorial"], "--tutorial"),
        (["--out", "elsewhere"], "--out"),
    ],
)
def test_options_that_cannot_change_are_named(refused, stopped, option, name):
    with unchanged(stopped):
        err = refused(stopped, *option)
    assert f"received {name};" in err
    assert "--epochs" in err


def test_other_data(refused, stopped, tmp_path, make_sheet):
    other = tmp_path / "other"
    other.mkdir()
    make_sheet(other, TRAIN + TEST, first=1)
    with unchanged(stopped):
        err = refused(stopped, "--data", other)
    assert "training data: expected SHA-256" in err
    assert str(other) in err


def test_a_finished_run_can_train_for_more_epochs(refused, stopped, uninterrupted):
    assert resume(stopped) == 0
    with unchanged(stopped):
        err = refused(stopped)
    assert f"has finished its {EPOCHS} epochs; --epochs N, with a larger N" in err
    assert results(stopped) == uninterrupted
    assert resume(stopped, "--epochs", EPOCHS + 1) == 0
    assert run_json(stopped)["results"]["epochs"] == EPOCHS + 1


def test_a_second_process_is_refused(refused, stopped, uninterrupted):
    with runs.hold(stopped), unchanged(stopped):
        err = refused(stopped)
    assert "another run is writing into" in err
    assert resume(stopped) == 0
    assert results(stopped) == uninterrupted


@posix
def test_a_new_run_in_a_folder_that_another_holds(sheet, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with runs.hold(folder):
        assert train.main(arguments(sheet, folder)) == 2
        assert "another run is writing into" in capsys.readouterr().err
        assert os.listdir(folder) == [".lock"]
