"""python -m minicnn.train: options, run folder, exit codes, Ctrl-C."""

import csv
import io
import os
import signal
import threading
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image
from train_process import finish, run_json, start

import minicnn
from minicnn import MnistData, Sequential, kernels, runs, train
from minicnn.strict_json import from_json
from minicnn.train import watching
from minicnn.train.options import parser

FILES = {
    "model.safetensors",
    "history.csv",
    "history.png",
    "confusion.png",
    "mistakes.png",
    "filters.png",
    "layers.json",
    "live.jsonl",
    "checkpoints",
    "run.json",
}
TRAIN, TEST = 500, 100  # of the small sheet

pytestmark = pytest.mark.usefixtures("own_cache", "own_settings")


@pytest.fixture(scope="module")
def sheet(make_sheet, tmp_path_factory):
    """A folder with a sheet of 600 real digits and its labels."""
    return make_sheet(tmp_path_factory.mktemp("digits"), TRAIN + TEST)


@pytest.fixture(scope="module")
def finished(sheet, tmp_path_factory):
    """(folder, output) of a run of three epochs."""
    folder = tmp_path_factory.mktemp("run") / "folder"
    out, err = io.StringIO(), io.StringIO()
    options = ["--data", str(sheet), "--epochs", "3", "--seed", "5", "--out", str(folder)]
    with redirect_stdout(out), redirect_stderr(err):
        code = train.main(options)
    assert (code, err.getvalue()) == (0, "")
    return folder, out.getvalue()


def quick(sheet, *options, epochs=1):
    return train.main(["--data", str(sheet), "--epochs", str(epochs), "--quiet", *options])


def rows(folder):
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---- a run ----


def test_the_files_of_a_run_folder(finished):
    folder, _ = finished
    assert set(os.listdir(folder)) == FILES
    assert set(runs.CONTENTS) >= FILES
    table = rows(folder)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert " ".join(table[0]) == "epoch loss accuracy val_loss val_accuracy learning_rate"
    assert float(table[-1]["loss"]) < float(table[0]["loss"])


def test_run_json(finished):
    folder, _ = finished
    run = run_json(folder)
    assert run["options"]["epochs"] == 3
    assert run["options"]["model"] == "course"
    assert run["seed"] == 5
    assert run["command"].startswith("python -m minicnn.train --data ")
    assert "--epochs 3 --seed 5" in run["command"]
    assert run["backend"] == kernels.current_backend()
    assert run["threads"] == kernels.get_threads()
    assert run["versions"]["minicnn"] == minicnn.__version__
    assert run["results"]["test_loss"] > 0
    # the rate is of training alone, the seconds are of the whole fit
    assert run["results"]["images_per_second"] >= 3 * TRAIN / run["results"]["seconds"] > 0


def test_the_saved_model_has_the_printed_accuracy(finished, sheet):
    folder, out = finished
    model = Sequential.load(folder / "model.safetensors")
    data = MnistData(sheet).load()
    assert (data.num_train, data.num_test) == (TRAIN, TEST)
    right = (model.predict(data.test_x).argmax(1) == data.test_labels.argmax(1)).mean()
    results = run_json(folder)["results"]
    assert results["test_accuracy"] == pytest.approx(right)
    assert results["test_accuracy"] == pytest.approx(float(rows(folder)[-1]["val_accuracy"]))
    assert f"{right:.2%}" in out
    assert right > 0.5
    assert model.class_names == [str(digit) for digit in range(10)]


