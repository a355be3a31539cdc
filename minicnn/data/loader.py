"""Load a sheet: files in, checked arrays out."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from .cache import decoded, sha256_of
from .labels import read_labels
from .locate import SheetFiles
from .png import read_header
from .sheet import decode_sheet, resolve_shape


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
    if image_shape is None and files.manifest is not None:
        image_shape = files.manifest.image_shape
    try:
        header = read_header(files.images)
        shape = resolve_shape(header.width, image_shape, str(files.images))
        labels = read_labels(files.labels, header.height)
        sha256 = sha256_of(files.images)
        _check_manifest(files, sha256, labels)
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


def _check_manifest(files: SheetFiles, sha256: str, labels: np.ndarray) -> None:
    """Check the files against the manifest, if there is one; sha256: of the sheet."""
    manifest, path = files.manifest, files.manifest_path
    if manifest is None or path is None:
        return
    for file, record, received in (
        (files.images, manifest.images, sha256),
        (files.labels, manifest.labels, sha256_of(files.labels)),
    ):
        if received != record.sha256:
            raise DataError(
                f"{file}: expected the file that {path.name} describes (SHA-256 "
                f"{record.sha256[:16]}…), received {received[:16]}…; the sheet was changed or "
                "damaged: build it again, or delete the manifest: it is optional"
            )
    if (manifest.num_images, len(manifest.class_names)) != labels.shape:
        raise DataError(
            f"{path}: expected {labels.shape[0]:,} images of {labels.shape[1]} classes as in the "
            f"sheet, received {manifest.num_images:,} of {len(manifest.class_names)}; build the "
            "sheet again, or delete the manifest: it is optional"
        )
