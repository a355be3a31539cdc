"""python -m minicnn.train --resume: stopped, killed, damaged, and gone on with, to the bit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import MnistData, Sequential, kernels, runs, train
from minicnn.callbacks import PlotMetrics
from minicnn.saving import checkpoints
from minicnn.train import command, plan

TRAIN, TEST = 300, 60  # of the small sheet

pytestmark = pytest.mark.usefixtures("own_cache", "own_settings")
ROOT = os.fspath(Path(minicnn.__file__).parents[1])

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """No pictures and no flushing to disk: they take longest, and are no matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "draw", lambda *args, **options: None)
        patch.setattr(PlotMetrics, "_draw", lambda self, state: None)
        patch.setattr(os, "fsync", lambda handle: None)
        yield


def make_sheet(folder, first=0):
    data = MnistData("sample").load()
    part = slice(first, first + TRAIN + TEST)
    Image.fromarray(data.train_images[part]).save(folder / "digits_images.png")
    (folder / "digits_labels_uint8").write_bytes(data.train_labels[part].tobytes())
    return folder


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """A folder with a sheet of real digits and its labels."""
    return make_sheet(tmp_path_factory.mktemp("digits"))


EPOCHS = 10


def arguments(sheet, folder, *more, epochs=EPOCHS):
    return [
        *("--data", str(sheet), "--model", "codelab", "--seed", "3", "--batch-size", "32"),
        *("--epochs", str(epochs), "--quiet", "--out", str(folder), *more),
    ]


