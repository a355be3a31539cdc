"""python -m minicnn.train: options to run folder, exit codes, Ctrl-C."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import MnistData, Sequential, kernels, runs, train
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
def sheet(tmp_path_factory):
    """A folder with a sheet of 600 real digits and its labels."""
    folder = tmp_path_factory.mktemp("digits")
    data = MnistData("sample").load()
    Image.fromarray(data.train_images[: TRAIN + TEST]).save(folder / "digits_images.png")
    (folder / "digits_labels_uint8").write_bytes(data.train_labels[: TRAIN + TEST].tobytes())
    return folder


@pytest.fixture(scope="module")
def finished(sheet, tmp_path_factory):
    """(exit code, folder, output) of one run that other tests look at."""
    folder = tmp_path_factory.mktemp("run") / "folder"
    out, err = io.StringIO(), io.StringIO()
    options = ["--data", str(sheet), "--epochs", "3", "--seed", "5", "--out", str(folder)]
    with (
        kernels.use_backend(kernels.current_backend()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = train.main(options)
    return code, folder, out.getvalue(), err.getvalue()


def quick(sheet, *options, epochs=1):
    return train.main(["--data", str(sheet), "--epochs", str(epochs), "--quiet", *options])


def run_json(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def rows(folder):
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def the_run(folder="runs"):
    (found,) = os.listdir(folder)
    return os.path.join(folder, found)


def start(*options):
    """The command in a process of its own."""
    return _start(["-m", "minicnn.train"], options)


def start_listening(*options):
    """The same, and it hears Ctrl-C even where this process was told to ignore it."""
    code = (
        "import runpy, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "runpy.run_module('minicnn.train', run_name='__main__', alter_sys=True)"
    )
    return _start(["-c", code], options)


def _start(command, options):
    return subprocess.Popen(
        [sys.executable, "-u", *command, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def finish(process, timeout=60):
    """What it says until it ends; a process that hangs is killed."""
    try:
        return process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.communicate()


# ---- a run ----


def test_it_ends_well_and_says_nothing_on_stderr(finished):
    code, _, _, err = finished
    assert code == 0
    assert err == ""


def test_the_run_folder_holds_what_is_promised_and_nothing_else(finished):
    _, folder, _, _ = finished
    assert set(os.listdir(folder)) == FILES


def test_the_pictures_are_pictures(finished):
    _, folder, _, _ = finished
    for name in sorted(FILES):
        if name.endswith(".png"):
            with Image.open(folder / name) as image:
                image.load()
                assert image.format == "PNG"
                assert min(image.size) > 100
                assert len(np.unique(np.asarray(image.convert("L")))) > 2, name


def test_the_history_has_a_row_an_epoch(finished):
    _, folder, _, _ = finished
    table = rows(folder)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert list(table[0]) == [
        *("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    ]
    assert float(table[-1]["loss"]) < float(table[0]["loss"])
    assert all(0 <= float(row["val_accuracy"]) <= 1 for row in table)


def test_run_json_tells_what_was_run_and_what_came_out(finished):
    _, folder, _, _ = finished
    run = run_json(folder)
    assert run["options"]["epochs"] == 3
    assert run["options"]["model"] == "course"
    assert run["seed"] == 5
    assert run["backend"] == kernels.current_backend()
    assert run["threads"] == kernels.get_threads()
    assert isinstance(run["processor"], str)
    assert run["processor"]
    assert run["versions"]["minicnn"] == minicnn.__version__
    assert run["versions"]["numpy"] == np.__version__
    results = run["results"]
    assert 0 <= results["test_accuracy"] <= 1
    assert results["test_loss"] > 0
    assert results["seconds"] > 0
    assert results["images_per_second"] > 0
    # a rate is of training; the seconds are of the whole fit
    assert results["images_per_second"] >= 3 * TRAIN / results["seconds"]


def test_the_saved_model_has_the_accuracy_that_is_told(finished, sheet):
    _, folder, out, _ = finished
    model = Sequential.load(folder / "model.safetensors")
    data = MnistData(sheet).load()
    assert (data.num_train, data.num_test) == (TRAIN, TEST)
    right = (model.predict(data.test_x).argmax(1) == data.test_labels.argmax(1)).mean()
    results = run_json(folder)["results"]
    assert results["test_accuracy"] == pytest.approx(right)
    assert results["test_accuracy"] == pytest.approx(float(rows(folder)[-1]["val_accuracy"]))
    assert f"{right:.2%}" in out
    assert right > 0.5  # three epochs of 500 digits teach something
    assert model.class_names == [str(digit) for digit in range(10)]


def test_the_last_words_tell_accuracy_time_rate_files_and_what_next(finished):
    _, folder, out, _ = finished
    end = out[out.index("Test accuracy") :]
    for words in ("%", " s", "images/s", str(folder), "Next:", "python -m minicnn.train"):
        assert words in end
    for name in FILES:
        assert name in end


def test_each_epoch_is_told_on_a_plain_line(finished):
    _, _, out, _ = finished
    lines = [line for line in out.splitlines() if line.startswith("Epoch ")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert "\x1b" not in out


def test_the_first_words_tell_data_network_and_backend(finished, sheet):
    _, _, out, _ = finished
    begin = out[: out.index("Epoch 1/3")]
    for words in ("500", "100", "28×28", "course", "53,866", kernels.current_backend()):
        assert words in begin


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
def no_pictures(monkeypatch):
    """Where they do not matter: they take a second."""
    monkeypatch.setattr(runs, "draw", lambda *args, **options: None)


@pytest.mark.usefixtures("no_pictures")
def test_the_same_seed_leaves_the_same_model_to_the_byte(sheet, tmp_path):
    contents = {}
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert quick(sheet, "--seed", seed, "--out", str(tmp_path / name)) == 0
        contents[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert contents["a"] == contents["b"] != contents["c"]
    assert (tmp_path / "a/history.csv").read_bytes() == (tmp_path / "b/history.csv").read_bytes()


@pytest.mark.usefixtures("no_pictures")
def test_without_out_it_writes_to_runs_time_model(sheet, capsys):
    assert quick(sheet, "--model", "codelab") == 0
    (name,) = os.listdir("runs")
    assert name.endswith("-codelab")
    assert name.startswith(("20", "21"))
    assert os.path.join("runs", name) in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
def test_two_runs_in_the_same_second_get_different_folders(sheet, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda *_: "2030-01-02_030405")
    assert quick(sheet) == quick(sheet) == 0
    assert len(os.listdir("runs")) == 2
    for name in os.listdir("runs"):
        assert {"model.safetensors", "run.json"} <= set(os.listdir(os.path.join("runs", name)))


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("model", "parameters"), [("codelab", 5_994), ("examples", 33_194), ("node", 594_922)]
)
def test_every_network_can_be_chosen(sheet, tmp_path, model, parameters):
    options = ["--model", model, "--backend", "numpy", "--out", str(tmp_path / "run")]
    assert quick(sheet, *options) == 0
    saved = Sequential.load(tmp_path / "run" / "model.safetensors")
    assert saved.num_params == parameters
    assert run_json(tmp_path / "run")["options"]["model"] == model


@pytest.mark.usefixtures("no_pictures")
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
    peak = max(model.optimizer.learning_rate(step) for step in range(2 * TRAIN // 100))
    assert peak == pytest.approx(0.01)


@pytest.mark.usefixtures("no_pictures")
def test_one_thread_and_two_leave_the_same_model(sheet, tmp_path):
    for threads in "12":
        assert quick(sheet, "--threads", threads, "--out", str(tmp_path / threads)) == 0
    one, two = (tmp_path / threads / "model.safetensors" for threads in "12")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.usefixtures("no_pictures")
def test_tutorial_trains_on_5500_images_in_batches_of_512_with_adam(tmp_path, monkeypatch, capsys):
    seen = {}
    fit = Sequential.fit

    def spy(self, x, y, **options):
        if len(x) > 2:
            (xt, yt) = options["validation_data"]
            seen.update(n=len(x), y=y.shape, test=(len(xt), yt.shape), **options)
        return fit(self, x, y, **options)

    monkeypatch.setattr(Sequential, "fit", spy)
    folder = tmp_path / "run"
    assert train.main(["--tutorial", "--epochs", "1", "--out", str(folder)]) == 0
    assert (seen["n"], seen["y"], seen["test"]) == (5500, (5500, 10), (1000, (1000, 10)))
    assert seen["batch_size"] == 512
    assert seen.get("shuffle", True)
    model = Sequential.load(folder / "model.safetensors")
    assert type(model.optimizer).__name__ == "Adam"
    assert model.optimizer.learning_rate(0) == model.optimizer.learning_rate(1000) == 1e-3
    assert model.optimizer.weight_decay == 0
    assert model.loss.label_smoothing == 0
    assert "5,500 training and 1,000 test" in capsys.readouterr().out
    run = run_json(folder)
    assert (run["data"]["train"], run["data"]["test"]) == (5500, 1000)


@pytest.mark.usefixtures("no_pictures")
def test_the_environment_chooses_the_backend_unless_an_option_does(sheet, tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_BACKEND", "numpy")
    assert quick(sheet, "--out", str(tmp_path / "a")) == 0
    assert run_json(tmp_path / "a")["backend"] == "numpy"
    monkeypatch.setenv("MINICNN_BACKEND", "reference")  # would take minutes
    assert quick(sheet, "--backend", "numpy", "--out", str(tmp_path / "b")) == 0
    assert run_json(tmp_path / "b")["backend"] == "numpy"


@pytest.mark.parametrize(
    ("name", "value"), [("MINICNN_BACKEND", "cuda"), ("MINICNN_THREADS", "many")]
)
def test_nonsense_in_the_environment_is_one_line_on_stderr(sheet, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    process = start("--data", sheet, "--epochs", 1, "--quiet")
    out, err = finish(process)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert value in err
    assert "runs" not in os.listdir()


def test_tutorial_means_20_epochs_unless_told_otherwise():
    from minicnn.train import recipes

    tutorial = recipes.TUTORIAL
    assert (tutorial.epochs, tutorial.batch_size) == (20, 512)
    assert tutorial.changed(epochs=3, batch_size=None).epochs == 3
    assert tutorial.changed(epochs=3, batch_size=None).batch_size == 512


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    options = "data model epochs batch-size lr optimizer seed backend threads out data-dir quiet"
    for option in [*options.split(), "tutorial"]:
        assert f"--{option}" in text
    for word in ("sample", "mnist", "fashion", "course", "codelab", "examples", "node", "adamw"):
        assert word in text
    assert all(action.help for action in parser()._actions)


def test_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(["--version"])
    assert caught.value.code == 0
    assert minicnn.__version__ in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
def test_run_json_has_the_command_that_was_run(sheet, tmp_path):
    """Enough "to do it again": also when main() is called with its arguments."""
    assert quick(sheet, "--seed", "9", "--out", str(tmp_path / "run")) == 0
    command = run_json(tmp_path / "run")["command"]
    assert "python -m minicnn.train" in command
    for argument in ("--seed 9", "--epochs 1", str(sheet)):
        assert argument in command


# ---- what is refused ----


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "0"],
        ["--epochs", "-1"],
        ["--epochs", "2.5"],
        ["--epochs", "²"],
        ["--batch-size", "0"],
        ["--batch-size", "many"],
        ["--lr", "0"],
        ["--lr", "-1"],
        ["--lr", "nan"],
        ["--lr", "inf"],
        ["--lr", "fast"],
        ["--seed", "-1"],
        ["--seed", "x"],
        ["--threads", "0"],
        ["--split", "some"],
        ["--model", "resnet"],
        ["--optimizer", "adamm"],
        ["--backend", "cuda"],
        ["--unknown"],
        ["stray"],
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_made(options, capsys):
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


def test_an_unknown_folder_of_data_is_one_line_on_stderr(capsys):
    assert "nowhere" in refused(capsys, "--data", "nowhere")
    assert "runs" not in os.listdir()


@pytest.mark.parametrize("split", ["0", "600", "0.0"])
def test_a_split_that_leaves_a_part_empty_is_refused(capsys, sheet, split):
    assert f"received {split}" in refused(capsys, "--data", sheet, "--split", split)
    assert "runs" not in os.listdir()


def test_a_folder_without_a_sheet_is_one_line_on_stderr(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(capsys, "--data", tmp_path / "empty")
    assert "runs" not in os.listdir()


def test_a_damaged_sheet_is_one_line_on_stderr(capsys, tmp_path, sheet):
    folder = tmp_path / "broken"
    folder.mkdir()
    image = (sheet / "digits_images.png").read_bytes()
    (folder / "x_images.png").write_bytes(image[: len(image) // 2])
    (folder / "x_labels_uint8").write_bytes((sheet / "digits_labels_uint8").read_bytes())
    assert "x_images.png" in refused(capsys, "--data", folder)
    assert "runs" not in os.listdir()


def test_images_too_small_for_the_network_are_one_line_on_stderr(capsys, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (30, 16)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "x_images.png")
    labels = np.eye(3, dtype=np.uint8)[np.arange(30) % 3]
    (folder / "x_labels_uint8").write_bytes(labels.tobytes())
    assert "layer" in refused(capsys, "--data", folder)
    assert "runs" not in os.listdir()


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(capsys, sheet, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "model.safetensors").write_text("precious")
    assert "old" in refused(capsys, "--data", sheet, "--out", folder)
    assert os.listdir(folder) == ["model.safetensors"]
    assert (folder / "model.safetensors").read_text() == "precious"


def test_an_out_that_is_a_file_is_refused(capsys, sheet, tmp_path):
    (tmp_path / "file").write_text("precious")
    message = refused(capsys, "--data", sheet, "--out", tmp_path / "file")
    assert "file: expected a folder, or a place for one, received a file; name another" in message
    assert (tmp_path / "file").read_text() == "precious"


def test_an_empty_folder_can_be_out(sheet, tmp_path, no_pictures):
    (tmp_path / "empty").mkdir()
    assert quick(sheet, "--out", str(tmp_path / "empty")) == 0
    assert (tmp_path / "empty" / "run.json").exists()


def test_a_split_beyond_the_sheet_is_one_line_on_stderr(capsys, sheet):
    refused(capsys, "--data", sheet, "--split", "99999")


def test_tutorial_with_too_few_images_is_no_silent_repetition(capsys, sheet, no_pictures):
    """ "Exactly as the tutorial" takes 5,500 + 1,000 images; this sheet has 500 + 100."""
    assert "5,500" in refused(capsys, "--data", sheet, "--tutorial")


@pytest.mark.skipif("numba" in kernels.available_backends(), reason="Numba is installed here")
def test_numba_asked_for_where_it_is_missing_is_one_line_on_stderr(capsys, sheet):
    assert "pip install" in refused(capsys, "--data", sheet, "--backend", "numba")


# ---- as a process: exit codes, divergence, Ctrl-C ----


def test_as_a_command_it_ends_with_its_exit_code(sheet, tmp_path):
    process = start("--data", sheet, "--epochs", 1, "--quiet", "--out", tmp_path / "run")
    out, err = finish(process)
    assert (process.returncode, err) == (0, "")
    assert out.count("\n") == 1
    assert set(os.listdir(tmp_path / "run")) == FILES
    process = start("--data", tmp_path / "nowhere", "--quiet")
    out, err = finish(process)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1


@pytest.fixture(scope="module")
def diverged(sheet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diverged") / "run"
    options = ["--data", sheet, "--epochs", 5, "--lr", 1e9, "--optimizer", "sgd", "--out", folder]
    process = start(*options)
    out, err = finish(process)
    return process.returncode, folder, out, err


def test_a_run_that_diverges_ends_with_1_and_a_hint(diverged):
    code, _, out, err = diverged
    assert code == 1
    assert "Traceback" not in err
    assert "--lr" in out + err
    assert "diverged" in out + err


def test_a_run_that_diverges_says_what_is_left_and_what_to_try(diverged):
    _, folder, out, _ = diverged
    assert "model.safetensors  a network whose weights are not numbers any more" in out
    assert "Next: train again with a lower learning rate, --lr; it was 1e+09." in out
    assert "Sequential.load" not in out
    assert "mnist" not in out
    for name in ("confusion.png", "mistakes.png"):
        assert not (folder / name).exists()


def test_a_run_that_diverges_does_not_advise_to_diverge_again(diverged):
    _, _, out, _ = diverged
    assert "--resume" not in out
    assert "checkpoints" not in out  # there are none


def test_the_tutorial_and_another_recipe_exclude_each_other(sheet, capsys):
    assert quick(sheet, "--tutorial", "--recipe", "best") == 2
    assert "expected --tutorial or --recipe best, received both" in capsys.readouterr().err


def test_a_run_that_diverges_is_not_trained_to_its_end(diverged):
    _, folder, out, _ = diverged
    assert run_json(folder)["results"]["epochs"] < 5
    assert "Epoch 5/5" not in out


def test_a_run_that_diverges_spares_the_user_numpys_warnings(diverged):
    _, _, _, err = diverged
    assert "RuntimeWarning" not in err


def test_a_run_that_diverges_still_leaves_readable_files(diverged):
    _, folder, _, _ = diverged
    assert {"model.safetensors", "run.json", "history.csv"} <= set(os.listdir(folder))

    def refuse(text):
        raise AssertionError(f"{text} is no JSON")

    run = json.loads((folder / "run.json").read_text(), parse_constant=refuse)
    assert run["results"]["test_loss"] is None
    Sequential.load(folder / "model.safetensors")


def wait_for(process, words):
    """Read lines until one has `words`; returns what was read."""
    read, watchdog = [], threading.Timer(60, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            read.append(line)
            if words in line:
                return "".join(read)
    finally:
        watchdog.cancel()
    raise AssertionError("it ended: " + "".join(read) + process.stderr.read())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_stops_after_the_batch_and_saves_what_there_is(sheet, tmp_path):
    folder = tmp_path / "run"
    process = start_listening("--data", sheet, "--epochs", 100_000, "--out", folder)
    try:
        before = wait_for(process, "Epoch      2/100000")
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
    finally:
        out, err = finish(process)
    assert process.returncode == 130
    assert time.monotonic() - begun < 20
    assert "Traceback" not in err
    assert "topp" in out  # Stopping …, stopped …
    assert "saved" in out
    assert set(os.listdir(folder)) == FILES
    run, table = run_json(folder), rows(folder)
    assert run["results"]["interrupted"] is True
    assert run["results"]["epochs"] == len(table) >= 2
    assert f"{run['results']['test_accuracy']:.2%}" in before + out
    model = Sequential.load(folder / "model.safetensors")
    data = MnistData(sheet).load()
    right = (model.predict(data.test_x).argmax(1) == data.test_labels.argmax(1)).mean()
    assert run["results"]["test_accuracy"] == pytest.approx(right)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_twice_ends_at_once(sheet, tmp_path):
    folder = tmp_path / "run"
    process = start_listening("--data", sheet, "--epochs", 100_000, "--out", folder)
    try:
        wait_for(process, "Epoch      1/100000")
        process.send_signal(signal.SIGINT)
        wait_for(process, "Stopping")
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
    finally:
        _, err = finish(process)
    assert time.monotonic() - begun < 5
    assert process.returncode == 130
    assert "Traceback" not in err
    assert [name for name in os.listdir(folder) if name.startswith(".tmp")] == []
    if "no model was saved" in err:
        assert "model.safetensors" not in os.listdir(folder)


def interrupt(*args, **options):
    raise KeyboardInterrupt


def test_ctrl_c_in_the_first_epoch_saves_what_there_is(sheet, tmp_path, monkeypatch, capsys):
    """Before there is a row or a point to draw."""
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
    for line in out[out.index(f"In {folder}") :].splitlines()[1:]:
        name = line.split()[0] if line.startswith("  ") else ""
        assert not name or name in os.listdir(folder)


def test_ctrl_c_while_drawing_does_not_deny_the_saved_model(sheet, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "draw", interrupt)
    assert quick(sheet, "--out", str(tmp_path / "run")) == 130
    assert (tmp_path / "run" / "model.safetensors").exists()
    captured = capsys.readouterr()
    assert "no model was saved" not in captured.out + captured.err


@pytest.mark.parametrize("where", ["load", "fit"])
def test_ctrl_c_before_there_is_anything_leaves_no_folder(sheet, monkeypatch, capsys, where):
    owner = {"load": MnistData, "fit": Sequential}[where]
    monkeypatch.setattr(owner, where, interrupt)
    assert quick(sheet) == 130
    assert "no model was saved" in capsys.readouterr().err
    assert not os.path.exists("runs") or os.listdir("runs") == []


def test_outside_the_main_thread_it_runs_without_ctrl_c(sheet, tmp_path, no_pictures):
    """A notebook server or a page may start it there, where Python allows no signal handlers."""
    codes = []
    options = ["--data", str(sheet), "--epochs", "1", "--quiet", "--out", str(tmp_path / "run")]
    thread = threading.Thread(target=lambda: codes.append(train.main(options)))
    thread.start()
    thread.join(60)
    assert codes == [0]
    assert (tmp_path / "run" / "model.safetensors").exists()