def test_the_printed_lines(finished):
    folder, out = finished
    begin = out[: out.index("Epoch 1/3")]
    for words in ("500", "100", "28×28", "course", "53,866", kernels.current_backend()):
        assert words in begin
    lines = [line for line in out.splitlines() if line.startswith("Epoch ")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert "\x1b" not in out
    end = out[out.index("Test accuracy") :]
    for words in ("%", " s", "images/s", str(folder), "Next:", "python -m minicnn.train"):
        assert words in end
    for name in FILES:
        assert name in end


# ---- options ----


def test_quiet_prints_the_result_in_one_line(sheet, capsys, tmp_path):
    assert quick(sheet, "--out", str(tmp_path / "run")) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    assert "accuracy" in captured.out
    assert str(tmp_path / "run") in captured.out
    assert "; 1 epoch in " in captured.out
    assert set(os.listdir(tmp_path / "run")) == FILES


@pytest.fixture
def no_plots(monkeypatch):
    """Without the plots, which take a second."""
    monkeypatch.setattr(runs, "draw", lambda *args, **options: None)


@pytest.mark.usefixtures("no_plots")
def test_the_same_seed_gives_the_same_bytes(sheet, tmp_path):
    contents = {}
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert quick(sheet, "--seed", seed, "--out", str(tmp_path / name)) == 0
        contents[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert contents["a"] == contents["b"] != contents["c"]
    assert (tmp_path / "a/history.csv").read_bytes() == (tmp_path / "b/history.csv").read_bytes()


@pytest.mark.usefixtures("no_plots")
def test_the_default_folder_is_runs_time_model(sheet, capsys):
    assert quick(sheet, "--model", "codelab") == 0
    (name,) = os.listdir("runs")
    assert name.endswith("-codelab")
    assert name.startswith(("20", "21"))
    assert os.path.join("runs", name) in capsys.readouterr().out


@pytest.mark.usefixtures("no_plots")
def test_options_override_the_recipe(sheet, tmp_path):
    options = ["--batch-size", "100", "--lr", "0.01", "--optimizer", "sgd", "--threads", "1"]
    options += ["--backend", "numpy", "--seed", "3", "--out", str(tmp_path / "run")]
    assert quick(sheet, *options, epochs=2) == 0
    run = run_json(tmp_path / "run")
    assert (run["backend"], run["threads"], run["seed"]) == ("numpy", 1, 3)
    assert run["options"]["batch_size"] == 100
    assert run["options"]["optimizer"] == "sgd"
    assert len(rows(tmp_path / "run")) == 2
    model = Sequential.load(tmp_path / "run" / "model.safetensors")
    assert type(model.optimizer).__name__ == "SGD"
    peak = max(model.optimizer.schedule(step) for step in range(2 * TRAIN // 100))
    assert peak == pytest.approx(0.01)


@pytest.mark.usefixtures("no_plots")
def test_tutorial(tmp_path, capsys):
    folder = tmp_path / "run"
    assert train.main(["--tutorial", "--epochs", "1", "--out", str(folder)]) == 0
    model = Sequential.load(folder / "model.safetensors")
    assert type(model.optimizer).__name__ == "Adam"
    assert model.optimizer.schedule(0) == model.optimizer.schedule(1000) == 1e-3
    assert model.optimizer.weight_decay == 0
    assert model.loss.label_smoothing == 0
    assert "5,500 training and 1,000 test" in capsys.readouterr().out
    run = run_json(folder)
    assert (run["data"]["train"], run["data"]["test"]) == (5500, 1000)
    assert run["recipe"]["batch_size"] == 512


@pytest.mark.usefixtures("no_plots")
def test_backend_from_the_environment(sheet, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINICNN_BACKEND", "numpy")
    assert quick(sheet, "--out", str(tmp_path / "a")) == 0
    assert run_json(tmp_path / "a")["backend"] == "numpy"
    monkeypatch.setenv("MINICNN_BACKEND", "cuda")
    assert quick(sheet, "--backend", "numpy", "--out", str(tmp_path / "b")) == 0
    assert run_json(tmp_path / "b")["backend"] == "numpy"
    capsys.readouterr()
    assert "cuda" in refused(capsys, "--data", sheet)


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(["--help"])
    assert caught.value.code == 0
    assert all(action.help for action in parser()._actions)


# ---- errors ----


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "0"],
        ["--epochs", "²"],
        ["--batch-size", "0"],
        ["--lr", "0"],
        ["--lr", "nan"],
        ["--lr", "fast"],
        ["--seed", "-1"],
        ["--threads", "0"],
        ["--split", "some"],
        ["--model", "resnet"],
        ["--optimizer", "adamm"],
        ["--backend", "cuda"],
        ["--unknown"],
        ["stray"],
    ],
)
def test_a_wrong_argument_is_named(options, capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(options)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert options[0] in captured.err
    assert "Traceback" not in captured.err
    assert os.listdir() == []


def refused(capsys, *options):
    assert train.main(["--epochs", "1", "--quiet", *map(str, options)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, "one line"
    assert captured.err.startswith("minicnn.train: ")
    return captured.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--split", "0"], "received 0"),
        (["--split", "600"], "received 600"),
        (["--split", "0.0"], "received 0.0"),
        (["--tutorial"], "5,500"),
        (["--tutorial", "--recipe", "best"], "expected --tutorial or --recipe best, received both"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(capsys, sheet, options, words):
    assert words in refused(capsys, "--data", sheet, *options)
    assert "runs" not in os.listdir()


def test_images_too_small_for_the_network(capsys, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (30, 16)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "x_images.png")
    labels = np.eye(3, dtype=np.uint8)[np.arange(30) % 3]
    (folder / "x_labels_uint8").write_bytes(labels.tobytes())
    assert "layer" in refused(capsys, "--data", folder)
    assert "runs" not in os.listdir()


def test_a_folder_that_is_not_empty_is_not_changed(capsys, sheet, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "model.safetensors").write_text("precious")
    assert "old" in refused(capsys, "--data", sheet, "--out", folder)
    assert os.listdir(folder) == ["model.safetensors"]
    assert (folder / "model.safetensors").read_text() == "precious"


@pytest.mark.skipif("numba" in kernels.available_backends(), reason="Numba is installed here")
def test_backend_numba_without_numba(capsys, sheet):
    assert "pip install" in refused(capsys, "--data", sheet, "--backend", "numba")


# ---- divergence and Ctrl-C ----


def test_a_run_that_diverges(sheet, tmp_path, capsys):
    folder = tmp_path / "run"
    options = ["--epochs", "5", "--lr", "1e9", "--optimizer", "sgd", "--out", str(folder)]
    with pytest.warns(minicnn.RunWarning, match="not saved") as caught:
        assert train.main(["--data", str(sheet), *options]) == 1
    assert len(caught) == 1  # none of NumPy's
    out = capsys.readouterr().out
    assert "diverged" in out
    assert "model.safetensors  a network whose weights are not finite" in out
    assert "Next: train again with a lower learning rate, --lr; it was 1e+09." in out
    for words in ("Sequential.load", "mnist", "--resume", "checkpoints", "Epoch 5/5"):
        assert words not in out
    assert {"model.safetensors", "run.json", "history.csv"} <= set(os.listdir(folder))
    assert not {"confusion.png", "mistakes.png"} & set(os.listdir(folder))
    results = from_json((folder / "run.json").read_text())["results"]
    assert results["test_loss"] is None
    assert results["epochs"] < 5
    Sequential.load(folder / "model.safetensors")


def wait_for(process, words):
    """Read lines until one contains `words`."""
    read, watchdog = [], threading.Timer(60, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            read.append(line)
            if words in line:
                return "".join(read)
    finally:
        watchdog.cancel()
    raise AssertionError("the process ended: " + "".join(read) + process.stderr.read())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_twice(sheet, tmp_path):
    folder = tmp_path / "run"
    process = start(["--data", sheet, "--epochs", 100_000, "--out", folder])
    try:
        wait_for(process, "Epoch      1/100000")
        process.send_signal(signal.SIGINT)
        wait_for(process, "Stopping")
        process.send_signal(signal.SIGINT)
    finally:
        _, err = finish(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert [name for name in os.listdir(folder) if name.startswith(".tmp")] == []
    if "no model was saved" in err:
        assert "model.safetensors" not in os.listdir(folder)


def interrupt(*args, **options):
    raise KeyboardInterrupt


def test_ctrl_c_stops_after_the_batch_and_saves_the_model(sheet, tmp_path, monkeypatch, capsys):
    """In the first epoch, without a row of the history."""
    done = []

    class Interrupting(watching.StopOnInterrupt):
        def on_batch_end(self, state):
            if not done:
                done.append(state.step)
                signal.raise_signal(signal.SIGINT)
            super().on_batch_end(state)

    monkeypatch.setattr(watching, "StopOnInterrupt", Interrupting)
    folder = tmp_path / "run"
    handler = signal.getsignal(signal.SIGINT)
    code = train.main(["--data", str(sheet), "--epochs", "2", "--out", str(folder)])
    assert code == 130
    assert done == [0]
    assert signal.getsignal(signal.SIGINT) == handler
    assert {"model.safetensors", "run.json", "confusion.png"} <= set(os.listdir(folder))
    results = run_json(folder)["results"]
    assert (results["interrupted"], results["epochs"]) == (True, 0)
    out = capsys.readouterr().out
    assert "Stopping" in out
    model, data = Sequential.load(folder / "model.safetensors"), MnistData(sheet).load()
    correct = (model.predict(data.test_x).argmax(1) == data.test_labels.argmax(1)).mean()
    assert results["test_accuracy"] == pytest.approx(correct)
    assert f"{correct:.2%}" in out
    for line in out[out.index(f"In {folder}") :].splitlines()[1:]:
        name = line.split()[0] if line.startswith("  ") else ""
        assert not name or name in os.listdir(folder)


def test_ctrl_c_while_drawing(sheet, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "draw", interrupt)
    assert quick(sheet, "--out", str(tmp_path / "run")) == 130
    assert (tmp_path / "run" / "model.safetensors").exists()
    captured = capsys.readouterr()
    assert "no model was saved" not in captured.out + captured.err


@pytest.mark.parametrize("where", ["load", "fit"])
def test_ctrl_c_before_the_first_result_leaves_no_folder(sheet, monkeypatch, capsys, where):
    owner = {"load": MnistData, "fit": Sequential}[where]
    monkeypatch.setattr(owner, where, interrupt)
    assert quick(sheet) == 130
    assert "no model was saved" in capsys.readouterr().err
    assert not os.path.exists("runs") or os.listdir("runs") == []


def test_outside_the_main_thread(sheet, tmp_path, no_plots):
    """Where Python allows no signal handlers."""
    codes = []
    options = ["--data", str(sheet), "--epochs", "1", "--quiet", "--out", str(tmp_path / "run")]
    thread = threading.Thread(target=lambda: codes.append(train.main(options)))
    thread.start()
    thread.join(60)
    assert codes == [0]
    assert (tmp_path / "run" / "model.safetensors").exists()
