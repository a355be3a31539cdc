"""MnistData: batches of training and test images from a sprite sheet."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..state_checks import table, whole, whole_number
from . import locate
from .cache import data_folder
from .cursor import Cursor
from .loader import load_sheet
from .scaled import ScaledImages, scale
from .sources import FASHION_NAMES, fetch, fetch_official, is_url
from .split import check_split, train_count

if TYPE_CHECKING:
    from .download import DownloadLimits

PathOrUrl = str | os.PathLike[str]


class Batch(NamedTuple):
    """xs (n, H*W) float32 in [0, 1]; labels (n, classes) uint8 one-hot."""

    xs: np.ndarray
    labels: np.ndarray


class _Part(NamedTuple):
    """The training or the test images, and the order of their batches."""

    images: np.ndarray
    labels: np.ndarray
    cursor: Cursor


class _Loaded(NamedTuple):
    """What load() read; parts: "train" and "test"."""

    files: locate.SheetFiles
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    parts: dict[str, _Part]


class MnistData:
    """Images and labels from a sprite sheet: a PNG with one flattened image in each row.

    Pixels stay uint8 in memory; batches are scaled to float32. Training and test images each have
    a seeded order, in which every image comes once before any comes again.

    Args:
        source: "sample" (12,000 digits, shipped with minicnn), "mnist" or "fashion" (the
            official sheets, downloaded once), or the path of a folder that holds one sheet and
            its labels (*images.png, *labels_uint8 and an optional manifest; "./sample" for a
            folder with one of these names).
        images, labels: path or http(s) URL of a sheet and of its labels, instead of `source`.
        split: "standard", "tutorial", the share (float) or the number (int) of training images;
            see minicnn.data.split.train_count.
        seed: of the order of the batches, >= 0.
        cache_dir: folder of downloads and decoded sheets; None: the environment variable
            MINICNN_DATA, else the user's cache folder.
        base_url: a mirror of the official files, for "mnist" and "fashion".
        image_shape: (H, W), pixels, if the images aren't square.
        class_names: one for each class; None: those of the manifest, else "0", "1", …
        progress: show a bar while downloading; None shows it on a terminal only.
        limits: time-outs, attempts and largest size of a download.

    Raises:
        ValueError, TypeError: invalid arguments, or arguments that don't match. Files are not read
            before load(), which raises DataError.
    """

    def __init__(
        self,
        source: PathOrUrl = "sample",
        *,
        images: PathOrUrl | None = None,
        labels: PathOrUrl | None = None,
        split: str | float | int = "standard",
        seed: int = 0,
        cache_dir: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        image_shape: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
        progress: bool | None = None,
        limits: "DownloadLimits | None" = None,
    ) -> None:
        if (images is None) != (labels is None):
            raise ValueError("expected images and labels together, received only one of them")
        for path in (source, images, labels):
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"expected a name, path or URL, received {path!r}")
        if base_url is not None and source not in ("mnist", "fashion"):
            raise ValueError('expected base_url with source "mnist" or "fashion" only')
        check_split(split)
        self._source, self._images, self._labels = source, images, labels
        self._split, self._seed, self._shape = split, whole_number("seed", seed, 0), image_shape
        self._names = None if class_names is None else tuple(str(name) for name in class_names)
        self._cache = data_folder(cache_dir)
        self._base_url, self._progress = base_url, progress
        self._limits = limits
        self._loaded: _Loaded | None = None

    def load(self) -> "MnistData":
        """Download, check and decode the files; returns self. A second call does nothing.

        Raises:
            DataError: a file can't be downloaded or read, is damaged, or doesn't match the others.
            ValueError: split or class_names don't match the sheet.
        """
        if self._loaded is not None:
            return self
        files = self._find()
        images, labels, shape = load_sheet(files, self._cache, self._shape)
        total, classes = labels.shape
        manifest = files.manifest
        listed = manifest.class_names if manifest else self._default_names(classes)
        names = listed if self._names is None else self._names
        if len(names) != classes:
            raise ValueError(f"expected {classes} class names, received {len(names)}: {names}")
        count = train_count(self._split, total, manifest.num_train if manifest else None)
        seeds = np.random.SeedSequence(self._seed).spawn(2)
        train = _Part(images[:count], labels[:count], Cursor(count, seeds[0]))
        test = _Part(images[count:], labels[count:], Cursor(total - count, seeds[1]))
        self._loaded = _Loaded(files, shape, names, {"train": train, "test": test})
        return self

    def next_train_batch(self, n: int) -> Batch:
        """The next n training images; see next_batch."""
        return self.next_batch(n, "train")

    def next_test_batch(self, n: int) -> Batch:
        """The next n test images; see next_batch."""
        return self.next_batch(n, "test")

    def next_batch(self, n: int, part: str = "train") -> Batch:
        """The next n images of "train" or "test", in seeded order.

        A batch that reaches the end goes on with the next permutation; n may be larger than the
        number of images.

        Returns:
            Batch: xs (n, H*W) float32 in [0, 1], labels (n, classes) uint8 one-hot.

        Raises:
            ValueError, TypeError: n isn't a whole number >= 1, or an unknown part.
            RuntimeError: load() hasn't been called.
        """
        parts = self._need_load().parts
        if part not in parts:
            raise ValueError(f'expected part "train" or "test", received {part!r}')
        images, labels, cursor = parts[part]
        rows = cursor.take(n)
        return Batch(scale(images[rows]), labels[rows])

    def state(self) -> dict[str, object]:
        """The positions in both orders, for set_state; JSON can hold them."""
        parts = self._need_load().parts
        return {"version": 1, **{name: part.cursor.state() for name, part in parts.items()}}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Go back to a saved state: the same batches follow.

        Raises:
            ValueError: not a state, or a state of another size; then nothing changes.
        """
        before = self.state()
        if whole(state, "version") != 1:
            raise ValueError(f"expected a state of version 1, received {state['version']!r}")
        try:
            self._set_cursors(state)
        except ValueError:
            self._set_cursors(before)
            raise

    def _set_cursors(self, state: Mapping[str, object]) -> None:
        for name, part in self._need_load().parts.items():
            part.cursor.set_state(table(state, name))

    @property
    def train_images(self) -> np.ndarray:
        """(num_train, H*W) uint8, read-only."""
        return self._need_load().parts["train"].images

    @property
    def test_images(self) -> np.ndarray:
        """(num_test, H*W) uint8, read-only."""
        return self._need_load().parts["test"].images

    @property
    def train_labels(self) -> np.ndarray:
        """(num_train, classes) uint8 one-hot, read-only."""
        return self._need_load().parts["train"].labels

    @property
    def test_labels(self) -> np.ndarray:
        """(num_test, classes) uint8 one-hot, read-only."""
        return self._need_load().parts["test"].labels

    @property
    def train_x(self) -> ScaledImages:
        """The training images, scaled when indexed: (num_train, H, W, 1) float32."""
        return ScaledImages(self.train_images, self.image_shape)

    @property
    def test_x(self) -> ScaledImages:
        """The test images, scaled when indexed: (num_test, H, W, 1) float32."""
        return ScaledImages(self.test_images, self.image_shape)

    @property
    def num_train(self) -> int:
        """Number of training images."""
        return len(self.train_images)

    @property
    def num_test(self) -> int:
        """Number of test images."""
        return len(self.test_images)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class."""
        return self._need_load().class_names

    @property
    def preparation(self) -> dict[str, str] | None:
        """The preprocessing of the sheet's pictures, {"fit": …, "invert": …}: the arguments of
        minicnn.pictures.prepare.sheet_like. None: MNIST preprocessing, or unknown."""
        manifest = self.files.manifest
        return manifest.preparation if manifest else None

    @property
    def files(self) -> locate.SheetFiles:
        """The paths of the sheet and its labels, and the manifest."""
        return self._need_load().files

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 1), pixels."""
        return self._need_load().image_shape

    def __repr__(self) -> str:
        name = self._source if self._images is None else self._images
        if self._loaded is None:
            return f"MnistData({os.fspath(name)!r}), not loaded"
        return f"MnistData({os.fspath(name)!r}): {self.num_train:,} + {self.num_test:,} images"

    def _need_load(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeError("the data isn't loaded yet: call load() first")
        return self._loaded

    def _find(self) -> locate.SheetFiles:
        options = (self._cache, self._limits, self._progress)
        if self._images is not None and self._labels is not None:
            given = {"images": self._images, "labels": self._labels}
            local = [
                fetch(str(path), kind, *options) if is_url(path) else Path(path).expanduser()
                for kind, path in given.items()
            ]
            return locate.beside(*local)
        if self._source in ("mnist", "fashion"):
            return fetch_official(str(self._source), self._base_url, *options)
        if self._source == "sample":
            return locate.in_folder(locate.SAMPLE)
        if is_url(self._source):
            raise ValueError("expected a URL as images= and labels=, received it as source")
        return locate.in_folder(Path(self._source).expanduser())

    def _default_names(self, classes: int) -> tuple[str, ...]:
        if self._source == "fashion" and self._images is None:
            return FASHION_NAMES
        return tuple(str(number) for number in range(classes))