@pytest.fixture(scope="module")
def at_once(sheet, tmp_path_factory):
    """The model and the history of the run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with kernels.use_backend(kernels.current_backend()):
        assert train.main(arguments(sheet, folder)) == 0
    return left_in(folder)


def resume(where, *more):
    return train.main(["--resume", str(where), *map(str, more)])


def run_json(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def left_in(folder):
    """What must be the same to the byte."""
    return tuple((folder / name).read_bytes() for name in ("model.safetensors", "history.csv"))


def newest(folder):
    return checkpoints.in_folder(folder / "checkpoints")[-1]


# ---- stopped, and gone on with ----


@pytest.fixture(scope="module")
def stopped_once(sheet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with kernels.use_backend(kernels.current_backend()):
        options = arguments(sheet, folder, "--stop-after", "4", "--checkpoint-every", "3")
        assert train.main(options) == 0
    assert run_json(folder)["status"] == "stopped"
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """The folder of a run that was stopped after four of its epochs."""
    return shutil.copytree(stopped_once, tmp_path / "run")


def test_four_epochs_and_the_rest_are_all_at_once(stopped, at_once):
    assert resume(stopped) == 0
    assert left_in(stopped) == at_once
    record = run_json(stopped)
    assert record["status"] == "finished"
    assert record["results"]["epochs"] == EPOCHS
    assert [entry["from"] for entry in record["resumed"]] == ["epoch-0004.safetensors"]
    assert "--stop-after 4" in record["command"]
    assert "--resume" in record["resumed"][0]["command"]


def test_from_a_checkpoint_in_the_midst_of_an_epoch(stopped, at_once):
    path = checkpoints.in_folder(stopped / "checkpoints")[0]
    assert checkpoints.position(path)[1] > 0
    assert resume(path) == 0
    assert left_in(stopped) == at_once
    positions = [checkpoints.position(p) for p in checkpoints.in_folder(stopped / "checkpoints")]
    assert positions[-1] == (EPOCHS, 0)


def test_stopped_again_and_again(stopped, at_once):
    for after in (6, 9):
        assert resume(stopped, "--stop-after", after) == 0
        assert run_json(stopped)["results"]["epochs"] == after
    assert resume(stopped) == 0
    assert left_in(stopped) == at_once
    assert len(run_json(stopped)["resumed"]) == 3


@pytest.mark.parametrize("options", [["--threads", "1"], ["--threads", "2"], ["--quiet"]])
def test_options_that_may_change_do_not_change_the_bits(stopped, at_once, options):
    assert resume(stopped, *options) == 0
    assert left_in(stopped) == at_once


def test_the_sheet_may_have_moved(stopped, at_once, tmp_path, sheet):
    moved = shutil.copytree(sheet, tmp_path / "elsewhere")
    assert resume(stopped, "--data", moved) == 0
    assert left_in(stopped) == at_once
    assert run_json(stopped)["options"]["data"] == str(moved)


def test_the_folder_may_have_moved(stopped, at_once, tmp_path):
    there = stopped.rename(tmp_path / "renamed")
    assert resume(there) == 0
    assert left_in(there) == at_once
    assert not stopped.exists()


def test_a_constant_rate_goes_on_for_more_epochs_as_if_they_had_been_asked_for(
    sheet, monkeypatch, capsys
):
    """As --tutorial trains (here on fewer images): 4 epochs, then until 10, are 10."""
    monkeypatch.setattr(plan, "TUTORIAL_TRAIN", TRAIN - 50)
    monkeypatch.setattr(plan, "TUTORIAL_TEST", TEST)
    options = ["--tutorial", "--data", str(sheet), "--split", str(TRAIN), "--batch-size", "64"]
    assert train.main([*options, "--epochs", "10", "--quiet", "--out", "whole"]) == 0
    assert train.main([*options, "--epochs", "4", "--out", "run"]) == 0
    assert run_json(Path("run"))["status"] == "finished"
    capsys.readouterr()
    assert resume("run", "--epochs", "10") == 0
    assert left_in(Path("run")) == left_in(Path("whole"))
    assert "schedule" not in capsys.readouterr().out


def test_a_schedule_that_is_stretched_is_told(sheet, tmp_path, capsys):
    loud = [option for option in arguments(sheet, tmp_path / "run") if option != "--quiet"]
    assert train.main([*loud, "--stop-after", "4"]) == 0
    capsys.readouterr()
    assert resume(tmp_path / "run", "--epochs", "20", "--stop-after", "5") == 0
    out = capsys.readouterr().out
    assert f"Going on from epoch 4 in {tmp_path / 'run'}; the learning rate now follows" in out
    assert "the schedule of 20 epochs" in out


def test_a_longer_run_that_was_killed_before_its_first_checkpoint_keeps_its_schedule(
    stopped, tmp_path, at_once
):
    """run.json knows of the longer run then, and the newest checkpoint does not."""
    longer = shutil.copytree(stopped, tmp_path / "longer")
    assert resume(longer, "--epochs", "12") == 0
    record = run_json(stopped)
    record["options"]["epochs"] = record["recipe"]["epochs"] = 12
    (stopped / "run.json").write_text(json.dumps(record | {"status": "running"}))
    assert resume(stopped) == 0
    assert left_in(stopped) == left_in(longer) != at_once


# ---- killed ----


def start(options, *, before=""):
    """The command in a process of its own, without pictures; `before` is run in it first."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from minicnn import runs, train\n"
        "from minicnn.callbacks import PlotMetrics\n"
        "runs.draw = PlotMetrics._draw = lambda *args, **options: None\n"
        f"{before}\n"
        "sys.exit(train.main(sys.argv[1:]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={
            **os.environ,
            "PYTHONPATH": ROOT,
            "PYTHONIOENCODING": "utf-8",
            "MINICNN_BACKEND": kernels.current_backend(),
        },
    )


def finish(process, timeout=60):
    try:
        return process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.communicate()


def phase(folder):
    """How far the run was that has just been killed."""
    if not (folder / "run.json").exists():
        return "before there was a record"
    if (folder / "model.safetensors").exists():
        return "at the end"
    if list(folder.glob("checkpoints/.tmp-*")):
        return "while writing a checkpoint"
    return "while training" if list(folder.glob("checkpoints/*")) else "before a checkpoint"


def go_on(sheet, folder, *more):
    """The options that go on with a killed run; those that begin it, where nothing had begun."""
    if (folder / "run.json").exists():
        return ["--resume", str(folder)]
    return arguments(sheet, folder, "--checkpoint-every", "1", *more)


