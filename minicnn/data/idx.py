"""IDX files, the original format of MNIST -> a sprite sheet."""

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from .builder import check_target, write_sheet
from .png import MAX_PIXELS


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes with `ndim` dimensions; a `.gz` file is decompressed.

    Reads at most the number of bytes in the header, which is limited to MAX_PIXELS.

    Returns:
        uint8 array of the shape in the header.

    Raises:
        DataError: not an IDX file, truncated, damaged or too long.
    """
    try:
        with open(path, "rb") as file:
            if path.suffix != ".gz":
                return _read(file, path, ndim)
            with gzip.open(file) as unpacked:
                return _read(unpacked, path, ndim)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip file is truncated or damaged ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error


def build_from_idx(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str = "idx",
    class_names: Sequence[str] | None = None,
    source: str | None = None,
    force: bool = False,
) -> Path:
    """Build a sheet from train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-… in `folder`,
    each plain or .gz. The order of the images is kept; the t10k files are the test set.

    Returns:
        The manifest's path.

    Raises:
        DataError: a file is missing, damaged, or doesn't match the others; the sheet exists.
        ValueError: too few class_names.
    """
    folder, target = Path(folder), Path(out)
    check_target(target, name, force)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder with IDX files")
    train, train_labels = _pair(folder, "train")
    test, test_labels = _pair(folder, "t10k")
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{folder}: expected images of one size, received {train.shape[1:]} for training and "
            f"{test.shape[1:]} for testing"
        )
    labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
    names = class_names or [str(number) for number in range(max(2, int(labels.max()) + 1))]
    if len(names) <= labels.max():
        raise ValueError(f"expected {labels.max() + 1} class names or more, received {len(names)}")
    return write_sheet(
        target,
        name,
        np.concatenate([train, test]).reshape(len(labels), -1),
        labels,
        class_names=names,
        num_train=len(train),
        image_shape=train.shape[1:],
        source=source or "IDX files",
        built={"by": "minicnn.sprite idx"},
        force=force,
    )


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """images (N, H, W) and labels (N,), uint8, of "train" or "t10k"."""
    image_path, label_path = _find(folder, part, "images", 3), _find(folder, part, "labels", 1)
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{label_path}: expected {len(images):,} labels, one for each image of "
            f"{image_path.name}, received {len(labels):,}"
        )
    return images, labels


def _find(folder: Path, part: str, what: str, ndim: int) -> Path:
    for dot in ("-", "."):  # some unpackers write train-images.idx3-ubyte
        for suffix in ("", ".gz"):
            path = folder / f"{part}-{what}{dot}idx{ndim}-ubyte{suffix}"
            if path.is_file():
                return path
    raise DataError(f"{folder}: expected a file {part}-{what}-idx{ndim}-ubyte, plain or .gz")


def _read(file: BinaryIO | gzip.GzipFile, path: Path, ndim: int) -> np.ndarray:
    head = file.read(4 + 4 * ndim)
    if head[:4] != bytes([0, 0, 8, ndim]) or len(head) < 4 + 4 * ndim:
        raise DataError(
            f"{path}: expected an IDX file of bytes with {ndim} dimensions (it starts with "
            f"{bytes([0, 0, 8, ndim])!r}), received a file that starts with {head[:4]!r}"
        )
    shape = [int.from_bytes(head[i : i + 4], "big") for i in range(4, len(head), 4)]
    size = math.prod(shape)
    if not 0 < size <= MAX_PIXELS:
        raise DataError(f"{path}: expected 1 to {MAX_PIXELS:,} values, received {shape}")
    data = _read_up_to(file, size + 1)
    if len(data) != size:
        came = "more" if len(data) > size else f"{len(data):,}"
        raise DataError(f"{path}: expected {size:,} bytes for {shape}, received {came}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_up_to(file: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Read in blocks: memory grows with the file, not with the size in its header."""
    data = bytearray()
    while len(data) < size and (block := file.read(min(size - len(data), 1 << 20))):
        data += block
    return data
