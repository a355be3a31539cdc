"""ModelCheckpoint: files from which a run can be resumed, and its best model."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import state_checks
from ..atomic_file import atomic_path, remove_leftovers
from ..hooks import Callback, State
from ..saving import checkpoints
from .improvement import Improvement
from .lines import WarnOnce
from .throttle import Throttle

BEST = "best.safetensors"
SUPERSEDED = ".superseded"  # suffix of checkpoints that are later than the one resumed from


class ModelCheckpoint(Callback):
    """Saves everything that a resumed run needs, and keeps the newest files and the best model.

    Each file is also a model (`Sequential.load`). Its name says where the run was:
    epoch-0004.safetensors, or epoch-0004+000120.safetensors 120 steps into the fifth epoch.
    `model.fit(…, resume=folder)` continues from the newest one, and ends with the same weights, to
    the bit, as without the interruption.

    A file is written whole or not at all, and an older one is removed only after the next one is
    complete. If a run is resumed from a checkpoint, later ones are renamed to ….superseded, and
    removed in the same way. If a file can't be written, a RunWarning is issued and training
    continues.

    Args:
        folder: created if missing. It must hold no checkpoints of other runs than the resumed one.
            Only one ModelCheckpoint of one run may use it at a time: the command line locks its run
            folders; in Python you must take care of it.
        monitor: a name in the logs of an epoch, as "val_loss" or "val_accuracy"; the model of the
            best epoch is kept as best.safetensors. None: no best.
        mode: "min", "max", or "auto": by the name.
        keep_last: how many of the newest to keep, >= 1.
        every: steps between two checkpoints within an epoch; None: only at the ends of epochs.
        max_cost: the largest share of the time for saving, about: checkpoints are skipped if they
            would take more, except the last one. None: none is skipped.

    Attributes:
        best: the best value so far (NaN: none yet, or its file is gone).
        saved: the newest file that this run wrote; None: none yet.

    Raises:
        ValueError: an argument out of range; at the start of training, a model that could not be
            loaded again, or two ModelCheckpoints for one folder; at the end of
            the first epoch, a metric that the logs lack.
        FileExistsError: at the start of training: checkpoints of another run are there.
        OSError: at the start of training: the folder can't be created.
    """

    runs_last = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = "val_loss",
        *,
        mode: str = "auto",
        keep_last: int = 2,
        every: int | None = None,
        max_cost: float | None = None,
    ) -> None:
        for name, value in (("keep_last", keep_last), ("every", every)):
            if value is not None and value < 1:
                raise ValueError(f"ModelCheckpoint: expected {name} >= 1, received {value}")
        if max_cost is not None and not 0 < max_cost <= 1:
            raise ValueError(f"ModelCheckpoint: expected 0 < max_cost <= 1, received {max_cost}")
        self.folder = Path(folder)
        self.monitor = monitor
        self.keep_last = keep_last
        self.every = every
        self.max_cost = max_cost
        self._improvement = (
            None if monitor is None else Improvement(monitor, mode, 0.0, type(self).__name__)
        )
        self._reset()

    @property
    def state_name(self) -> str:
        return self._improvement.state_name if self._improvement else f"{type(self).__name__}()"

    def _reset(self) -> None:
        self.best = math.nan
        self._run = secrets.token_hex(8)  # identifies the checkpoints of this run
        self.saved: Path | None = None
        self._trained = False
        self._saved_at: tuple[int, int] | None = None
        self._best_bytes: bytes | None = None  # not written yet
        self._throttle = Throttle(0.0, self.max_cost or 1.0)
        self._best_written = math.nan
        self._warning = WarnOnce("ModelCheckpoint")

    def get_state(self) -> dict[str, object]:
        # A best model that is not on disk yet is lost with the process: a resumed run then has the
        # one before it.
        best = self.best if self._best_bytes is None else self._best_written
        return {"best": best, "run": self._run}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self._run = state_checks.text(saved, "run")
        self.best = self._best_written = state_checks.number(saved, "best")
        self._check_best_exists()

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._bytes(state)  # if it can't be saved, fail now, not after an epoch
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder.resolve() in state.resume.claimed_folders:
            raise ValueError(
                f"ModelCheckpoint: expected a folder for each one, received {self.folder} twice"
            )
        state.resume.claimed_folders.add(self.folder.resolve())
        found = checkpoints.in_folder(self.folder)
        if found and not _same_run(found[-1], state.resume.path):
            raise FileExistsError(
                f"ModelCheckpoint: expected no checkpoints in {self.folder}, found "
                f"{found[-1].name}; continue it with fit(resume=…), or choose another folder"
            )
        remove_leftovers(self.folder)  # of a run that was killed while writing

    def on_epoch_begin(self, state: State) -> None:
        if not self._trained and state.resume.resumed:
            self._supersede(state.resume.done)

    def on_batch_end(self, state: State) -> None:
        self._trained, step = True, state.step + 1
        if self.every is not None and step % self.every == 0 and step < state.steps:
            self._save_if_due(state)

    def on_epoch_end(self, state: State) -> None:
        if self._improvement is not None:
            value = self._improvement.value(state.logs)
            self._check_best_exists()
            if self._improvement.beats(value, self.best) and not _has_diverged(state):
                self.best, self._best_bytes = value, None
                self._best_bytes = self._bytes(state)
        self._save_if_due(state)

    def on_train_end(self, state: State) -> None:
        self._write_best()
        # An incomplete step is not saved.
        if self._trained and not state.resume.failed and state.resume.done != self._saved_at:
            self._save(state)

    def _save_if_due(self, state: State) -> None:
        if self.max_cost is None or self._throttle.due():
            with self._throttle.working():
                self._save(state)

    def _save(self, state: State) -> None:
        # The best one first: a run that is resumed from here will not meet it again.
        self._write_best()
        if _has_diverged(state):
            text = "weights or loss are NaN or infinite; they are not saved"
            self._warning.warn(text, "divergence")
            return
        path = self.folder / checkpoints.file_name(state.resume.done)
        content = self._bytes(state)
        with self._warning.instead_of_error(self.folder):
            self._write(path, content)
            self.saved, self._saved_at = path, state.resume.done
            self._prune()

    def _write_best(self) -> None:
        if self._best_bytes is not None:
            with self._warning.instead_of_error(self.folder):
                self._write(self.folder / BEST, self._best_bytes)
                self._best_bytes, self._best_written = None, self.best

    def _check_best_exists(self) -> None:
        """If the file is missing, the next epoch is the best."""
        if self._best_bytes is None and not (self.folder / BEST).exists():
            self.best = self._best_written = math.nan

    def _bytes(self, state: State) -> bytes:
        return checkpoints.to_bytes(state.model, state.resume.capture())

    def _write(self, path: Path, content: bytes) -> None:
        if not self.folder.exists():
            self._warning.warn(f"{self.folder} was deleted; it is created again", "deletion")
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)

    def _supersede(self, done: tuple[int, int]) -> None:
        """Rename the checkpoints after `done`, so that no run is resumed from them: the logs are
        cut at `done` and would have a gap. The next _prune() removes them."""
        for path in checkpoints.in_folder(self.folder):
            at = checkpoints.position(path)
            if at is not None and at > done:
                with self._warning.instead_of_error(self.folder):
                    path.replace(path.with_name(path.name + SUPERSEDED))

    def _prune(self) -> None:
        """Remove all but the newest checkpoints, and the superseded ones."""
        old = checkpoints.in_folder(self.folder)[: -self.keep_last]
        for path in [*old, *self.folder.glob(f"epoch-*{SUPERSEDED}")]:
            with self._warning.instead_of_error(self.folder):
                path.unlink(missing_ok=True)


def _same_run(checkpoint: Path, resumed_from: Path | None) -> bool:
    """Whether a checkpoint is of the same run as the one resumed from: it is in the same folder,
    or holds the state of the same ModelCheckpoint."""
    if resumed_from is None:
        return False
    if checkpoint.resolve().parent == resumed_from.resolve().parent:
        return True
    one, other = (_runs(checkpoints.read(path)) for path in (checkpoint, resumed_from))
    return not one.isdisjoint(other)


def _runs(checkpoint: checkpoints.Checkpoint) -> set[str]:
    states = checkpoint.training["callbacks"].values()
    return {str(state["run"]) for state in states if isinstance(state, dict) and "run" in state}


def _has_diverged(state: State) -> bool:
    """Whether loss or weights are not finite. (Of the training loss: a NaN of the validation loss
    may come from a single sample.)"""
    if not math.isfinite(state.batch_logs.get("loss", 0.0)):
        return True
    return not all(np.isfinite(held[key]).all() for held, key in state.model.tensors().values())
