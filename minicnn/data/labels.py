"""One-hot labels: N·C bytes, a row of C bytes for each image, exactly one 1 in each row."""

from pathlib import Path

import numpy as np

from ..errors import DataError

MAX_CLASSES = 1000
MAX_BYTES = 1 << 28


def read_labels(path: Path, num_images: int) -> np.ndarray:
    """Read the label file of `num_images` images.

    Returns:
        (num_images, C) uint8, one-hot; C is the file's size divided by num_images.

    Raises:
        DataError: the size doesn't match the number of images, or a row isn't one-hot.
    """
    size = path.stat().st_size
    classes = check_size(size, num_images, str(path))
    data = path.read_bytes()
    if len(data) != size:
        raise DataError(f"{path}: the file changed while it was read; try again")
    labels = np.frombuffer(data, np.uint8).reshape(num_images, classes)
    check_one_hot(labels, str(path))
    return labels


def check_size(size: int, num_images: int, name: str) -> int:
    """The number of classes in `size` bytes of labels for `num_images` images.

    Raises:
        DataError: not a whole number from 2 to MAX_CLASSES, or more than MAX_BYTES.
    """
    classes, rest = divmod(size, num_images)
    if rest or not 2 <= classes <= MAX_CLASSES or size > MAX_BYTES:
        raise DataError(
            f"{name}: expected {num_images:,} rows of labels, one byte for each class "
            f"(2 to {MAX_CLASSES} classes; {10 * num_images:,} bytes for 10), received {size:,} "
            "bytes; use the label file that belongs to this sheet"
        )
    return classes


def check_one_hot(labels: np.ndarray, name: str) -> None:
    """Check that each row of labels (N, C) uint8 is one-hot.

    Raises:
        DataError: names the first row that isn't.
    """
    wrong = (np.count_nonzero(labels, axis=1) != 1) | (labels.max(axis=1) != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{name}: expected one-hot labels, exactly one 1 in each row and else 0, received "
            f"{_short(labels[row])} in row {row:,} (counted from 0; {int(wrong.sum()):,} such rows)"
        )


def one_hot(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Class numbers (N,) integer -> (N, num_classes) uint8 one-hot."""
    labels = np.zeros((len(classes), num_classes), np.uint8)
    labels[np.arange(len(classes)), classes] = 1
    return labels


def _short(row: np.ndarray) -> str:
    values = row[:16].tolist()
    return str(values) if len(row) <= 16 else f"{values} and {len(row) - 16} more"
