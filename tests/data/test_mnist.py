import json

import numpy as np
import pytest

from minicnn import DataError
from minicnn.data import Batch, MnistData, ScaledImages
from minicnn.data.cache import data_folder


@pytest.fixture
def data(sheets):
    return MnistData(sheets.write(), split=20).load()


def test_training_and_test_set(data, sheets):
    pixels, labels = sheets.pixels(), sheets.labels()
    assert (data.num_train, data.num_test, data.num_classes) == (20, 10, 3)
    assert data.image_shape == (4, 4, 1)
    assert data.class_names == ("0", "1", "2")
    for part, rows in (("train", slice(0, 20)), ("test", slice(20, None))):
        images = getattr(data, f"{part}_images")
        assert images.dtype == np.uint8
        assert (images == pixels[rows]).all()
        assert (getattr(data, f"{part}_labels") == labels[rows]).all()
        x = getattr(data, f"{part}_x")
        assert isinstance(x, ScaledImages)
        assert x.shape == (len(images), 4, 4, 1)
    assert not data.train_images.flags.writeable
    assert not data.train_labels.flags.writeable


@pytest.mark.parametrize(("part", "rows"), [("train", slice(0, 20)), ("test", slice(20, None))])
def test_a_pass_has_each_image_with_its_label(data, sheets, part, rows):
    size = 20 if part == "train" else 10
    batches = [data.next_batch(5, part) for _ in range(size // 5)]
    assert isinstance(batches[0], Batch)
    xs = np.concatenate([batch.xs for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    assert (xs.dtype, xs.shape, labels.dtype) == (np.float32, (size, 16), np.uint8)

    def together(pixels, labels):
        return sorted(zip(pixels.tolist(), labels.tolist(), strict=True))

    whole = (sheets.pixels()[rows] / 255).astype(np.float32)
    assert together(xs, labels) == together(whole, sheets.labels()[rows])


def test_training_and_test_order_are_independent(sheets):
    folder = sheets.write()
    a, b = MnistData(folder).load(), MnistData(folder).load()
    b.next_test_batch(7)
    assert (a.next_train_batch(9).xs == b.next_train_batch(9).xs).all()


def test_seeds(sheets):
    folder = sheets.write()
    first = [MnistData(folder, seed=s).load().next_train_batch(25).xs for s in (0, 0, 1)]
    assert (first[0] == first[1]).all()
    assert (first[0] != first[2]).any()


def test_the_state_is_json_and_restores_both_orders(sheets):
    folder = sheets.write()
    data = MnistData(folder).load()
    data.next_train_batch(33)
    data.next_test_batch(4)
    state = json.loads(json.dumps(data.state()))
    other = MnistData(folder, seed=5).load()
    other.set_state(state)
    for part in ("train", "test"):
        for n in (3, 40):
            left, right = data.next_batch(n, part), other.next_batch(n, part)
            assert (left.xs == right.xs).all()
            assert (left.labels == right.labels).all()


@pytest.mark.parametrize("damage", [{"version": 2}, {"test": None}, {"test": {"size": 3}}])
def test_an_invalid_state_changes_nothing(sheets, damage):
    folder = sheets.write()
    data, same, other = (MnistData(folder).load() for _ in range(3))
    other.next_train_batch(3)
    with pytest.raises(ValueError, match="expected"):
        data.set_state({**other.state(), **damage})
    assert (data.next_train_batch(9).xs == same.next_train_batch(9).xs).all()


def test_before_load(sheets):
    data = MnistData(sheets.write())
    assert "not loaded" in repr(data)
    for use in (lambda: data.next_train_batch(1), lambda: data.num_train, data.state):
        with pytest.raises(RuntimeError, match="load\\(\\) first"):
            use()
    assert data.load() is data
    assert "25 + 5" in repr(data)


def test_a_second_load_keeps_the_cursors(data):
    a = data.next_train_batch(20).xs
    b = data.load().next_train_batch(20).xs
    assert (a != b).any()


def test_own_files(sheets):
    folder = sheets.write(n=12, classes=4, width=15)
    given = {"images": folder / "x_images.png", "labels": str(folder / "x_labels_uint8")}
    data = MnistData(**given, image_shape=(5, 3), class_names=list("abcd")).load()
    assert (data.image_shape, data.class_names) == ((5, 3, 1), ("a", "b", "c", "d"))
    with pytest.raises(ValueError, match="expected 4 class names, received 2"):
        MnistData(**given, image_shape=(5, 3, 1), class_names=["a", "b"]).load()
    with pytest.raises(DataError, match="perfect square"):
        MnistData(**given).load()
    with pytest.raises(DataError, match="16 pixels wide"):
        MnistData(**given, image_shape=(4, 4)).load()


@pytest.mark.parametrize("shape", [(5,), (5, 3, 3), (0, 15), (5.0, 3)], ids=str)
def test_invalid_image_shapes(sheets, shape):
    with pytest.raises(ValueError, match="image_shape"):
        MnistData(sheets.write(width=15), image_shape=shape).load()


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ValueError, {"images": "a.png"}),
        (ValueError, {"labels": "a"}),
        (ValueError, {"base_url": "http://example.org"}),
        (ValueError, {"seed": -1}),
        (TypeError, {"seed": 1.5}),
        (TypeError, {"source": 3}),
        (TypeError, {"images": b"a", "labels": "b"}),
        (ValueError, {"split": "half"}),
        (ValueError, {"split": 0}),
        (TypeError, {"split": None}),
    ],
    ids=str,
)
def test_invalid_arguments(error, arguments):
    with pytest.raises(error, match="expected"):
        MnistData(**arguments)


def test_an_unknown_part_and_a_url_as_source(data):
    with pytest.raises(ValueError, match='"train" or "test"'):
        data.next_batch(1, "validation")
    with pytest.raises(ValueError, match="as images= and labels="):
        MnistData("http://example.org/x").load()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "expected one sheet .* found none"),
        (["a_images.png"], "expected one label file .* found none"),
        (["a_images.png", "b_images.png", "a_labels_uint8"], "found 2 .a_images.png, b_images"),
        (["a_images.png", "a_labels_uint8", "b_labels_uint8"], "found 2 .a_labels_uint8"),
        (["a_images.png", "a_labels_uint8", ".b_images.png"], "an empty file"),
    ],
)
def test_folders_without_one_sheet(tmp_path, files, message):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        MnistData(tmp_path).load()


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="a path that doesn't exist"):
        MnistData(tmp_path / "none").load()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="give it as images="):
        MnistData(tmp_path / "file").load()


def test_missing_files(sheets):
    folder = sheets.write()
    images, labels = folder / "x_images.png", folder / "x_labels_uint8"
    with pytest.raises(DataError, match=r"nope.png: can't be read"):
        MnistData(images=folder / "nope.png", labels=labels).load()
    with pytest.raises(DataError, match="nope: can't be read"):
        MnistData(images=images, labels=folder / "nope").load()
    with pytest.raises(DataError, match="can't be read"):
        MnistData(images=folder, labels=labels).load()


def test_labels_of_another_sheet(sheets):
    folder = sheets.write()
    (folder / "x_labels_uint8").write_bytes(sheets.labels(29).tobytes())
    with pytest.raises(DataError, match="expected 30 rows of labels"):
        MnistData(folder).load()


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "env"))
    assert data_folder() == tmp_path / "env"
    assert data_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("MINICNN_DATA")
    assert "minicnn" in str(data_folder())
