"""The folder itself: its name, its files, and the lock that only one run can hold."""

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
    CONFUSION: "which class was confused with which; accuracy of each class",
    MISTAKES: "the most confident mistakes",
    FILTERS: "the weights of the first convolution",
    LAYERS: "weights, gradients and activations of every layer, epoch by epoch",
    LIVE: "the events of the run, a line each, for the visor",
    CHECKPOINTS: "what --resume continues from",
    TENSORBOARD: "tensorboard --logdir …",
    RUN: "options, versions, machine, results",
}

_LOCK = ".lock"


def new_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Create parent/<time>-name; if another run created it first, with -2, -3, … appended.

    Raises:
        OSError: it cannot be created.
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
    """Create `folder`, or use it if it is empty: two runs never share one.

    The lock and the temporary files of a killed run do not count.

    Raises:
        FileExistsError: it holds files.
        OSError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file" if folder.is_file() else f"the error {error.strerror!r}"
        raise OSError(
            f"{folder}: expected a folder, or a path where one can be created, received {reason}; "
            "name another folder"
        ) from error
    if any(path.name != _LOCK and not is_leftover(path) for path in folder.iterdir()):
        resume = f"continue its run (python -m minicnn.train --resume {folder}), or "
        hint = resume if (folder / RUN).exists() else ""
        raise FileExistsError(
            f"expected a new or empty folder, but {folder} holds files; {hint}name another one"
        )
    return folder


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Lock `folder` for this run; the system releases the lock when the process ends.

    Removes temporary files that a killed run left there. On a file system without locks it only
    gives a RunWarning, and removes nothing: another run might be writing the file.

    Raises:
        FileExistsError: another run holds the lock.
        OSError: the folder cannot be written.
    """
    import filelock

    lock = filelock.FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FileExistsError(
            f"another run is writing into {folder}; wait for it, or name another folder"
        ) from None
    except NotImplementedError:  # filelock: the file system has no locks
        warnings.warn(
            f"{folder} is on a file system without locks: make sure that no other run writes there",
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


def remove_if_empty(folder: Path) -> None:
    """Remove the folder of a run that has no result: no model, no checkpoint, no epoch."""
    with suppress(OSError):
        found = {path.name for path in folder.iterdir()}
        if not found <= {RUN, HISTORY_CSV, LIVE, CHECKPOINTS}:
            return
        if HISTORY_CSV in found and (folder / HISTORY_CSV).stat().st_size:
            return
        if CHECKPOINTS in found:
            (folder / CHECKPOINTS).rmdir()  # an OSError if it holds a checkpoint
        for name in found - {CHECKPOINTS}:
            (folder / name).unlink()
        folder.rmdir()
