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
        DataError: C isn't a whole number from 2 to MAX_CLASSES, the file is larger than MAX_BYTES,
            or a row isn't one-hot.
    """
    size = path.stat().st_size
    classes, rest = divmod(size, num_images)
    if rest or not 2 <= classes <= MAX_CLASSES or size > MAX_BYTES:
        raise DataError(
            f"{path}: expected {num_images:,} rows of labels, one byte for each class "
            f"(2 to {MAX_CLASSES} classes; {10 * num_images:,} bytes for 10), received {size:,} "
            "bytes; use the label file that belongs to this sheet"
        )
    labels = np.frombuffer(path.read_bytes(), np.uint8).reshape(num_images, classes)
    wrong = (np.count_nonzero(labels, axis=1) != 1) | (labels.max(axis=1) != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        values = labels[row, :16].tolist()
        shown = str(values) if classes <= 16 else f"{values} and {classes - 16} more"
        raise DataError(
            f"{path}: expected one-hot labels, exactly one 1 in each row and else 0, received "
            f"{shown} in row {row:,} (counted from 0; {int(wrong.sum()):,} such rows)"
        )
    return labels


def one_hot(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Class numbers (N,) integer -> (N, num_classes) uint8 one-hot."""
    return np.eye(num_classes, dtype=np.uint8)[classes]
