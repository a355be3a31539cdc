"""Drawings with their labels, saved in a sprite sheet to train on.

The sheet has the format of data/builder.py: one image per row, in the order of drawing; the last
sixth is the test split. A sheet needs at least two images, one for each split. A single drawing is
stored in the same files, without a manifest.
"""

from __future__ import annotations

import json
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
MAX_DRAWINGS = 10_000
PNG_TEXT = "Drawing"  # key in the PNG of a single drawing: its classes, shape, preparation
SOURCE = "drawn on the page of python -m minicnn.visor"


@dataclass(frozen=True)
class Sheet:
    """Saved drawings: images (N, H·W) uint8, classes (N,), the images' shape (H, W), and how they
    were prepared (pictures.prepare.prepare_picture)."""

    images: Array
    classes: Array
    class_names: tuple[str, ...]
    shape: tuple[int, int]
    preparation: dict[str, str] | None = None


class Drawings:
    """The sheet in a folder, which need not exist yet.

    Args:
        folder: it must hold nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> Sheet | None:
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
            return Sheet(images, labels.argmax(1), data.class_names, shape, data.preparation)
        if image_path.exists() and label_path.exists():
            return self._load_single(image_path, label_path)
        if self.folder.exists() and any(not p.name.startswith(".") for p in self.folder.iterdir()):
            raise DataError(
                f"expected {self.folder} to hold drawings or nothing, but it holds other files; "
                "choose another folder with --drawings"
            )
        return None

    def add(
        self,
        image: Array,
        label: int,
        class_names: Sequence[str],
        preparation: dict[str, str] | None = None,
    ) -> Sheet:
        """Add a drawing.

        Args:
            image: (H, W) uint8.
            label: its class.
            preparation: how it was prepared; see pictures.prepare.prepare_picture.

        Raises:
            DataError: the sheet there is damaged, full, or has other classes, another size or
                another preparation.
            OSError: it can't be written.
        """
        with self._locked():
            before, row = self.load(), image.reshape(1, -1)
            if before is None:
                classes, names = np.array([label]), tuple(class_names)
                after = Sheet(row, classes, names, image.shape, preparation)
            else:
                self._check(before, image.shape, class_names, preparation)
                images = np.concatenate([before.images, row])
                after = replace(before, images=images, classes=np.append(before.classes, label))
            self._write(after)
            return after

    def remove_last(self) -> Sheet | None:
        """Remove the last drawing; returns the others.

        Raises:
            DataError: there is none, or the sheet is damaged.
            OSError: it can't be written.
        """
        with self._locked():
            before = self.load()
            if before is None:
                raise DataError("expected a drawing to remove, but there is none")
            if len(before.images) == 1:
                for path in reversed(sheet_paths(self.folder, NAME)):
                    path.unlink(missing_ok=True)
                return None
            after = replace(before, images=before.images[:-1], classes=before.classes[:-1])
            self._write(after)
            return after

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, even if two threads or visors use the same folder."""
        import filelock

        self.folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.folder / ".lock", timeout=5):
            yield

    def _write(self, sheet: Sheet) -> None:
        count = len(sheet.images)
        if count > 1:
            write_sheet(
                self.folder,
                NAME,
                sheet.images,
                sheet.classes,
                class_names=sheet.class_names,
                num_train=max(count * 5 // 6, 1),
                image_shape=sheet.shape,
                source=SOURCE,
                built=sheet.preparation or {},
                force=True,
            )
            return
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        text = {
            "classes": sheet.class_names,
            "shape": sheet.shape,
            "preparation": sheet.preparation,
        }
        info.add_text(PNG_TEXT, json.dumps(text))
        image_path, label_path, manifest_path = sheet_paths(self.folder, NAME)
        manifest_path.unlink(missing_ok=True)
        with atomic_path(image_path) as images, atomic_path(label_path) as labels:
            Image.fromarray(sheet.images).save(images, "PNG", pnginfo=info)
            labels.write_bytes(one_hot(sheet.classes, len(sheet.class_names)).tobytes())

    @staticmethod
    def _load_single(image_path: Path, label_path: Path) -> Sheet:
        """A single drawing, without a manifest."""
        from PIL import Image

        try:
            with Image.open(image_path, formats=["PNG"]) as image:
                text = json.loads(image.info[PNG_TEXT])
                names, (height, width) = tuple(map(str, text["classes"])), text["shape"]
                preparation = text.get("preparation")
                pixels = np.asarray(image)
            labels = np.frombuffer(label_path.read_bytes(), np.uint8)
            if pixels.shape != (1, height * width) or pixels.dtype != np.uint8:
                raise ValueError(f"{pixels.shape} pixels")
            if labels.shape != (len(names),):
                raise ValueError(f"{labels.shape} labels")
        except (OSError, ValueError, SyntaxError, LookupError, TypeError, RecursionError) as error:
            raise DataError(f"{image_path}: expected one drawing, received {error}") from error
        return Sheet(pixels, np.array([labels.argmax()]), names, (height, width), preparation)

    @staticmethod
    def _check(
        before: Sheet,
        shape: tuple[int, ...],
        class_names: Sequence[str],
        preparation: dict[str, str] | None,
    ) -> None:
        if before.preparation != preparation:
            raise DataError(
                "expected a drawing prepared like the saved ones, received one for a network that "
                "was trained on other pictures; choose another folder with --drawings"
            )
        if before.class_names != tuple(class_names) or before.shape != shape:
            (H, W), (height, width) = before.shape, shape
            raise DataError(
                f"expected drawings of {H}×{W} pixels in the classes "
                f"{', '.join(before.class_names)}, like the saved ones, received one of "
                f"{height}×{width} in {', '.join(class_names)}; choose another folder with "
                "--drawings"
            )
        if len(before.images) >= MAX_DRAWINGS:
            raise DataError(
                f"expected at most {MAX_DRAWINGS:,} drawings; choose another folder with --drawings"
            )
