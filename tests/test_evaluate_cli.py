"""python -m minicnn.evaluate: numbers, files, errors."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

from minicnn import MnistData, Sequential, evaluate, kernels, layers, runs
from minicnn.data.builder import write_sheet
from minicnn.strict_json import from_json


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache folder for the tests; the user's own is not touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICNN_DATA", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MINICNN_BACKEND", raising=False)
        yield


@pytest.fixture(scope="module")
def sheet(digits, tmp_path_factory):
    """100 + 20 real digits in a folder."""
    return written(tmp_path_factory.mktemp("sheet"), digits.test_images[:120], digits.test_labels)


def written(folder, images, labels):
    Image.fromarray(images).save(folder / "digits_images.png")
    (folder / "digits_labels_uint8").write_bytes(labels[: len(images)].tobytes())
    return folder


def run(capsys, *arguments):
    code = evaluate.main([str(argument) for argument in arguments])
    return (code, *capsys.readouterr())


def figures(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    return from_json(out)


# ---- numbers ----


def test_the_numbers_agree_with_evaluate(digit_run, digits, capsys):
    found = figures(capsys, digit_run, "--data", "sample")
    model = Sequential.load(digit_run / "model.safetensors")
    with kernels.use_backend("numpy"):
        expected = model.evaluate(digits.test_x, digits.test_labels)
    assert found["accuracy"] == pytest.approx(expected["accuracy"])
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert (found["images"], found["part"], found["data"]) == (2000, "test", "sample")
    assert found["misread"] == round((1 - found["accuracy"]) * 2000)
    low, high = found["accuracy_95"]
    assert low < found["accuracy"] < high
    assert [row["images"] for row in found["classes"]] == digits.test_labels.sum(0, int).tolist()
    shares = [row["accuracy"] * row["images"] for row in found["classes"]]
    assert sum(shares) == pytest.approx(found["accuracy"] * 2000)


@pytest.mark.parametrize(("part", "n"), [("test", 20), ("train", 100), ("all", 120)])
def test_each_part(digit_run, sheet, capsys, part, n):
    found = figures(capsys, digit_run, "--data", sheet, "--part", part)
    assert found["images"] == n
    data = MnistData(sheet).load()
    labels = {"test": data.test_labels, "train": data.train_labels}.get(
        part, np.concatenate([data.train_labels, data.test_labels])
    )
    assert [row["images"] for row in found["classes"]] == labels.sum(0, int).tolist()


def test_another_split(digit_run, sheet, capsys):
    assert figures(capsys, digit_run, "--data", sheet, "--split", "30")["images"] == 90
    assert figures(capsys, digit_run, "--data", sheet, "--split", "0.75")["images"] == 30


@pytest.mark.parametrize("split", ["0", "120", "1.0"])
def test_a_split_that_leaves_a_part_empty_is_refused(digit_run, sheet, capsys, split):
    code, out, err = run(capsys, digit_run, "--data", sheet, "--split", split)
    assert (code, out) == (2, "")
    assert f"received {split}" in err


# ---- output ----


def test_the_printed_table(digit_run, sheet, capsys):
    code, out, err = run(capsys, digit_run, "--data", sheet)
    assert (code, err) == (0, "")
    for words in ("accuracy", "of 20 misclassified", "95 % interval", "confused with"):
        assert words in out
    assert "\x1b" not in out


def test_out_gets_numbers_and_plots(digit_run, sheet, tmp_path, capsys):
    folder = tmp_path / "measured"
    code, out, _ = run(capsys, digit_run, "--data", sheet, "--out", folder)
    assert code == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"metrics.json", runs.CONFUSION, runs.MISTAKES, runs.FILTERS}
    for name in names:
        assert name in out
        if name.endswith(".png"):
            with Image.open(folder / name) as image:
                image.verify()
    written = from_json((folder / "metrics.json").read_text())
    expected = figures(capsys, digit_run, "--data", sheet)
    for key in expected.keys() - {"seconds"}:
        assert written[key] == expected[key], key


def test_out_must_be_empty(digit_run, sheet, tmp_path, capsys):
    (tmp_path / "kept").write_text("x")
    code, _, err = run(capsys, digit_run, "--data", sheet, "--out", tmp_path)
    assert code == 2
    assert f"expected a new or empty folder, but {tmp_path} holds files; name another one" in err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_an_error_leaves_no_folder(digit_run, tmp_path, capsys):
    code, _, err = run(capsys, digit_run, "--data", tmp_path / "none", "--out", tmp_path / "o")
    assert code == 2
    assert err.startswith(f"minicnn.evaluate: {tmp_path / 'none'}: ")
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(os.name == "nt", reason="closes a pipe")
def test_a_broken_pipe(digit_run, sheet, tmp_path, unread):
    done = unread("evaluate", digit_run, "--data", sheet, "--out", tmp_path / "measured")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "measured" / "metrics.json").exists()
    assert (tmp_path / "measured" / runs.FILTERS).exists()


# ---- errors ----


def model_of(path, classes=10, shape=(28, 28, 1), names=None):
    model = Sequential(
        [layers.Flatten(), layers.Dense(classes, activation="softmax")], input_shape=shape, seed=0
    )
    model.class_names = names
    model.save(path)
    return path


@pytest.mark.parametrize(
    ("options", "expected", "received"),
    [
        ({"classes": 3}, "expected 3 classes, as ", "has, received 10"),
        (
            {"shape": (20, 30, 1)},
            "expected images of 20×30, as ",
            "received 28×28; build the sheet with --size 20x30",
        ),
    ],
)
def test_another_network(tmp_path, sheet, capsys, options, expected, received):
    model = model_of(tmp_path / "m.safetensors", **options)
    code, out, err = run(capsys, model, "--data", sheet)
    assert (code, out) == (2, "")
    assert f"{sheet}: {expected}{model} " in err
    assert received in err


def test_other_classes(tmp_path, digits, capsys):
    """Names are compared; numbers match any names."""
    names = [f"kind {k}" for k in range(10)]
    mine = model_of(tmp_path / "m.safetensors", names=names)
    numbers = model_of(tmp_path / "n.safetensors")
    folder = tmp_path / "sheet"
    write_sheet(
        folder,
        "x",
        digits.test_images[:60].reshape(60, 784),
        digits.test_labels[:60].argmax(axis=1),
        class_names=[f"thing {k}" for k in range(10)],
        num_train=50,
        image_shape=(28, 28),
        source="here",
        built={},
    )
    code, _, err = run(capsys, mine, "--data", folder)
    assert code == 2
    assert "expected the classes kind 0, kind 1" in err
    assert "received thing 0" in err
    assert run(capsys, numbers, "--data", folder)[0] == 0
    unnamed = written(tmp_path, digits.test_images[:60], digits.test_labels)
    assert run(capsys, mine, "--data", unnamed)[0] == 0


def test_a_diverged_network(tmp_path, sheet, capsys):
    path = model_of(tmp_path / "m.safetensors")
    model = Sequential.load(path)
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    model.save(path)
    code, out, err = run(capsys, path, "--data", sheet)
    assert (code, out) == (2, "")
    assert "training diverged" in err


def test_ctrl_c(digit_run, sheet, tmp_path, capsys, monkeypatch):
    def interrupt(*arguments):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(runs, "measure", interrupt)
    code, _, err = run(capsys, digit_run, "--data", sheet, "--out", tmp_path / "o")
    assert code == 130
    assert "Interrupted" in err
    assert not (tmp_path / "o").exists()


def test_prediction_is_in_batches(digit_run, sheet, capsys, monkeypatch):
    largest = []
    original = Sequential.forward

    def spy(self, x, training=False):
        largest.append(len(x))
        return original(self, x, training)

    monkeypatch.setattr(Sequential, "forward", spy)
    monkeypatch.setattr("minicnn.model.DEFAULT_BATCH", 16)
    figures(capsys, digit_run, "--data", sheet, "--part", "all")
    assert largest
    assert max(largest) <= 16
