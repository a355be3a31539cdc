"""Writing a sheet, its labels and its manifest."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from ..atomic_file import atomic_path
from ..errors import DataError
from .labels import MAX_CLASSES, one_hot
from .manifest import FileRecord, Manifest
from .png import MAX_PIXELS
from .split import train_count


def sheet_paths(out: Path, name: str) -> tuple[Path, Path, Path]:
    """The paths of the sheet `name`: images, labels, manifest."""
    return out / f"{name}_images.png", out / f"{name}_labels_uint8", out / f"{name}.json"


def check_target(out: Path, name: str, force: bool) -> None:
    """Check that a sheet can be written, before the images are read.

    Raises:
        DataError: the sheet exists and `force` is off, or `out` is a file.
        ValueError: `name` isn't a plain file name.
    """
    if not name or name != Path(name).name or name.startswith("."):
        raise ValueError(f"expected a plain name for the sheet, received {name!r}")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: expected a folder to write to, received a file")
    existing = [path for path in sheet_paths(out, name) if path.exists()]
    if existing and not force:
        raise DataError(f"{existing[0]} already exists: choose another name, or use --force")


def write_sheet(
    out: str | os.PathLike[str],
    name: str,
    images: np.ndarray,
    classes: np.ndarray,
    *,
    class_names: Sequence[str],
    num_train: int,
    image_shape: Sequence[int],
    source: str,
    built: Mapping[str, object],
    force: bool = False,
) -> Path:
    """Write `<name>_images.png`, `<name>_labels_uint8` and `<name>.json` into the folder `out`.

    The same arguments give the same bytes. The manifest is written last, so its sheet is complete.

    Args:
        images: (N, H*W) uint8; the first num_train rows are for training.
        classes: (N,) class numbers, 0 to len(class_names) - 1.
        class_names: 2 to 1,000 different names.
        image_shape: (H, W) or (H, W, 1), pixels.
        source: where the images come from, as text.
        built: the options of the build; JSON values.

    Returns:
        The manifest's path.

    Raises:
        DataError: the sheet exists (without force), or is larger than the loader accepts.
        ValueError: the arguments don't match.
        OSError: the folder can't be written, the disk is full.
    """
    folder = Path(out)
    check_target(folder, name, force)
    _check(images, classes, class_names, num_train, image_shape)
    image_path, label_path, manifest_path = sheet_paths(folder, name)
    with ExitStack() as stack:  # write all files, then rename them, the manifest last
        manifest_temporary = stack.enter_context(atomic_path(manifest_path))
        label_temporary = stack.enter_context(atomic_path(label_path))
        image_temporary = stack.enter_context(atomic_path(image_path))
        rows = np.ascontiguousarray(images)
        Image.fromarray(rows).save(image_temporary, "PNG", optimize=True)
        label_temporary.write_bytes(one_hot(classes, len(class_names)).tobytes())
        Manifest(
            num_images=len(images),
            num_train=num_train,
            image_shape=(int(image_shape[0]), int(image_shape[1]), 1),
            class_names=tuple(class_names),
            train_counts=_counts(classes[:num_train], len(class_names)),
            test_counts=_counts(classes[num_train:], len(class_names)),
            images=FileRecord.of(image_temporary, image_path.name),
            labels=FileRecord.of(label_temporary, label_path.name),
            source=source,
            built=dict(built),
        ).write(manifest_temporary)
    return manifest_path


def _counts(classes: np.ndarray, num_classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(classes, minlength=num_classes).tolist())


def _check(
    images: np.ndarray,
    classes: np.ndarray,
    class_names: Sequence[str],
    num_train: int,
    image_shape: Sequence[int],
) -> None:
    shape = (len(classes), int(np.prod(image_shape)))
    if images.dtype != np.uint8 or images.shape != shape:
        raise ValueError(f"expected uint8 images {shape}, received {images.dtype} {images.shape}")
    if images.size > MAX_PIXELS:
        raise DataError(
            f"expected a sheet of at most {MAX_PIXELS:,} pixels, received {images.size:,}; "
            "use fewer or smaller images"
        )
    if not 2 <= len(class_names) <= MAX_CLASSES or len(set(class_names)) != len(class_names):
        raise ValueError(f"expected 2 to {MAX_CLASSES} different class names")
    if classes.min() < 0 or classes.max() >= len(class_names):
        raise ValueError(f"expected class numbers from 0 to {len(class_names) - 1}")
    train_count(num_train, len(images))
