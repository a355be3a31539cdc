"""A small run."""

import pytest
from report_page import NAMES, quietly

from minicnn import MnistData, train
from minicnn.data.builder import write_sheet


@pytest.fixture(scope="session")
def sheet(tmp_path_factory):
    """A sheet of 600 digits of the sample."""
    folder, data = tmp_path_factory.mktemp("digits"), MnistData("sample").load()
    images, classes = data.train_images[:600], data.train_labels[:600].argmax(1)
    write_sheet(
        folder, "digits", images, classes, class_names=NAMES, num_train=480,
        image_shape=(28, 28, 1), source="the sample", built={},
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def finished(sheet, tmp_path_factory):
    """The folder of a run of three epochs; tests must not change it."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert quietly(train, "--data", sheet, "--epochs", 3, "--quiet", "--out", folder)[0] == 0
    return folder
