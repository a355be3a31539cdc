"""The command python -m minicnn.sprite."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minicnn import sprite
from minicnn.data import MnistData
from minicnn.data.locate import SAMPLE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "cache"))


@pytest.fixture
def letters(tmp_path):
    """Black on white, three classes; one name looks like markup of rich."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "[bold]"):
        (tmp_path / "letters" / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.full((40, 40), 255, np.uint8)
            pixels[12:28, 12:28] = rng.integers(0, 120, (16, 16))
            Image.fromarray(pixels).save(tmp_path / "letters" / name / f"{i}.png")
    return tmp_path / "letters"


def test_build_and_show(letters, tmp_path, capsys):
    (letters / "a" / "broken.png").write_text("no")
    out = tmp_path / "sheet"
    assert sprite.main(["build", str(letters), "--out", str(out), "--size", "20x16"]) == 0
    written = capsys.readouterr()
    assert "inverted 18 of 18" in written.out
    assert "broken.png" in written.err
    assert "skipped 1 unreadable picture\n" in written.err
    assert f"python -m minicnn.train --data {out}" in written.out
    data = MnistData(out).load()
    assert data.image_shape == (20, 16, 1)
    assert data.train_images[:, 0].max() == 0

    preview = tmp_path / "p.png"
    assert sprite.main(["show", str(out), "--png", str(preview)]) == 0
    shown = capsys.readouterr().out
    for words in ("20×16", "15 / 3", "both hashes match", "[bold]", "letters"):
        assert words in shown
    assert "#" in shown or "@" in shown  # images, drawn with characters
    with Image.open(preview) as image:
        assert (np.asarray(image) > 135).sum() > 18 * 30  # 18 inverted pictures


def test_show_a_png_with_its_labels(letters, tmp_path, capsys):
    out = tmp_path / "sheet"
    sprite.main(["build", str(letters), "--out", str(out), "--size", "20x16", "--name", "s"])
    (out / "s.json").unlink()
    arguments = ["show", str(out / "s_images.png"), "--labels", str(out / "s_labels_uint8")]
    assert sprite.main(arguments) == 2
    assert "perfect square" in capsys.readouterr().err
    assert sprite.main([*arguments, "--size", "20x16"]) == 0
    assert "none" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="closes a pipe")
def test_a_broken_pipe(tmp_path, unread):
    done = unread("sprite", "show", "sample", "--png", tmp_path / "preview.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "preview.png").exists()


def test_subset_and_idx(tmp_path, capsys):
    out = tmp_path / "small"
    small = ["subset", str(SAMPLE), "--train", "50", "--test", "20", "--out", str(out)]
    assert sprite.main(small) == 0
    assert MnistData(out).load().num_train == 50
    assert sprite.main(small) == 2
    assert "already exists" in capsys.readouterr().err
    assert sprite.main([*small, "--force", "--seed", "1"]) == 0
    assert sprite.main(["idx", str(tmp_path), "--out", str(tmp_path / "i")]) == 2
    assert "train-images-idx3-ubyte" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "nowhere", "--out", "x"],
        ["show", "nowhere"],
        ["subset", "nowhere", "--train", "1", "--test", "1", "--out", "x"],
        ["idx", "nowhere", "--out", "x"],
    ],
)
def test_an_error_is_one_line(arguments, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert sprite.main(arguments) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("minicnn.sprite: nowhere")
    assert written.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("arguments", [[], ["build"], ["build", "x", "--out", "y", "--size", "0"]])
def test_invalid_options(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        sprite.main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_ctrl_c_writes_nothing(letters, tmp_path, capsys, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("minicnn.data.folder.read_picture", stop)
    assert sprite.main(["build", str(letters), "--out", str(tmp_path / "x")]) == 130
    assert "no sheet was written" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_terminal_that_shows_ascii_only():
    """It shows neither × nor the lines of the tables."""
    done = subprocess.run(
        [sys.executable, "-m", "minicnn.sprite", "show", "sample"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10,000 / 2,000" in done.stdout
