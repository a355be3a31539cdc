"""Own pictures: sprite build, training and predict preprocess pictures in the same way."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from minicnn import MnistData, ModelError, Sequential, kernels, layers, optimizers, train
from minicnn.data.folder import build_from_folder
from minicnn.data.subset import subset
from minicnn.pictures import prepare
from minicnn.predict import command
from minicnn.runs.classifier import load_classifier
from minicnn.saving import sealed_file
from minicnn.saving.model_file import CONTENTS

SIDE = 24  # of an image for the network


def picture(kind, rng, background=255, ink=0):
    """A circle, or a small or large square, at a random place. MNIST preprocessing would make the
    two squares equal."""
    image = Image.new("L", (60, 48), background)
    side = {"circle": 22, "small": 8, "large": 22}[kind]
    left, top = (int(rng.integers(2, size - side - 2)) for size in image.size)
    draw = ImageDraw.Draw(image)
    shape = draw.ellipse if kind == "circle" else draw.rectangle
    shape([left, top, left + side, top + side], fill=ink)
    return image


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a subfolder for each of three kinds."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("pictures")
    for kind in ("circle", "small", "large"):
        (folder / kind).mkdir()
        for number in range(60):
            picture(kind, rng).save(folder / kind / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def sheet(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("sheet")
    build_from_folder(pictures, out, size=(SIDE, SIDE))
    return out


@pytest.fixture(scope="module")
def network(sheet, tmp_path_factory):
    """The path of a network that was trained on the sheet."""
    data = MnistData(sheet, cache_dir=tmp_path_factory.mktemp("cache")).load()
    model = Sequential(
        [
            layers.Conv2D(8, 5, strides=2, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ],
        input_shape=(SIDE, SIDE, 1),
        seed=0,
    )
    model.class_names, model.preparation = list(data.class_names), data.preparation
    model.compile(optimizers.Adam(0.01))
    with kernels.use_backend("numpy"):
        model.fit(data.train_x, data.train_labels, batch_size=16, epochs=25, verbose=0)
    path = tmp_path_factory.mktemp("network") / "model.safetensors"
    model.save(path)
    return path


def predict(capsys, *arguments):
    """(exit code, {picture: predicted class}, stderr)"""
    code = command.main([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    lines = map(json.loads, out.splitlines())
    return code, {line["image"]: line["name"] for line in lines}, err


@pytest.mark.parametrize("colours", [{}, {"background": 0, "ink": 255}])
def test_predictions_for_new_pictures(network, tmp_path, capsys, colours):
    rng, correct = np.random.default_rng(1), {}
    for number in range(60):
        kind = ("circle", "small", "large")[number % 3]
        path = tmp_path / f"{number}.png"
        picture(kind, rng, **colours).save(path)
        correct[str(path)] = kind
    code, predicted, _ = predict(capsys, network, tmp_path)
    assert code == 0
    assert np.mean([predicted[path] == kind for path, kind in correct.items()]) > 0.9
    code, predicted, _ = predict(capsys, network, tmp_path, "--mnist")
    assert code == 0
    assert np.mean([predicted[path] == kind for path, kind in correct.items()]) < 0.8


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("invert", ["auto", "each", "yes", "no"])
@pytest.mark.parametrize("background", [0, 255])
def test_the_pixels_are_those_of_the_sheet(pictures, tmp_path, fit, invert, background):
    rng, folder = np.random.default_rng(2), tmp_path / "in"
    for kind in ("circle", "small"):
        (folder / kind).mkdir(parents=True)
        for number in range(3):
            image = picture(kind, rng, background, 255 - background)
            image.save(folder / kind / f"{number}.png")
    build_from_folder(folder, tmp_path / "out", size=(20, 26), fit=fit, invert=invert)
    data = MnistData(tmp_path / "out", image_shape=(20, 26), cache_dir=tmp_path / "cache").load()
    assert data.preparation == {"fit": fit, "invert": "auto" if invert == "each" else invert}
    images = [*np.asarray(data.train_x), *np.asarray(data.test_x)]
    in_sheet = {image.tobytes() for image in images}
    for path in folder.rglob("*.png"):
        prepared = prepare.prepare_picture(prepare.read_grey(path), (20, 26), data.preparation)
        assert prepared.image[..., None].tobytes() in in_sheet


def test_polarity_can_be_given():
    page = np.zeros((8, 8), np.float32)
    page[2:5, 2:5] = 1
    for polarity, image in (("bright-on-dark", page), ("dark-on-bright", 1 - page)):
        prepared = prepare.sheet_like(page, 8, polarity=polarity)
        np.testing.assert_array_equal(prepared.image, image)


@pytest.mark.parametrize("options", [{"fit": "cut"}, {"invert": "maybe"}, {"polarity": "grey"}])
def test_invalid_options(options):
    with pytest.raises(ValueError, match=f"expected {next(iter(options))}"):
        prepare.sheet_like(np.zeros((8, 8), np.float32), **options)


def test_box_needs_mnist(network, pictures, capsys):
    code, _, err = predict(capsys, network, pictures / "circle", "--box", 10)
    assert code == 2
    assert "add --mnist" in err
    assert predict(capsys, network, pictures / "circle", "--box", 10, "--mnist")[0] == 0


# ---- data and models keep the preparation ----


def test_a_subset_keeps_it(sheet, tmp_path):
    subset(sheet, tmp_path / "part", train=30, test=9, cache_dir=tmp_path / "cache")
    data = MnistData(tmp_path / "part", cache_dir=tmp_path / "cache").load()
    assert data.preparation == {"fit": "pad", "invert": "auto"}


def test_mnist_has_none(digits, digit_run):
    assert digits.preparation is None
    assert load_classifier(digit_run).preparation is None


def test_a_run_keeps_it(sheet, tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "cache"))
    options = ["--data", sheet, "--epochs", 1, "--model", "codelab", "--backend", "numpy"]
    run = tmp_path / "run"
    with kernels.use_backend("numpy"):
        assert train.main([*map(str, options), "--quiet", "--out", str(run)]) == 0
    assert load_classifier(run).preparation == {"fit": "pad", "invert": "auto"}


@pytest.mark.parametrize("value", [3, {"fit": "pad"}, {"fit": "pad", "invert": "no", "x": 1}])
def test_an_invalid_preparation_in_a_file(network, tmp_path, value):
    contents, tensors = sealed_file.read(network, CONTENTS)
    contents["model"]["preparation"] = value
    path = tmp_path / "model.safetensors"
    path.write_bytes(sealed_file.to_bytes(contents, tensors))
    with pytest.raises(ModelError, match="expected preparation with fit and invert"):
        Sequential.load(path)


def test_a_file_of_an_older_version(network, tmp_path):
    contents, tensors = sealed_file.read(network, CONTENTS)
    del contents["model"]["preparation"]
    path = tmp_path / "model.safetensors"
    path.write_bytes(sealed_file.to_bytes(contents, tensors))
    assert Sequential.load(path).preparation is None
