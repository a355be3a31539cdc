"""A folder of pictures, one subfolder a class -> a sprite sheet."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from .builder import check_target, write_sheet
from .picture import FITS, SUFFIXES, Unreadable, read_picture
from .png import MAX_PIXELS
from .subset import largest_remainder

INVERT = ("auto", "each", "yes", "no")


class Entry(NamedTuple):
    """One picture file: its class number, and "train" or "test" if the folder has them."""

    path: Path
    label: int
    part: str | None


class Report(NamedTuple):
    """The result of a build; skipped: (file, reason)."""

    manifest: Path
    skipped: list[tuple[Path, str]]
    inverted: int
    num_images: int


def scan(folder: Path) -> tuple[list[str], list[Entry]]:
    """Find the class folders and their pictures, in an order that doesn't depend on the disk.

    The classes are the names of the subfolders, sorted. If the only subfolders are "train" and
    "test", the classes are their subfolders. Hidden files and files without a picture's suffix are
    skipped. Folders in a class folder belong to that class; links to folders aren't followed.

    Raises:
        DataError: no such folder, or fewer than two classes.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of pictures, one subfolder a class")
    tops = _folders(folder)
    found: list[tuple[str | None, Path]]
    if {top.name for top in tops} == {"train", "test"}:
        found = [(top.name, child) for top in tops for child in _folders(top)]
    else:
        found = [(None, top) for top in tops]
    names = sorted({child.name for _, child in found})
    if len(names) < 2:
        raise DataError(
            f"{folder}: expected at least two subfolders of pictures, one for each class, found "
            f"{len(names)}"
        )
    entries = [
        Entry(path, names.index(child.name), part)
        for part, child in found
        for path in _pictures(child)
    ]
    return names, entries


def build_from_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    size: tuple[int, int] = (28, 28),
    fit: str = "pad",
    invert: str = "auto",
    test: float = 1 / 6,
    seed: int = 0,
    on_error: str = "skip",
    source: str | None = None,
    force: bool = False,
    track: Callable[[list[Entry]], Iterable[Entry]] = iter,
) -> Report:
    """Build a sheet, its labels and its manifest from a folder with one subfolder for each class.

    Args:
        out: folder to write to. name: of the sheet; None: the name of the folder.
        size: (H, W) of an image, pixels.
        fit: "pad" or "stretch"; see read_picture.
        invert: the images should be bright on dark, like MNIST. "auto" inverts all pictures if
            most have a light border, "each" decides for each picture; "yes" or "no" for all.
        test: share of each class in the test set; at least one image of each class is in the
            training set and in the test set. Ignored if the folder has train/ and test/.
        seed: of the shuffling.
        on_error: "skip" leaves unreadable pictures out and reports them; "fail" stops.
        track: wraps the list of files, for a progress bar.

    Raises:
        DataError: see scan; unreadable pictures; too few pictures in a class; the sheet exists.
        ValueError: an invalid option.
    """
    folder, target = Path(folder), Path(out)
    name = name or folder.resolve().name
    _check_options(size, fit, invert, test, on_error)
    check_target(target, name, force)
    _check_outside(folder, target)
    names, entries = scan(folder)
    images, kept, borders, skipped = _read_all(entries, size, fit, on_error, track)
    labels = np.array([entry.label for entry in kept], np.int64)
    _check_classes(folder, names, labels)
    inverted = _inverted(invert, borders)
    images[inverted] = 255 - images[inverted]
    count = int(inverted.sum())
    order, num_train = _arrange(folder, names, kept, labels, test, seed)
    manifest = write_sheet(
        target,
        name,
        images[order],
        labels[order],
        class_names=names,
        num_train=num_train,
        image_shape=size,
        source=source or folder.resolve().name,
        built={"by": "minicnn.sprite build", "fit": fit, "invert": invert, "inverted": count}
        | {"seed": seed, "skipped": len(skipped), "test": None if kept[0].part else test},
        force=force,
    )
    return Report(manifest, skipped, count, len(images))


def _check_outside(folder: Path, target: Path) -> None:
    if folder.resolve() in target.resolve().parents:
        raise DataError(
            f"{target}: expected a folder outside {folder}: inside, it would be one of the classes"
        )


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    found = []
    for root, below, files in os.walk(folder):  # follows no links: they could form a loop
        below[:] = [name for name in below if not name.startswith(".")]
        found += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def _read_all(
    entries: list[Entry],
    size: tuple[int, int],
    fit: str,
    on_error: str,
    track: Callable[[list[Entry]], Iterable[Entry]],
) -> tuple[np.ndarray, list[Entry], np.ndarray, list[tuple[Path, str]]]:
    """images (N, H*W) uint8, their entries, the brightness of their borders (N,), skipped files."""
    if len(entries) * size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"expected at most {MAX_PIXELS:,} pixels in a sheet, received {len(entries):,} "
            f"pictures of {size[0]}×{size[1]}; use fewer or smaller ones"
        )
    images = np.empty((len(entries), size[0] * size[1]), np.uint8)
    kept: list[Entry] = []
    borders: list[float] = []
    skipped: list[tuple[Path, str]] = []
    for entry in track(entries):
        try:
            picture = read_picture(entry.path, size, fit)
        except Unreadable as error:
            if on_error == "fail":
                raise DataError(f"{entry.path}: can't be read as a picture: {error}") from error
            skipped.append((entry.path, str(error)))
            continue
        images[len(kept)] = picture.pixels.reshape(-1)
        kept.append(entry)
        borders.append(picture.border)
    return images[: len(kept)], kept, np.array(borders), skipped


def _check_classes(folder: Path, names: list[str], labels: np.ndarray) -> None:
    counts = np.bincount(labels, minlength=len(names))
    if counts.min() < 2:
        name = names[int(counts.argmin())]
        raise DataError(
            f"{folder}: expected at least two readable pictures of each class, one for training "
            f"and one for testing, received {int(counts.min())} of {name!r}"
        )


def _inverted(invert: str, borders: np.ndarray) -> np.ndarray:
    """Which images to invert, (N,) bool."""
    if invert == "each":
        return borders > 127
    every = invert == "yes" or (invert == "auto" and bool(np.median(borders) > 127))
    return np.full(len(borders), every)


def _arrange(
    folder: Path, names: list[str], kept: list[Entry], labels: np.ndarray, test: float, seed: int
) -> tuple[np.ndarray, int]:
    """The shuffled order of the rows, training images first; and their number."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(kept))
    if kept[0].part:
        in_test = np.array([entry.part == "test" for entry in kept])[order]
        if in_test.all() or not in_test.any():
            raise DataError(f"{folder}: expected readable pictures in both train/ and test/")
    else:
        counts = np.bincount(labels, minlength=len(names))
        share = largest_remainder(counts, round(test * len(kept)))
        share = np.clip(share, 1, counts - 1)
        in_test = np.zeros(len(kept), bool)
        for label, n in enumerate(share):
            in_test[np.flatnonzero(labels[order] == label)[-n:]] = True
    return np.concatenate([order[~in_test], order[in_test]]), int((~in_test).sum())


def _check_options(
    size: tuple[int, int], fit: str, invert: str, test: float, on_error: str
) -> None:
    if len(size) != 2 or min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"expected a size (H, W) in pixels, received {size}")
    for value, known, what in (
        (fit, FITS, "fit"),
        (invert, INVERT, "invert"),
        (on_error, ("skip", "fail"), "on_error"),
    ):
        if value not in known:
            raise ValueError(f"expected {what} {', '.join(known)}, received {value!r}")
    if not 0 < test < 1:
        raise ValueError(f"expected a test share between 0 and 1, received {test}")
