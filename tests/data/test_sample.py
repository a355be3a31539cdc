"""The sample sheet."""

import json

import numpy as np
import pytest

from minicnn.data import MnistData
from minicnn.data.locate import SAMPLE
from minicnn.data.subset import largest_remainder, subset

# Rows 0–54,999 and 55,000–64,999 of the MNIST sprite sheet, counted by class.
TRAIN = [5444, 6179, 5470, 5638, 5307, 4987, 5417, 5715, 5389, 5454]
TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def data():
    return MnistData().load()


def test_counts_and_balance(data):
    assert (data.num_train, data.num_test) == (10_000, 2_000)
    assert data.image_shape == (28, 28, 1)
    assert data.class_names == tuple("0123456789")
    assert (data.train_labels.sum(0, int) == largest_remainder(np.array(TRAIN), 10_000)).all()
    assert (data.test_labels.sum(0, int) == largest_remainder(np.array(TEST), 2_000)).all()


def test_pixels_are_like_those_of_mnist(data):
    for images in (data.train_images, data.test_images):
        assert 0.12 < (images / 255).mean() < 0.14  # MNIST's mean is 0.1307
        frame = images.reshape(-1, 28, 28)[:, [0, -1]]
        assert frame.mean() < 1
    both = [row.tobytes() for row in (*data.train_images, *data.test_images)]
    assert len(set(both)) == 12_000  # no test image is a training image


def test_size_and_licence():
    files = {path.name: path for path in SAMPLE.iterdir()}
    assert sum(path.stat().st_size for path in files.values()) <= 2_100_000
    text = files["LICENSE.txt"].read_text(encoding="utf-8")
    for words in ("Yann LeCun", "Corinna Cortes", "Christopher J.C. Burges", "licenses/by-sa/3.0"):
        assert words in text
    manifest = json.loads(files["mnist_sample.json"].read_text())
    assert "/" not in manifest["source"]


def test_subset(data, tmp_path):
    subset(SAMPLE, tmp_path / "a", train=300, test=60, seed=3)
    subset(SAMPLE, tmp_path / "b", train=300, test=60, seed=3)
    for name in ("subset_images.png", "subset_labels_uint8", "subset.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    small = MnistData(tmp_path / "a").load()
    assert (small.num_train, small.num_test) == (300, 60)
    for part in ("train", "test"):
        whole = {
            row.tobytes(): label.tobytes()
            for row, label in zip(
                getattr(data, f"{part}_images"), getattr(data, f"{part}_labels"), strict=True
            )
        }
        drawn = list(
            zip(getattr(small, f"{part}_images"), getattr(small, f"{part}_labels"), strict=True)
        )
        assert all(whole[row.tobytes()] == label.tobytes() for row, label in drawn)
        assert len({row.tobytes() for row, _ in drawn}) == len(drawn)
    with pytest.raises(ValueError, match="1 to 2,000 images"):
        subset(SAMPLE, tmp_path / "c", train=300, test=2_001)
