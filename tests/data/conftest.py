"""Small sheets for the tests of the loader, and a folder for its cache."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


class Sheets:
    """Makes sheets of `n` images of 4×4 pixels in `classes` classes in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pixels(self, n: int = 30, width: int = 16, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (n, width)).astype(np.uint8)

    def labels(self, n: int = 30, classes: int = 3) -> np.ndarray:
        return np.eye(classes, dtype=np.uint8)[np.arange(n) % classes]

    def write(self, n: int = 30, classes: int = 3, folder: str = "sheet", width: int = 16) -> Path:
        path = self.folder / folder
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.pixels(n, width)).save(path / "x_images.png")
        (path / "x_labels_uint8").write_bytes(self.labels(n, classes).tobytes())
        return path


@pytest.fixture
def sheets(tmp_path: Path) -> Sheets:
    return Sheets(tmp_path)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for the test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINICNN_DATA", str(folder))
    return folder
