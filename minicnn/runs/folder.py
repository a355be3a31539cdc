"""The folder itself: its name, its files, and that only one run writes into it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic_file import is_leftover, remove_leftovers
from ..errors import RunWarning

MODEL, HISTORY_CSV, HISTORY_PNG = "model.safetensors", "history.csv", "history.png"
CONFUSION, MISTAKES, FILTERS = "confusion.png", "mistakes.png", "filters.png"
LAYERS, CHECKPOINTS, RUN = "layers.json", "checkpoints", "run.json"
LIVE = "live.jsonl"
TENSORBOARD, REPORT = "tensorboard", "report.html"

CONTENTS = {
    MODEL: "the trained network: Sequential.load(…)",
    HISTORY_CSV: "loss and accuracy, a row an epoch",
    HISTORY_PNG: "the same as curves",
    CONFUSION: "which class was taken for which; accuracy of each class",
    MISTAKES: "the misread images of which it was most sure",
    FILTERS: "what the first convolution looks for",
    LAYERS: "weights, gradients and activations of every layer, epoch by epoch",
    LIVE: "all that happened, line by line: the visor reads it",
    CHECKPOINTS: "what --resume goes on from",
    TENSORBOARD: "tensorboard --logdir …",
    RUN: "options, versions, machine, results",
}

_LOCK = ".lock"


def new_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Make parent/<time>-name; where another run made it first, with -2, -3, … behind.

    Raises:
        OSError: it cannot be made.
    """
    stem = f"{time.strftime('%Y-%m-%d_%H%M%S')}-{name}"
    number = 1
    while True:
        folder = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def given_folder(folder: Path) -> Path:
    """Make `folder`, or take it if it is empty: two runs never share one.

    What a run left that was killed before it wrote a file, does not count.

    Raises:
        FileExistsError: something is in it.
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file" if folder.is_file() else f"the error {error.strerror!r}"
        raise OSError(
            f"{folder}: expected a folder, or a place for one, received {reason}; name another "
            "folder"
        ) from error
    if any(path.name != _LOCK and not is_leftover(path) for path in folder.iterdir()):
        resume = f"go on with its run (python -m minicnn.train --resume {folder}), or "
        hint = resume if (folder / RUN).exists() else ""
        raise FileExistsError(
            f"expected a new or empty folder, but {folder} holds files; {hint}name another one"
        )
    return folder


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`; however this process ends, the system lets them in again.

    Removes what a run that was killed while writing a file has left there. Where the file system
    has no locks nobody is kept out, as a RunWarning says, and nothing is removed: it might be
    what another run is just writing.

    Raises:
        FileExistsError: another run is writing there.
        OSError: nothing can be written there.
    """
    import filelock

    lock = filelock.FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FileExistsError(
            f"another run is writing into {folder}; wait for it, or name another folder"
        ) from None
    except NotImplementedError:  # it is how filelock says that the file system has no locks
        warnings.warn(
            f"{folder} is on a file system without locks: see to it that no other run writes there",
            RunWarning,
            stacklevel=3,
        )
        yield
        return
    try:
        remove_leftovers(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / _LOCK).unlink()
        lock.release()


def remove_if_barren(folder: Path) -> None:
    """Leave no folder behind for a run that came to nothing: no model, no checkpoint, no epoch."""
    with suppress(OSError):
        found = {path.name for path in folder.iterdir()}
        if not found <= {RUN, HISTORY_CSV, LIVE, CHECKPOINTS} or any(
            (folder / CHECKPOINTS).glob("*")
        ):
            return
        if HISTORY_CSV in found and (folder / HISTORY_CSV).stat().st_size:
            return
        for name in found - {CHECKPOINTS}:
            (folder / name).unlink()
        if CHECKPOINTS in found:
            (folder / CHECKPOINTS).rmdir()
        folder.rmdir()