def checked(folder):
    """Whatever a killed run left can be read; nothing but temporary files is half written."""
    if (folder / "run.json").exists():
        runs.read_record(folder)
    for path in folder.glob("checkpoints/epoch-*"):
        checkpoints.read(path)
    if (folder / "model.safetensors").exists():
        Sequential.load(folder / "model.safetensors")


@posix
def test_killed_at_any_time_and_resumed_it_ends_in_the_same_bits(sheet, tmp_path, at_once):
    """Some kills come after a time, from the start of the process on; most once a number of
    checkpoints has been written since."""
    rng, folder, hit = np.random.default_rng(0), tmp_path / "run", Counter()
    moments = [("s", s) for s in (0.05, 0.3)] + [
        *(("files", int(n)) for n in rng.integers(1, 9, 15)),
        *(("s", s) for s in rng.uniform(0.3, 0.9, 1)),
        *(("end", n) for n in (0, 1)),
    ]
    for kind, amount in moments:
        for _ in range(10):
            process = start(go_on(sheet, folder))
            try:
                wait_for(process, folder, kind, amount, rng)
            finally:
                process.kill()
                finish(process)
            checked(folder)
            if process.returncode == -signal.SIGKILL:
                hit[phase(folder)] += 1
                break
            # it came to its end first, as the process that kills was kept waiting: another one
            assert left_in(folder) == at_once
            shutil.rmtree(folder)
        else:
            pytest.fail(f"no process lived long enough to be killed: {kind} {amount}")
    ended = run_json(folder)["status"] == "finished"
    process = start(go_on(sheet, folder))
    out, err = finish(process)
    assert process.returncode == (2 if ended else 0), out + err
    print(f"\nkilled {hit.total()} times: {dict(hit)}")
    assert left_in(folder) == at_once
    assert hit.total() == len(moments) == 20
    assert hit["while training"] + hit["while writing a checkpoint"] >= 10
    left = [path.name for path in folder.rglob("*") if path.name.startswith(".")]
    assert ended or left == []


def wait_for(process, folder, kind, amount, rng):
    """Return when the process shall be killed, or has ended."""
    place, deadline = folder / "checkpoints", time.monotonic() + 60
    if kind == "s":
        time.sleep(amount)
        return
    seen = {path.name for path in place.glob("epoch-*")}
    written = 0
    while process.poll() is None and time.monotonic() < deadline:
        if kind == "end":
            if (folder / "model.safetensors").exists() or written > amount * 40:
                return
            time.sleep(0.001)
            continue
        new = {path.name for path in place.glob("epoch-*")} - seen
        seen |= new
        written += len(new)
        if written >= amount:
            time.sleep(rng.uniform(0, 0.02))
            return
        time.sleep(0.0005)


AT = """
import itertools
from minicnn import files
calls = itertools.count()
def deadly(function):
    def call(*args, **options):
        if next(calls) == {number}:
            {half}
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return call
{name} = deadly({name})
"""
WRITE, UNLINK = "__import__('pathlib').Path.write_bytes", "__import__('pathlib').Path.unlink"
MKSTEMP = "__import__('tempfile').mkstemp"
DEATHS = [  # in which call of what; a call of write_bytes leaves half of the bytes
    *(("os.replace", 0), ("os.fsync", 0), (WRITE, 0), (MKSTEMP, 1), ("os.replace", 3)),
    *(("os.fsync", 7), (WRITE, 5), (UNLINK, 2), (MKSTEMP, 6), ("os.replace", 20), ("os.fsync", 30)),
    *((UNLINK, 9), (WRITE, 12)),
]


@posix
def test_killed_in_the_midst_of_writing(sheet, tmp_path, at_once):
    folder = tmp_path / "run"
    for name, number in DEATHS:
        half = "args[0].open('wb').write(args[1][: len(args[1]) // 2])" if name == WRITE else "pass"
        before = AT.format(name=name, half=half, number=number)
        process = start(go_on(sheet, folder), before=before)
        _, err = finish(process)
        assert process.returncode == -signal.SIGKILL, err
        checked(folder)
    process = start(go_on(sheet, folder))
    _, err = finish(process)
    assert (process.returncode, err) == (0, "")
    assert left_in(folder) == at_once
    assert [path for path in folder.rglob("*") if path.name.startswith(".")] == []


