"""The answers for the tab Draw: predictions for drawings, and saved drawings."""

import base64
import io
import os
from collections import Counter

import numpy as np
import pytest
from clients import client
from PIL import Image
from recorded import DRAWINGS, rasterized

from minicnn import MnistData, Sequential, layers, train
from minicnn.pictures import prepare

SEVEN = next(drawing for drawing in DRAWINGS if drawing["label"] == 7)
AS_PNG = {"content-type": "image/png"}


@pytest.fixture
def folder(tmp_path):
    """For saved drawings; it does not exist yet."""
    return tmp_path / "own" / "drawings"


@pytest.fixture
def visitor(run, folder):
    return client(run, folder)


def png(grey):
    """(H, W) in [0, 1] as a browser's canvas gives it."""
    file = io.BytesIO()
    Image.fromarray(np.rint(grey * 255).astype(np.uint8)).convert("RGBA").save(file, "PNG")
    return file.getvalue()


def read(visitor, grey, query="?polarity=bright-on-dark"):
    answer = visitor.post(f"/api/read{query}", content=png(grey), headers=AS_PNG)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keep(visitor, drawing=SEVEN, label=None, **more):
    image = base64.b64encode(png(rasterized(drawing))).decode()
    given = {"image": image, "label": drawing["label"] if label is None else label, **more}
    return visitor.post("/api/drawings", json=given)


def test_mnist_preprocessing_predicts_nine_of_ten_drawings(visitor):
    right = {"mnist": Counter(), "tutorial": Counter()}
    for drawing in DRAWINGS:
        answer = read(visitor, rasterized(drawing))
        for way, count in right.items():
            is_right = np.argmax(answer[way]["probabilities"]) == drawing["label"]
            count[drawing["kind"]] += int(is_right)
    for kind, number in Counter(drawing["kind"] for drawing in DRAWINGS).items():
        print(f"of {number} {kind} drawings: " + str({way: n[kind] for way, n in right.items()}))
    assert right["mnist"].total() >= 0.9 * len(DRAWINGS)
    assert right["tutorial"].total() < right["mnist"].total()


def test_both_inputs_are_those_of_prepare(visitor, run):
    grey = rasterized(SEVEN)
    grey = (np.rint(grey * 255) / 255).astype(np.float32)
    answer = read(visitor, grey)
    made = prepare.mnist_like(grey, 28, polarity="bright-on-dark")
    seen = np.stack([made.image, prepare.tutorial_like(grey, 28)])
    expected = Sequential.load(run / "model.safetensors").predict(seen[..., None])
    for way, image, row in zip(("mnist", "tutorial"), seen, expected, strict=True):
        np.testing.assert_allclose(answer[way]["pixels"], image.ravel(), atol=6e-4)
        np.testing.assert_allclose(answer[way]["probabilities"], row, atol=2e-5)
    assert answer["mnist"]["box"] == list(made.box)
    assert answer["mnist"]["picture"] == list(grey.shape)
    assert answer["milliseconds"] > 0


def test_pixels_are_not_preprocessed(visitor, run):
    image = prepare.mnist_like(rasterized(SEVEN), 28, polarity="bright-on-dark").image
    answer = visitor.post("/api/read", json={"pixels": image.ravel().tolist()}).json()
    expected = Sequential.load(run / "model.safetensors").predict(image[None, ..., None])[0]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=2e-5)


def test_dark_ink_is_inverted(visitor):
    answer = read(visitor, 1 - 0.8 * rasterized(SEVEN), query="")
    assert answer["mnist"]["inverted"]
    assert np.argmax(answer["mnist"]["probabilities"]) == 7


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_drawing_is_an_error(visitor, value):
    answer = read(visitor, np.full((280, 280), value, np.float32), query="")
    assert "nothing drawn" in answer["mnist"]["error"]
    assert len(answer["tutorial"]["probabilities"]) == 10


