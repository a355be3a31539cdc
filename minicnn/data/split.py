"""The split of a sheet into training and test images."""

import numpy as np

_KNOWN = {65_000: 55_000, 70_000: 60_000}  # MNIST's sheet and Fashion-MNIST's


def train_count(split: str | float | int, num_images: int, from_manifest: int | None = None) -> int:
    """How many of `num_images` images are for training: the first ones; the others are for testing.

    "standard": the manifest's number; else 55,000 of 65,000 (MNIST), 60,000 of 70,000
    (Fashion-MNIST), five sixths of any other number. "tutorial": always five sixths, which moves
    834 training images of MNIST into the test set. A float is the share of training images, an
    int their number.

    Raises:
        ValueError: an unknown name, or no image left for training or for testing.
        TypeError: neither text nor a number.
    """
    check_split(split)
    if isinstance(split, str):
        count = num_images * 5 // 6
        if split == "standard":
            count = from_manifest or _KNOWN.get(num_images, count)
    elif isinstance(split, (int, np.integer)):
        count = int(split)
    else:
        count = int(num_images * float(split))
    if not 0 < count < num_images:
        raise ValueError(
            f"expected a split of {num_images:,} images with at least one in each part, "
            f"received {split!r}: {count:,} for training"
        )
    return count


def check_split(split: str | float | int) -> None:
    """Check `split` before the number of images is known.

    Raises:
        ValueError: an unknown name, a share that is not between 0 and 1, or a number < 1.
        TypeError: neither text nor a number.
    """
    if isinstance(split, str):
        valid = split in ("standard", "tutorial")
    elif isinstance(split, bool) or not isinstance(split, (int, float, np.integer, np.floating)):
        raise TypeError(f"expected split as text or a number, received {split!r}")
    else:
        valid = split >= 1 if isinstance(split, (int, np.integer)) else 0 < split < 1
    if not valid:
        raise ValueError(
            'expected split "standard", "tutorial", a share between 0 and 1, or a number of '
            f"training images >= 1, received {split!r}"
        )
