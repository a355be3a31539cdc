"""Small sheets of real digits."""

import pytest
from PIL import Image

from minicnn import MnistData


@pytest.fixture(scope="session")
def make_sheet():
    """make_sheet(folder, count, first) writes digits of the sample and their labels."""
    data = MnistData("sample").load()

    def make(folder, count, first=0):
        part = slice(first, first + count)
        Image.fromarray(data.train_images[part]).save(folder / "digits_images.png")
        (folder / "digits_labels_uint8").write_bytes(data.train_labels[part].tobytes())
        return folder

    return make