@posix
def test_ctrl_c_and_a_resumption_are_the_run_without(sheet, tmp_path, at_once):
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
    assert left_in(folder) == at_once


def test_an_exception_in_the_midst_and_a_resumption_are_the_run_without(
    sheet, tmp_path, at_once, monkeypatch, capsys
):
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
    assert left_in(folder) == at_once


# ---- what can't be gone on with ----


@pytest.fixture
def refused(capsys):
    """refused(where, options…): the one line on stderr."""

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
def untouched(folder):
    """What is in the folder is as it was."""

    def contents():
        return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}

    before = contents()
    yield
    assert contents() == before


def test_a_folder_that_is_no_run_is_named(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no such folder" in refused(tmp_path / "missing")
    assert "no run.json" in refused(tmp_path / "empty")
    assert str(tmp_path / "empty") in refused(tmp_path / "empty")
    assert os.listdir(tmp_path / "empty") == []
    assert "missing" in refused(tmp_path / "missing" / "checkpoints" / "epoch-0001.safetensors")


def test_a_checkpoint_that_is_missing_is_named(refused, stopped):
    path = stopped / "checkpoints" / "epoch-0099.safetensors"
    with untouched(stopped):
        assert str(path) in refused(path)


RECORDS = {
    "no JSON": (lambda r: "{", "expected JSON"),
    "nothing": (lambda r: "", "expected JSON"),
    "a list": (lambda r: [r], "expected an object"),
    "an earlier release": (
        lambda r: {k: v for k, v in r.items() if k not in ("status", "recipe")},
        "status: expected text, received nothing; .* earlier release",
    ),
    "a status that is none": (lambda r: r | {"status": 3}, "status: expected text, received 3"),
    "no options": (lambda r: r | {"options": []}, "options: expected an object"),
    "an unknown network": (
        lambda r: r | {"options": r["options"] | {"model": "resnet"}},
        "options: argument --model: invalid choice: 'resnet'",
    ),
    "epochs that are none": (
        lambda r: r | {"options": r["options"] | {"epochs": "many"}},
        "options: argument --epochs: expected a whole number >= 1, received 'many'",
    ),
    "epochs below one": (lambda r: r | {"options": r["options"] | {"epochs": -3}}, "--epochs"),
    "a seed that is a list": (lambda r: r | {"options": r["options"] | {"seed": [1]}}, "--seed"),
    "a switch with a value": (lambda r: r | {"options": r["options"] | {"quiet": 7}}, "--quiet"),
    "a value without one": (
        lambda r: r | {"options": r["options"] | {"lr": 1, "seed": True}},
        "seed",
    ),
    "resumed by nobody": (
        lambda r: r | {"resumed": 3},
        "resumed: expected a list of objects, received 3",
    ),
    "other data": (lambda r: r | {"data": {}}, "training data: expected SHA-256 None"),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_damaged_record_is_named(refused, stopped, kind):
    change, words = RECORDS[kind]
    changed = change(run_json(stopped))
    text = changed if isinstance(changed, str) else json.dumps(changed)
    (stopped / "run.json").write_text(text, encoding="utf-8")
    with untouched(stopped):
        err = refused(stopped)
    assert re.search(words, err), err
    assert str(stopped) in err


def test_options_that_the_record_has_beside_the_known_ones_are_left_alone(stopped, at_once):
    record = run_json(stopped)
    record["options"]["of_a_later_release"] = [1, 2]
    (stopped / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert resume(stopped) == 0
    assert left_in(stopped) == at_once


@pytest.mark.parametrize("damage", ["truncated", "empty", "changed", "of another kind"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_offered(
    refused, stopped, at_once, damage
):
    *_, before, last = checkpoints.in_folder(stopped / "checkpoints")
    content = bytearray(last.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = b""
    elif damage == "changed":
        content[-1] ^= 1
    else:
        content = (stopped / "model.safetensors").read_bytes()
    last.write_bytes(content)
    with untouched(stopped):
        err = refused(stopped)
    assert str(last) in err
    assert str(before) in err
    assert {"changed": "checksum", "of another kind": "a model alone"}.get(damage, "damaged") in err
    assert resume(before) == 0
    assert left_in(stopped) == at_once


def test_a_damaged_checkpoint_without_another_is_named_alone(refused, stopped):
    *others, last = checkpoints.in_folder(stopped / "checkpoints")
    for path in others:
        path.unlink()
    last.write_bytes(last.read_bytes()[:-1])
    err = refused(stopped)
    assert str(last) in err
    assert "before it" not in err


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(stopped, at_once):
    shutil.rmtree(stopped / "checkpoints")
    (stopped / "model.safetensors").unlink()
    record = run_json(stopped) | {"status": "running"}
    (stopped / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert resume(stopped) == 0
    assert left_in(stopped) == at_once


@pytest.mark.parametrize("status", ["finished", "stopped", "diverged", "running"])
def test_a_result_without_checkpoints_is_not_trained_over(refused, stopped, status):
    shutil.rmtree(stopped / "checkpoints")
    record = run_json(stopped) | {"status": status}
    (stopped / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with untouched(stopped):
        err = refused(stopped)
    assert "holds no checkpoint to go on from; start a run of its own" in err


@pytest.mark.parametrize("epochs", [2, 4])
def test_stopping_after_what_is_behind_it_is_refused(refused, stopped, epochs):
    with untouched(stopped):
        err = refused(stopped, "--stop-after", epochs)
    assert (
        f"expected --stop-after with more than the 4 epochs that are behind it, received {epochs}"
        in err
    )


def test_a_run_that_ends_while_another_asks_for_it_is_read_as_it_then_is(
    stopped, at_once, monkeypatch, capsys
):
    """Between the first look at the folder and holding it the other one comes to its end."""
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
    assert left_in(stopped) == at_once


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (["--seed", "4"], "--seed"),
        (["--model", "node"], "--model"),
        (["--model", "course"], "--model"),  # what it is if nothing is said
        (["--seed", "0"], "--seed"),
        (["--lr", "0.1"], "--lr"),
        (["--optimizer", "sgd"], "--optimizer"),
        (["--batch-size", "16"], "--batch-size"),
        (["--split", "0.5"], "--split"),
        (["--tutorial"], "--tutorial"),
        (["--out", "elsewhere"], "--out"),
    ],
)
def test_options_that_make_it_another_run_are_refused_by_name(refused, stopped, option, name):
    with untouched(stopped):
        err = refused(stopped, *option)
    assert f"received {name};" in err
    assert "--epochs" in err


def test_other_data_is_refused(refused, stopped, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    make_sheet(other, first=1)
    with untouched(stopped):
        err = refused(stopped, "--data", other)
    assert "training data: expected SHA-256" in err
    assert str(other) in err


def test_a_finished_run_says_how_to_train_on(refused, stopped, at_once):
    assert resume(stopped) == 0
    with untouched(stopped):
        err = refused(stopped)
    assert f"has finished its {EPOCHS} epochs; --epochs N, with a larger N" in err
    assert left_in(stopped) == at_once
    assert resume(stopped, "--epochs", EPOCHS + 1) == 0
    assert run_json(stopped)["results"]["epochs"] == EPOCHS + 1


def test_two_at_a_time_are_refused_and_the_first_one_is_not_disturbed(refused, stopped, at_once):
    with runs.hold(stopped):
        err = []
        thread = threading.Thread(target=lambda: err.append(refused(stopped)))
        with untouched(stopped):
            thread.start()
            thread.join(60)
    assert "another run is writing into" in err[0]
    assert resume(stopped) == 0
    assert left_in(stopped) == at_once


@posix
def test_a_new_run_keeps_out_of_a_folder_where_another_has_just_begun(sheet, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with runs.hold(folder):
        assert train.main(arguments(sheet, folder)) == 2
        assert "another run is writing into" in capsys.readouterr().err
        assert os.listdir(folder) == [".lock"]


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="a folder that this user can't write into"
)
def test_a_read_only_folder_is_one_line(refused, stopped):
    mode = stopped.stat().st_mode
    stopped.chmod(0o500)
    try:
        assert str(stopped) in refused(stopped)
    finally:
        stopped.chmod(mode)
