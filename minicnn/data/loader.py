"""Load a sheet: files in, checked arrays out."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from .cache import decoded, sha256_of
from .labels import check_size, read_labels
from .locate import SheetFiles
from .manifest import Manifest, check_file
from .sheet import decode_sheet, inspect_sheet, resolve_shape


class Sheet(NamedTuple):
    """images (N, H*W) uint8, labels (N, C) uint8 one-hot, image_shape (H, W, 1)."""

    images: np.ndarray
    labels: np.ndarray
    image_shape: tuple[int, int, int]


def load_sheet(
    files: SheetFiles, cache_folder: Path, image_shape: Sequence[int] | None = None
) -> Sheet:
    """Read, check and decode a sheet and its labels; small files are checked first.

    Raises:
        DataError: a file is missing, damaged or hostile, or they don't match.
    """
    manifest = files.manifest
    if image_shape is None and manifest is not None:
        image_shape = manifest.image_shape
    header = inspect_sheet(files.images)
    shape = resolve_shape(header.width, image_shape, str(files.images))
    try:
        check_size(files.labels.stat().st_size, header.height, str(files.labels))
        labels = read_labels(files.labels, header.height)
        sha256 = sha256_of(files.images)
        if manifest is not None and files.manifest_path is not None:
            _check_manifest(manifest, files.manifest_path, files, sha256, labels)
        images = decoded(
            cache_folder / "decoded",
            sha256,
            (header.height, header.width),
            lambda: decode_sheet(files.images, header),
        )
    except OSError as error:
        raise DataError(
            f"{error.filename or files.images}: can't be read: {error.strerror or error}"
        ) from error
    return Sheet(images, labels, shape)


def _check_manifest(
    manifest: Manifest, path: Path, files: SheetFiles, sha256: str, labels: np.ndarray
) -> None:
    check_file(manifest.images, files.images, sha256, path)
    check_file(manifest.labels, files.labels, sha256_of(files.labels), path)
    if (manifest.num_images, len(manifest.class_names)) != labels.shape:
        raise DataError(
            f"{path}: expected {labels.shape[0]:,} images of {labels.shape[1]} classes as in the "
            f"sheet, received {manifest.num_images:,} of {len(manifest.class_names)}; build the "
            "sheet again, or delete the manifest: it is optional"
        )
