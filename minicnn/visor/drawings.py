"""Drawings with their labels, kept in a sprite sheet of the user's own, to train on.

The sheet is like every other (see data/builder.py): an image a row, in the order in which they were
drawn; the last sixth is the test part. A sheet needs two images at least, one for each part; the
first drawing waits for the second in the sheet's own files, without their manifest.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..atomic_file import atomic_path
from ..data import MnistData
from ..data.builder import sheet_paths, write_sheet
from ..data.labels import one_hot
from ..errors import DataError
from ..typing import Array

NAME = "drawings"
MOST = 10_000
TOLD = "Drawing"  # the text in the first drawing's PNG: its classes, shape, …
SOURCE = "drawn on the page of python -m minicnn.visor"


@dataclass(frozen=True)
class Kept:
    """What a folder holds: images (N, H·W) uint8, classes (N,), the images' shape (H, W), and how
    they were made of drawings (preprocess.made_ready)."""

    images: Array
    classes: Array
    class_names: tuple[str, ...]
    shape: tuple[int, int]
    preparation: dict[str, str] | None = None


class Drawings:
    """The sheet in a folder, which need not exist yet.

    Args:
        folder: for this sheet alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def kept(self) -> Kept | None:
        """All drawings; None if there are none.

        Raises:
            DataError: the folder holds something else, or a damaged sheet.
            OSError: it can't be read.
        """
        image_path, label_path, manifest_path = sheet_paths(self.folder, NAME)
        if manifest_path.exists():
            data = MnistData(self.folder, progress=False).load()
            images = np.concatenate([data.train_images, data.test_images])
            labels = np.concatenate([data.train_labels, data.test_labels])
            shape = data.image_shape[:2]
            return Kept(images, labels.argmax(1), data.class_names, shape, data.preparation)
        if image_path.exists() and label_path.exists():
            return self._first(image_path, label_path)
        if self.folder.exists() and any(not p.name.startswith(".") for p in self.folder.iterdir()):
            raise DataError(
                f"expected {self.folder} to hold drawings or nothing, but it holds other files; "
                "name another folder: --drawings"
            )
        return None

    def keep(
        self,
        image: Array,
        label: int,
        class_names: Sequence[str],
        preparation: dict[str, str] | None = None,
    ) -> Kept:
        """Add a drawing.

        Args:
            image: (H, W) uint8.
            label: its class.
            preparation: how it was made of the drawing; see preprocess.made_ready.

        Raises:
            DataError: the sheet there is damaged, full, or has other classes, another size or
                another preparation.
            OSError: it can't be written.
        """
        with self._alone():
            before, row = self.kept(), image.reshape(1, -1)
            if before is None:
                classes, names = np.array([label]), tuple(class_names)
                after = Kept(row, classes, names, image.shape, preparation)
            else:
                self._check(before, image.shape, class_names, preparation)
                images = np.concatenate([before.images, row])
                after = replace(before, images=images, classes=np.append(before.classes, label))
            self._write(after)
            return after

    def take_back(self) -> Kept | None:
        """Remove the last drawing; what is left.

        Raises:
            DataError: there is none, or the sheet is damaged.
            OSError: it can't be written.
        """
        with self._alone():
            before = self.kept()
            if before is None:
                raise DataError("expected a drawing to take back, but none is kept")
            if len(before.images) == 1:
                for path in reversed(sheet_paths(self.folder, NAME)):
                    path.unlink(missing_ok=True)
                return None
            after = replace(before, images=before.images[:-1], classes=before.classes[:-1])
            self._write(after)
            return after

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One change at a time, also where two visors have the same folder."""
        import filelock

        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock, filelock.FileLock(self.folder / ".lock", timeout=5):
            yield

    def _write(self, kept: Kept) -> None:
        count = len(kept.images)
        if count > 1:
            write_sheet(
                self.folder,
                NAME,
                kept.images,
                kept.classes,
                class_names=kept.class_names,
                num_train=max(count * 5 // 6, 1),
                image_shape=kept.shape,
                source=SOURCE,
                built=kept.preparation or {},
                force=True,
            )
            return
        from PIL import Image

        image_path, label_path, manifest_path = sheet_paths(self.folder, NAME)
        manifest_path.unlink(missing_ok=True)
        with atomic_path(image_path) as images, atomic_path(label_path) as labels:
            Image.fromarray(kept.images).save(images, "PNG", pnginfo=_in_png(kept))
            labels.write_bytes(one_hot(kept.classes, len(kept.class_names)).tobytes())

    @staticmethod
    def _first(image_path: Path, label_path: Path) -> Kept:
        """The one drawing that has no manifest yet."""
        from PIL import Image

        try:
            with Image.open(image_path, formats=["PNG"]) as image:
                told = json.loads(image.info[TOLD])
                names, (height, width) = tuple(map(str, told["classes"])), told["shape"]
                preparation = told.get("preparation")
                pixels = np.asarray(image)
            labels = np.frombuffer(label_path.read_bytes(), np.uint8)
            if pixels.shape != (1, height * width) or pixels.dtype != np.uint8:
                raise ValueError(f"{pixels.shape} pixels")
            if labels.shape != (len(names),):
                raise ValueError(f"{labels.shape} labels")
        except (OSError, ValueError, SyntaxError, LookupError, TypeError, RecursionError) as error:
            raise DataError(f"{image_path}: expected one drawing, received {error}") from error
        return Kept(pixels, np.array([labels.argmax()]), names, (height, width), preparation)

    @staticmethod
    def _check(
        before: Kept,
        shape: tuple[int, ...],
        class_names: Sequence[str],
        preparation: dict[str, str] | None,
    ) -> None:
        if before.preparation != preparation:
            raise DataError(
                "expected a drawing made ready as those are that are kept there, received one for "
                "a network that was trained on other pictures; name another folder: --drawings"
            )
        if before.class_names != tuple(class_names) or before.shape != shape:
            (H, W), (height, width) = before.shape, shape
            raise DataError(
                f"expected drawings of {H}×{W} pixels in the classes "
                f"{', '.join(before.class_names)}, as they are kept there, received one of "
                f"{height}×{width} in {', '.join(class_names)}; name another folder: --drawings"
            )
        if len(before.images) >= MOST:
            raise DataError(f"expected at most {MOST:,} drawings; name another folder: --drawings")


def _in_png(kept: Kept):  # type: ignore[no-untyped-def]
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    told = {"classes": kept.class_names, "shape": kept.shape, "preparation": kept.preparation}
    info.add_text(TOLD, json.dumps(told))
    return info
