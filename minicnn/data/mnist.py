"""MnistData: a sprite sheet as training and test images, batch by batch."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import locate
from .cache import data_folder
from .cursor import Cursor
from .loader import Sheet, load_sheet
from .manifest import preparation_of
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


class MnistData:
    """Images and labels from a sprite sheet: one flattened image a row of a PNG.

    Pixels stay uint8 in memory and are scaled to float32 when they are handed out. Each part
    has its own seeded order, in which every image comes once before any comes again.

    Args:
        source: "sample" (12,000 digits, shipped with minicnn), "mnist" or "fashion" (the
            official sheets, downloaded once), or the path of a folder that holds one sheet and
            its labels (*images.png, *labels_uint8, and the builder's manifest if there is one;
            "./sample" for a folder that is called like one of the names).
        images, labels: path or http(s) URL of a sheet and of its labels, instead of `source`.
        split: "standard", "tutorial", the training part's share (float) or its number (int);
            see minicnn.data.split.train_count.
        seed: where the orders of the batches start, >= 0.
        cache_dir: where downloads and decoded sheets are kept; else the environment variable
            MINICNN_DATA, else the user's cache folder.
        base_url: a mirror of the official files, for "mnist" and "fashion".
        image_shape: (H, W), pixels, where the images aren't square.
        class_names: one a class, instead of the manifest's or "0", "1", …
        progress: show a bar while downloading; None shows it on a terminal only.
        limits: time-outs, attempts and largest size of a download.

    Raises:
        ValueError, TypeError: arguments that don't fit each other. Files are first read by
            load(), which raises DataError.
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
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"expected a whole number as seed, received {seed!r}")
        if seed < 0:
            raise ValueError(f"expected a seed >= 0, received {seed}")
        check_split(split)  # what can be known before anything is read
        self._source, self._images, self._labels = source, images, labels
        self._split, self._seed, self._shape = split, int(seed), image_shape
        self._names = None if class_names is None else tuple(str(name) for name in class_names)
        self._cache = data_folder(cache_dir)
        self._base_url, self._progress = base_url, progress
        self._limits = limits
        self._loaded = False

    def load(self) -> "MnistData":
        """Get, check and decode the files; returns self. A second call does nothing.

        Raises:
            DataError: a file, sheet, label or download isn't what it should be.
            ValueError: split or class_names don't fit the sheet.
        """
        if self._loaded:
            return self
        files = self._find()
        sheet = load_sheet(files, self._cache, self._shape)
        total, classes = sheet.labels.shape
        manifest = files.manifest
        listed = manifest.class_names if manifest else self._default_names(classes)
        names = listed if self._names is None else self._names
        if len(names) != classes:
            raise ValueError(f"expected {classes} class names, received {len(names)}: {names}")
        count = train_count(self._split, total, manifest.num_train if manifest else None)
        self._sheet, self._class_names, self._num_train = sheet, names, count
        self._preparation = preparation_of(manifest)
        seeds = np.random.SeedSequence(self._seed).spawn(2)
        self._cursors = {
            "train": Cursor(count, seeds[0]),
            "test": Cursor(total - count, seeds[1]),
        }
        self._loaded = True
        return self

    def next_train_batch(self, n: int) -> Batch:
        """The next n training images; see next_batch."""
        return self.next_batch(n, "train")

    def next_test_batch(self, n: int) -> Batch:
        """The next n test images; see next_batch."""
        return self.next_batch(n, "test")

    def next_batch(self, n: int, part: str = "train") -> Batch:
        """The next n images of a part ("train" or "test") in its seeded order.

        A batch that reaches the end of the part goes on with the next permutation; n may be
        larger than the part.

        Returns:
            Batch: xs (n, H*W) float32 in [0, 1], labels (n, classes) uint8 one-hot.

        Raises:
            ValueError, TypeError: n isn't a whole number >= 1, or there is no such part.
            RuntimeError: load() hasn't been called.
        """
        self._need_load()
        if part not in self._cursors:
            raise ValueError(f'expected part "train" or "test", received {part!r}')
        rows = self._cursors[part].take(n)
        if part == "test":
            rows = rows + self._num_train
        return Batch(scale(self._sheet.images[rows]), self._sheet.labels[rows])

    def state(self) -> dict[str, Any]:
        """Where both orders are, as plain numbers and text; see set_state."""
        self._need_load()
        return {"version": 1, **{part: c.state() for part, c in self._cursors.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was read: the batches that follow are the same to the bit.

        Raises:
            ValueError: not a state, or that of other sizes; nothing is changed then.
        """
        self._need_load()
        if not isinstance(state, dict) or state.get("version") != 1:
            raise ValueError(f"expected a state that state() gave, received {state!r}")
        before = self.state()
        try:
            for part, cursor in self._cursors.items():
                cursor.set_state(state.get(part, {}))
        except ValueError:
            for part, cursor in self._cursors.items():
                cursor.set_state(before[part])
            raise

    @property
    def train_images(self) -> np.ndarray:
        """(num_train, H*W) uint8, read-only."""
        return self._need_load().images[: self._num_train]

    @property
    def test_images(self) -> np.ndarray:
        """(num_test, H*W) uint8, read-only."""
        return self._need_load().images[self._num_train :]

    @property
    def train_labels(self) -> np.ndarray:
        """(num_train, classes) uint8 one-hot, read-only."""
        return self._need_load().labels[: self._num_train]

    @property
    def test_labels(self) -> np.ndarray:
        """(num_test, classes) uint8 one-hot, read-only."""
        return self._need_load().labels[self._num_train :]

    @property
    def train_x(self) -> ScaledImages:
        """The training images, scaled where they are indexed: (num_train, H, W, 1) float32."""
        return ScaledImages(self.train_images, self.image_shape)

    @property
    def test_x(self) -> ScaledImages:
        """The test images, scaled where they are indexed: (num_test, H, W, 1) float32."""
        return ScaledImages(self.test_images, self.image_shape)

    @property
    def num_train(self) -> int:
        """Images in the training part."""
        self._need_load()
        return self._num_train

    @property
    def num_test(self) -> int:
        """Images in the test part."""
        return len(self._need_load().images) - self._num_train

    @property
    def num_classes(self) -> int:
        """Classes: columns of the labels."""
        return int(self._need_load().labels.shape[1])

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""
        self._need_load()
        return self._class_names

    @property
    def preparation(self) -> dict[str, str] | None:
        """How the sheet was made of pictures, {"fit": …, "invert": …} as of preprocess.sheet_like;
        None: as MNIST was, or unknown. What is trained on it needs its pictures so."""
        self._need_load()
        return self._preparation

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 1), pixels."""
        return self._need_load().image_shape

    def __repr__(self) -> str:
        name = self._source if self._images is None else self._images
        if not self._loaded:
            return f"MnistData({os.fspath(name)!r}), not loaded"
        return f"MnistData({os.fspath(name)!r}): {self.num_train:,} + {self.num_test:,} images"

    def _need_load(self) -> Sheet:
        if not self._loaded:
            raise RuntimeError("the data isn't loaded yet: call load() first")
        return self._sheet

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
