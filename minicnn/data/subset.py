"""Draw a smaller sheet from a larger one, with the same share of each class."""

import os
from pathlib import Path

import numpy as np

from .builder import check_target, write_sheet
from .cache import sha256_of
from .mnist import MnistData


def subset(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    train: int,
    test: int,
    seed: int = 0,
    name: str = "subset",
    source: str | None = None,
    force: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw a smaller sheet from the one in `folder`: training images from its training images, test
    images from its test images, with the same share of each class.

    Returns:
        The new manifest's path.

    Raises:
        DataError: the sheet in `folder` is damaged, or the new one exists (without force).
        ValueError: `train` or `test` is more than there are.
    """
    check_target(Path(out), name, force)
    data = MnistData(Path(folder), cache_dir=cache_dir).load()
    images, manifest = data.files.images, data.files.manifest
    train_classes, test_classes = data.train_labels.argmax(axis=1), data.test_labels.argmax(axis=1)
    seeds = np.random.SeedSequence(seed).spawn(2)
    train_rows = draw_balanced(train_classes, train, seeds[0])
    test_rows = draw_balanced(test_classes, test, seeds[1])
    return write_sheet(
        out,
        name,
        np.concatenate([data.train_images[train_rows], data.test_images[test_rows]]),
        np.concatenate([train_classes[train_rows], test_classes[test_rows]]),
        class_names=data.class_names,
        num_train=train,
        image_shape=data.image_shape,
        source=source or (manifest and manifest.source) or images.name,
        built={
            "by": "minicnn.sprite subset",
            **(data.preparation or {}),
            "seed": seed,
            "from_train_images": data.num_train,
            "from_test_images": data.num_test,
            "from_sha256": sha256_of(images),
        },
        force=force,
    )


def draw_balanced(classes: np.ndarray, n: int, seed: np.random.SeedSequence) -> np.ndarray:
    """n different indices into `classes` (N,), shuffled, with the same share of each class.

    Raises:
        ValueError: n isn't from 1 to N.
    """
    if not 1 <= n <= len(classes):
        raise ValueError(f"expected 1 to {len(classes):,} images of this part, received {n:,}")
    rng = np.random.Generator(np.random.PCG64(seed))
    wanted = largest_remainder(np.bincount(classes), n)
    rows = [
        rng.choice(np.flatnonzero(classes == number), size=k, replace=False)
        for number, k in enumerate(wanted)
    ]
    return rng.permutation(np.concatenate(rows))


def largest_remainder(counts: np.ndarray, n: int) -> np.ndarray:
    """Distribute n seats in proportion to `counts` (C,), by the largest-remainder method.

    Returns:
        (C,) int with sum n; none is more than its count if n <= counts.sum(). Of equal remainders,
        the first class gets the seat.
    """
    seats, remainders = np.divmod(counts.astype(np.int64) * n, int(counts.sum()))
    order = np.argsort(-remainders, kind="stable")
    seats[order[: n - int(seats.sum())]] += 1
    return seats