def as_jpeg():
    file = io.BytesIO()
    Image.new("L", (28, 28)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "status", "says"),
    [
        (as_jpeg(), "image/png", 400, "expected a PNG"),
        (as_jpeg(), "image/jpeg", 415, "image/jpeg"),
        (png(np.zeros((28, 28)))[:60], "image/png", 400, "can't be read"),
        (png(np.zeros((1200, 1200))), "image/png", 400, "1,048,576"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1_400_000), "image/png", 413, "at most 1,310,720 bytes"),
        (b"", "image/png", 400, "expected a PNG"),
        (b"{}", "application/json", 400, "784 numbers"),
        (b'{"pixels": [2]}', "application/json", 400, "784 numbers"),
    ],
)
def test_other_content_is_refused(visitor, content, kind, status, says):
    answer = visitor.post("/api/read", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert says in answer.json()["error"]


def test_drawings_are_saved_in_a_sheet_to_train_on(visitor, folder, tmp_path, monkeypatch):
    before = visitor.get("/api/drawings").json()
    assert before == {"folder": str(folder), "count": 0, "command": None}
    assert not folder.exists()
    for count, drawing in enumerate(DRAWINGS[:12], 1):
        told = keep(visitor, drawing, polarity="bright-on-dark").json()
        assert told["count"] == count
    assert told["command"] == f"python -m minicnn.train --data {folder}"
    data = MnistData(folder).load()
    kept = np.concatenate([data.train_images, data.test_images])
    for image, drawing in zip(kept, DRAWINGS, strict=False):
        grey = (np.rint(rasterized(drawing) * 255) / 255).astype(np.float32)
        made = prepare.mnist_like(grey, 28, polarity="bright-on-dark").image
        np.testing.assert_array_equal(image, np.rint(made * 255).astype(np.uint8).ravel())
    labels = np.concatenate([data.train_labels, data.test_labels]).argmax(1)
    assert labels.tolist() == [drawing["label"] for drawing in DRAWINGS[:12]]
    monkeypatch.chdir(tmp_path)
    options = ["--backend", "numpy", "--epochs", "1", "--batch-size", "4", "--quiet"]
    assert train.main(["--data", str(folder), *options, "--out", str(tmp_path / "mine")]) == 0


def test_the_last_one_is_removed(visitor, folder):
    keep(visitor)
    keep(visitor, DRAWINGS[0])
    assert visitor.delete("/api/drawings/last").json()["count"] == 1
    assert visitor.get("/api/drawings").json()["count"] == 1
    assert visitor.delete("/api/drawings/last").json()["count"] == 0
    assert [name for name in os.listdir(folder) if not name.startswith(".")] == []
    refused = visitor.delete("/api/drawings/last")
    assert refused.status_code == 409
    assert keep(visitor).json()["count"] == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label": 10}, "label as a whole number from 0 to 9, received 10"),
        ({"label": "seven"}, "label"),
        ({"image": "no base64!"}, "base64"),
        ({"image": 5}, "expected a PNG"),
        ({"image": base64.b64encode(png(np.zeros((280, 280)))).decode()}, "nothing drawn"),
        ({"polarity": "upside down"}, "polarity"),
    ],
)
def test_an_invalid_drawing_is_not_saved(visitor, folder, change, says):
    given = {"image": base64.b64encode(png(rasterized(SEVEN))).decode(), "label": 7, **change}
    answer = visitor.post("/api/drawings", json=given)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert not folder.exists()


@pytest.mark.parametrize("shape", [(20, 30), (28, 14)])
def test_images_of_any_shape_and_names_with_any_characters(tmp_path, shape):
    names = ["an\nodd {name}", "b"]
    for name, sides in (("own", shape), ("other", shape[::-1])):
        network = [layers.Flatten(), layers.Dense(2, activation="softmax")]
        model = Sequential(network, input_shape=(*sides, 1), seed=0)
        model.class_names = names
        model.save(tmp_path / f"{name}.safetensors")
    folder = tmp_path / "drawings"
    visitor = client(tmp_path / "own.safetensors", folder)
    for count, label in enumerate((0, 1, 1), 1):
        told = keep(visitor, label=label)
        assert told.json()["count"] == count
    assert visitor.delete("/api/drawings/last").json()["count"] == 2
    data = MnistData(folder).load()
    assert data.image_shape == (*shape, 1)
    assert list(data.class_names) == names
    assert visitor.delete("/api/drawings/last").json()["count"] == 1
    assert keep(visitor, label=1).json()["count"] == 2
    refused = keep(client(tmp_path / "other.safetensors", folder), label=1)
    assert refused.status_code == 409
    assert f"{shape[0]}×{shape[1]}" in refused.json()["error"]


def test_other_files_are_not_touched(visitor, folder):
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    answer = keep(visitor)
    assert answer.status_code == 409
    assert "--drawings" in answer.json()["error"]
    assert set(os.listdir(folder)) == {"thesis.txt", ".lock"}


def test_a_damaged_sheet_is_not_overwritten(visitor, folder):
    keep(visitor)
    keep(visitor)
    sheet = next(folder.glob("*.png"))
    sheet.write_bytes(sheet.read_bytes()[:40])
    damaged = sheet.read_bytes()
    answer = keep(visitor)
    assert answer.status_code == 409
    assert sheet.name in answer.json()["error"]
    assert sheet.read_bytes() == damaged


def test_a_disk_error_is_reported(visitor, folder):
    folder.parent.mkdir()
    folder.parent.joinpath("drawings").write_text("a file where the folder should be")
    answer = keep(visitor)
    assert answer.status_code in (409, 507)
    assert "drawings" in answer.json()["error"]
    assert folder.read_text() == "a file where the folder should be"


# ---- a network that was trained on the user's own pictures ----

WHOLE = {"fit": "pad", "invert": "auto"}  # no cropping


@pytest.fixture
def own(run, tmp_path, folder):
    """A client of a visor whose network was trained on whole pictures."""
    model = Sequential.load(run / "model.safetensors")
    model.preparation = WHOLE
    model.save(tmp_path / "own.safetensors")
    return client(tmp_path / "own.safetensors", folder)


def test_a_drawing_is_prepared_like_the_training_images(own):
    grey = np.rint(rasterized(SEVEN) * 255).astype(np.float32) / np.float32(255)
    answer = read(own, grey)["mnist"]
    made = prepare.sheet_like(grey, 28, **WHOLE)
    np.testing.assert_allclose(answer["pixels"], made.image.ravel(), atol=6e-4)
    assert answer["box"] == [0, 0, *grey.shape]
    assert own.get("/api/about").json()["model"]["preparation"] == WHOLE


def test_a_sheet_has_drawings_of_one_preparation(own, visitor, folder):
    for count in (1, 2, 3):  # the first one has no manifest yet
        assert keep(own).json()["count"] == count
        refused = keep(visitor)
        assert refused.status_code == 409
        assert "trained on other pictures" in refused.json()["error"]
    assert MnistData(folder, progress=False).load().preparation == WHOLE
