"""The command python -m minicnn.predict: predictions, output and exit codes."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minicnn import Sequential, kernels, layers, losses, plots
from minicnn.pictures import prepare
from minicnn.predict import command as predict
from minicnn.runs.classifier import load_classifier


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINICNN_BACKEND", raising=False)


@pytest.fixture
def scans(digits, tmp_path):
    """A folder with 0.png … 9.png: a picture of each digit, dark on bright."""
    folder = tmp_path / "scans"
    folder.mkdir()
    labels = digits.test_labels.argmax(axis=1)
    for digit in range(10):
        image = digits.test_images[np.flatnonzero(labels == digit)[2]].reshape(28, 28)
        large = Image.fromarray(255 - image).resize((140, 140), Image.Resampling.BICUBIC)
        page = Image.new("L", (300, 200), 255)
        page.paste(large, (100, 30))
        page.save(folder / f"{digit}.png")
    return folder


def saved(path, classes=10, shape=(28, 28, 1), activation="softmax", **options):
    model = Sequential(
        [layers.Flatten(), layers.Dense(classes, activation=activation)],
        input_shape=shape,
        seed=0,
    )
    if options:
        model.compile(**options)
    model.save(path)
    return model


def run(capsys, *arguments):
    code = predict.main([str(argument) for argument in arguments])
    return (code, *capsys.readouterr())


def rows(out):
    return [line.split("\t") for line in out.splitlines()]


def objects(out):
    return [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]


# ---- output ----


def test_a_folder(digit_run, scans, capsys):
    code, out, err = run(capsys, digit_run, scans)
    assert (code, err) == (0, "")
    names = [row[0] for row in rows(out)]
    assert names == [str(scans / f"{digit}.png") for digit in range(10)]
    right = sum(row[1] == str(digit) for digit, row in enumerate(rows(out)))
    assert right >= 8


def test_a_line_of_columns(digit_run, scans, capsys):
    _, out, _ = run(capsys, digit_run / "model.safetensors", scans / "3.png", "--top", 4)
    (row,) = rows(out)
    assert len(row) == 1 + 2 * 4
    chances = [float(number) for number in row[2::2]]
    assert chances == sorted(chances, reverse=True)
    assert 0 < sum(chances) <= 1.0001
    assert len(set(row[1::2])) == 4
    assert "\x1b" not in out


def test_json(digit_run, scans, capsys):
    code, out, err = run(capsys, digit_run, scans, "--json", "--top", 99)
    assert (code, err) == (0, "")
    found = objects(out)
    assert len(found) == 10
    model = Sequential.load(digit_run / "model.safetensors")
    for line, path in zip(found, sorted(scans.iterdir()), strict=True):
        image = prepare.mnist_like(prepare.read_grey(path))
        with kernels.use_backend("numpy"):
            expected = model.predict(image.image[None, ..., None])[0]
        assert line["image"] == str(path)
        assert line["class"] == expected.argmax()
        assert line["name"] == str(line["class"])
        assert line["probability"] == line["top"][0]["probability"]
        assert line["inverted"] is True
        assert line["box"] == list(image.box)
        by_class = {item["class"]: item["probability"] for item in line["top"]}
        np.testing.assert_allclose([by_class[k] for k in range(10)], expected, rtol=1e-4, atol=1e-7)


def test_special_characters_in_names_are_escaped(tmp_path, scans, capsys):
    model = saved(tmp_path / "m.safetensors", classes=3)
    model.class_names = ["a\tb", "c\nd", "e\r\u2028"]
    model.save(tmp_path / "m.safetensors")
    (scans / "1.png").rename(scans / "o\tn\ne.png")
    _, out, _ = run(capsys, tmp_path / "m.safetensors", scans / "o\tn\ne.png")
    (row,) = rows(out)
    assert row[0] == str(scans / r"o\tn\ne.png")
    assert {*row[1::2]} == {r"a\tb", r"c\nd", r"e\r\u2028"}


def test_a_table_on_a_terminal(digit_run, scans, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (scans / "[red]4.png").write_bytes((scans / "4.png").read_bytes())
    _, out, _ = run(capsys, digit_run, scans / "[red]4.png")
    for words in ("picture", "probability", "then", "[red]4.png", "%"):
        assert words in out


def test_other_input_shapes(tmp_path, scans, capsys):
    for number, shape in enumerate([(14, 40, 1), (56, 56, 1)]):
        path = tmp_path / f"{number}.safetensors"
        saved(path, shape=shape)
        code, out, _ = run(capsys, path, scans)
        assert (code, len(rows(out))) == (0, 10)


def test_a_model_that_outputs_logits(tmp_path, scans, capsys):
    loss = losses.CategoricalCrossentropy(from_logits=True)
    path = tmp_path / "m.safetensors"
    model = saved(path, activation=None, loss=loss)
    _, out, _ = run(capsys, path, scans / "2.png", "--json", "--top", 10)
    top = objects(out)[0]["top"]
    assert sum(item["probability"] for item in top) == pytest.approx(1, abs=1e-5)
    x = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    with kernels.use_backend("numpy"):
        z = np.exp(model.predict(x))
        found = load_classifier(path).predict(x)
    np.testing.assert_allclose(found, z / z.sum(axis=1, keepdims=True), rtol=1e-5)


def test_only_shown_pictures_are_kept_in_memory(digit_run, scans, monkeypatch, capsys):
    kept = []

    def record(results, *others):
        kept.append([reading.picture.size > 0 for reading, _ in results])

    monkeypatch.setattr(predict, "MAX_SHOWN", 4)
    monkeypatch.setattr(predict, "TABLE_ROWS", 3)
    monkeypatch.setattr(predict, "print_table", record)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    run(capsys, digit_run, scans)
    assert kept == [[False] * 3] * 3 + [[False]]
    kept.clear()
    run(capsys, digit_run, scans, "--show")
    assert kept == [[True] * 3, [True, False, False], [False] * 3, [False]]


# ---- preprocessing ----


def test_raw(digit_run, digits, tmp_path, capsys):
    Image.fromarray(digits.test_images[0].reshape(28, 28)).save(tmp_path / "raw.png")
    _, out, _ = run(capsys, digit_run, tmp_path / "raw.png", "--raw", "--json", "--top", 10)
    (line,) = objects(out)
    with kernels.use_backend("numpy"):
        expected = Sequential.load(digit_run / "model.safetensors").predict(digits.test_x[:1])[0]
    assert line["probability"] == pytest.approx(float(expected.max()), rel=1e-5)
    assert line["box"] is None


def test_tutorial(digit_run, tmp_path, capsys, monkeypatch):
    page = np.random.default_rng(0).integers(0, 256, (280, 280)).astype(np.uint8)
    Image.fromarray(page).save(tmp_path / "canvas.png")
    options = predict.parser().parse_args(["m", "x", "--tutorial"])
    image = predict.read(tmp_path / "canvas.png", load_classifier(digit_run), options).image
    np.testing.assert_array_equal(image, page[::10, ::10] / np.float32(255))
    assert run(capsys, digit_run, tmp_path / "canvas.png", "--tutorial")[0] == 0


def test_polarity_and_box(digit_run, scans, tmp_path):
    options = predict.parser().parse_args(["m", "x", "--polarity", "bright-on-dark", "--box", "28"])
    Image.fromarray(255 - np.asarray(Image.open(scans / "0.png"))).save(tmp_path / "n.png")
    reading = predict.read(tmp_path / "n.png", load_classifier(digit_run), options)
    assert not reading.inverted
    assert reading.image.any(axis=1).sum() == 28


def bar(path, height, width, box, **options):
    """A white picture with a black bar at `box`."""
    page = np.full((height, width), 255, np.uint8)
    top, left, bottom, right = box
    page[top:bottom, left:right] = 0
    Image.fromarray(page).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "shape", "box"),
    [
        ("small.png", (200, 300), (40, 100, 160, 120)),
        ("half.png", (3000, 2501), (1200, 1500, 2400, 1800)),  # averaged down to 1/2
        ("quarter.jpg", (4480, 3200), (1280, 1600, 3200, 1920)),  # decoded at 1/2, then averaged
        ("edge.png", (2055, 500), (15, 200, 2055, 260)),  # an odd number of rows
    ],
)
def test_the_box_is_in_pixels_of_the_file(digit_run, tmp_path, capsys, name, shape, box):
    path = bar(tmp_path / name, *shape, box)
    _, out, _ = run(capsys, digit_run, path, "--json")
    np.testing.assert_allclose(objects(out)[0]["box"], box, atol=4)
    with Image.open(path) as image:
        assert objects(out)[0]["box"][2] <= image.height


def test_the_box_of_a_rotated_picture(digit_run, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90°
    for name in ("lying.png", "lying.jpg"):
        path = bar(tmp_path / name, 2400, 4400, (1200, 400, 1400, 1600), exif=exif)
        _, out, _ = run(capsys, digit_run, path, "--json")
        np.testing.assert_allclose(objects(out)[0]["box"], (400, 1000, 1600, 1200), atol=4)


def test_raw_rejects_another_size(digit_run, tmp_path, capsys):
    path = bar(tmp_path / "long.png", 20_000, 30, (5, 5, 900, 9))
    code, out, err = run(capsys, digit_run, path, "--raw")
    assert (code, out) == (2, "")
    words = "--raw: expected 28×28 pixels, the network's input size, received 20000×30;"
    assert f"long.png: {words}" in err


# ---- --show ----


def test_show(digit_run, scans, tmp_path, capsys):
    code, out, err = run(capsys, digit_run, scans / "0.png", scans / "1.png", "--show")
    assert code == 0
    assert len(rows(out)) == 2
    assert "seen.png" in err
    with Image.open("seen.png") as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) > 300
    before = os.stat("seen.png").st_mtime_ns
    assert run(capsys, digit_run, scans / "2.png", "--show")[0] == 0  # overwrites its own figure
    assert os.stat("seen.png").st_mtime_ns > before


def test_show_draws_the_first_pictures(digit_run, scans, tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(predict, "MAX_SHOWN", 3)
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append((figure, path)))
    assert run(capsys, digit_run, scans, "--show", tmp_path / "new" / "s.png")[0] == 0
    ((figure, path),) = drawn
    assert path == tmp_path / "new" / "s.png"
    assert len(figure.axes) == 9
    assert figure.get_suptitle() == "The first 3 of 10 pictures"


@pytest.mark.parametrize("also", [True, False])
def test_show_does_not_overwrite_a_picture(digit_run, scans, capsys, also):
    """`--show 0.png 1.png` means the first as a picture, but it is the value of --show."""
    before = (scans / "0.png").read_bytes()
    images = [scans / "1.png", *([scans / "0.png"] if also else [])]
    code, out, err = run(capsys, digit_run, *images, "--show", scans / "0.png")
    assert (code, out) == (2, "")
    assert "exists, and is not a figure of this command" in err
    assert (scans / "0.png").read_bytes() == before


def test_show_needs_a_png(digit_run, scans, capsys):
    code, _, err = run(capsys, digit_run, scans / "1.png", "--show", "seen.jpg")
    assert code == 2
    assert "ends in .png, received seen.jpg" in err


def test_plots_seen_checks_shapes():
    image = np.zeros((1, 28, 28))
    with pytest.raises(ValueError, match="expected equally many of each"):
        plots.seen([], image, np.ones((1, 2)), ["a", "b"], ["x"])
    with pytest.raises(ValueError, match=r"probabilities \(n, 3\), .*received \(1, 2\)"):
        plots.seen([image[0]], image, np.ones((1, 2)), ["a", "b", "c"], ["x"])
    assert plots.seen([], np.zeros((0, 2, 2)), np.zeros((0, 2)), ["a", "b"], []) is not None


def test_plots_seen_shows_the_most_probable_classes():
    chances = np.linspace(0, 1, 30)[None] / 15
    names = [f"class {k}" for k in range(30)]
    figure = plots.seen([np.zeros((9, 5))], np.zeros((1, 4, 6, 1)), chances, names, ["$x$.png"])
    labels = [tick.get_text() for tick in figure.axes[2].get_yticklabels()]
    assert labels == [f"class {k}" for k in range(29, 19, -1)]


# ---- invalid input ----


def test_unreadable_pictures(digit_run, scans, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("no picture")
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    bad = ["bad.png", "blank.png", "nowhere.png"]
    code, out, err = run(capsys, digit_run, scans / "1.png", *bad, scans / "2.png")
    assert code == 2
    assert [row[0] for row in rows(out)] == [str(scans / "1.png"), str(scans / "2.png")]
    lines = err.splitlines()
    assert len(lines) == 3
    for line, name, words in zip(
        lines, bad, ["can't be read", "nothing drawn", "no such file"], strict=True
    ):
        assert line.startswith(f"minicnn.predict: {name}: ")
        assert words in line


def test_json_of_unreadable_pictures(digit_run, scans, capsys):
    paths = [scans / "1.png", "nowhere.png", scans / "2.png", "none.png"]
    code, out, err = run(capsys, digit_run, *paths, "--json")
    assert code == 2
    found = objects(out)
    assert [line["image"] for line in found] == list(map(str, paths))
    assert ["error" in line for line in found] == [False, True, False, True]
    assert [f"minicnn.predict: {line['error']}" for line in found[1::2]] == err.splitlines()


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_each_line_is_printed_before_the_next_picture_is_read(
    digit_run, scans, monkeypatch, capfd, option
):
    printed, read = [], predict.read

    def record(path, *others):
        printed.append(capfd.readouterr().out.count("\n"))
        return read(path, *others)

    monkeypatch.setattr(predict, "read", record)
    paths = [str(scans / "1.png"), "nowhere.png", str(scans / "2.png"), str(scans / "3.png")]
    assert predict.main([str(digit_run), *paths, *option]) == 2
    assert printed == [0, 1, len(option), 1]


def test_a_folder_without_pictures(digit_run, tmp_path, capsys):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    code, out, err = run(capsys, digit_run, folder)
    assert (code, out) == (2, "")
    assert f"{folder}: expected pictures (.bmp, " in err


def no_final_model(path):
    path.mkdir()
    saved(path / "epoch-0004.safetensors")


def too_few_names(path):
    model = saved(path)
    model.class_names = ["a", "b"]
    model.save(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "no model file at"),
        (lambda p: p.write_bytes(b"x" * 99), "expected a .safetensors file"),
        (lambda p: saved(p, shape=(28, 28, 3)), "expected a network for grey images"),
        (lambda p: saved(p, activation="sigmoid"), "neither ends in softmax"),
        (lambda p: saved(p, classes=1), "outputs (classes >= 2), received (1,)"),
        (lambda p: p.mkdir(), "expected a folder with model.safetensors; it holds no model"),
        (no_final_model, "it holds epoch-0004.safetensors: name one"),
        (too_few_names, "expected 10 class names, received 2"),
    ],
)
def test_invalid_models(tmp_path, scans, capsys, make, words):
    path = tmp_path / "m.safetensors"
    make(path)
    code, out, err = run(capsys, path, scans / "1.png")
    assert (code, out) == (2, "")
    assert err.startswith("minicnn.predict: ")
    assert words in err
    assert str(path) in err
    assert err.count("\n") == 1


def test_a_diverged_network(tmp_path, scans, capsys):
    model = saved(tmp_path / "m.safetensors")
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    model.save(tmp_path / "m.safetensors")
    code, out, err = run(capsys, tmp_path / "m.safetensors", scans / "1.png")
    assert (code, out) == (2, "")
    assert "training diverged" in err


@pytest.mark.parametrize(
    "options",
    [["--top", "0"], ["--box", "0"], ["--raw", "--tutorial"], ["--backend", "cuda"]],
)
def test_invalid_options(digit_run, scans, capsys, options):
    with pytest.raises(SystemExit) as caught:
        run(capsys, digit_run, scans / "1.png", *options)
    assert caught.value.code == 2


def test_a_box_larger_than_the_image(digit_run, scans, capsys):
    code, _, err = run(capsys, digit_run, scans / "1.png", "--box", "29")
    assert code == 2
    assert "--box: expected at most 28 pixels" in err


# ---- the process ----


def test_backend_and_threads_are_restored(digit_run, scans, capsys, monkeypatch):
    used = []
    original = Sequential.predict

    def record(self, x):
        used.append((kernels.current_backend(), kernels.get_threads()))
        return original(self, x)

    monkeypatch.setattr(Sequential, "predict", record)
    before = kernels.current_backend(), kernels.get_threads()
    run(capsys, digit_run, scans / "1.png", "--threads", "1")
    run(capsys, digit_run, scans / "1.png", "--backend", "reference")
    assert used == [("numpy", 1), ("reference", before[1])]
    assert (kernels.current_backend(), kernels.get_threads()) == before


def test_lazy_imports_and_a_name_that_is_no_text(digit_run, scans):
    if os.name != "nt":
        shutil.copy(scans / "1.png", os.fsencode(scans) + b"/\xff\n.png")
    code = (
        "import sys\nfrom minicnn import predict\n"
        "code = predict.main(sys.argv[1:])\n"
        "loaded = {'matplotlib', 'numba', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(digit_run), str(scans)],
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == len(list(scans.iterdir()))
