"""ModelCheckpoint: what a run leaves on disk to go on from, and the best of its models."""

from __future__ import annotations

import math
import os
import secrets
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import state_checks
from ..atomic_file import atomic_path, remove_leftovers
from ..errors import RunWarning
from ..hooks import Callback, State
from .improvement import Improvement
from .names import resolve
from .pace import Pace

if TYPE_CHECKING:
    from ..saving.checkpoints import Checkpoint

BEST = "best.safetensors"
ASIDE = ".superseded"  # behind the names of checkpoints that come after the one resumed from


class ModelCheckpoint(Callback):
    """Saves all that training needs to go on, and keeps the newest few, and the best.

    Each file is a model too (`Sequential.load`) and is called by how far the run was:
    epoch-0004.safetensors, or epoch-0004+000120.safetensors 120 steps into the fifth epoch.
    `model.fit(…, resume=folder)` goes on from the newest, with the same weights to the bit as
    without the interruption.

    A file appears whole or not at all, and an older one is removed only after the next one is
    complete; so are those that come after the one that a run is resumed from, called
    ….superseded until then. Where one can't be written, a RunWarning says so and training goes on.

    Args:
        folder: made if it is missing. It must hold no checkpoints but those of the run that is
            resumed. It is for one ModelCheckpoint of one run at a time: the command line locks its
            run folders; in Python that is yours to see to.
        monitor: a name in the logs of an epoch, as "val_loss" or "val_accuracy"; the model of the
            best epoch is kept as best.safetensors. None: no best.
        mode: "min", "max", or "auto": by the name.
        keep_last: how many of the newest to keep, >= 1.
        every: steps from one checkpoint to the next within an epoch; None: at the ends of epochs.
        max_cost: at most about this share of the time goes into saving: a checkpoint that would
            take more is left out, but for the last one. None: none is left out.

    Attributes:
        best: the best value so far (NaN: none yet, or its file is gone).
        saved: the newest file that this run wrote; None: none yet.

    Raises:
        ValueError: an argument out of range; at the start of training, a model that could not be
            loaded again (see saving.save), or two ModelCheckpoints for one folder; at the end of
            the first epoch, a metric that the logs lack.
        FileExistsError: at the start of training: checkpoints of another run are there.
        OSError: at the start of training: the folder can't be made.
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
        self._improvement = None
        if monitor is not None:
            self._improvement = Improvement(monitor, mode, 0.0, "ModelCheckpoint")
        self._forget()

    @property
    def state_name(self) -> str:
        return f"{type(self).__name__}({resolve(self.monitor) if self.monitor else ''})"

    def _forget(self) -> None:
        self.best = math.nan
        self._run = secrets.token_hex(8)  # by it a run knows its own checkpoints again
        self.saved: Path | None = None
        self._moved = False
        self._saved_at: tuple[int, int] | None = None
        self._best_bytes: bytes | None = None  # not written yet
        self._pace = Pace(0.0, self.max_cost or 1.0)
        self._best_written = math.nan
        self._warned: set[str] = set()

    def get_state(self) -> dict[str, Any]:
        # A best that is not on disk yet would be lost with this process; a resumed run won't come
        # by it again, and shall keep the next best one.
        best = self.best if self._best_bytes is None else self._best_written
        return {"best": best, "run": self._run}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self._run = state_checks.text(saved, "run")
        self.best = self._best_written = state_checks.number(saved, "best")
        self._see_whether_the_best_is_there()

    def on_train_begin(self, state: State) -> None:
        from ..saving import checkpoints

        self._forget()
        self._bytes(state)  # what can't be saved shows now, not after an epoch
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder.resolve() in state.claimed:
            raise ValueError(
                f"ModelCheckpoint: expected a folder for each of them, received {self.folder} twice"
            )
        state.claimed.add(self.folder.resolve())
        found = checkpoints.in_folder(self.folder)
        if found and not _same_run(found[-1], state.resumed_from):
            raise FileExistsError(
                f"ModelCheckpoint: expected no checkpoints in {self.folder}, found "
                f"{found[-1].name}; go on from it with fit(resume=…), or choose another folder"
            )
        remove_leftovers(self.folder)  # of a run that was killed while writing

    def on_epoch_begin(self, state: State) -> None:
        if not self._moved and state.resumed:
            self._put_aside(state.done)

    def on_batch_end(self, state: State) -> None:
        self._moved, step = True, state.step + 1
        if self.every is not None and step % self.every == 0 and step < state.steps:
            self._save_if_due(state)

    def on_epoch_end(self, state: State) -> None:
        if self._improvement is not None:
            value = self._improvement.value(state.logs)
            self._see_whether_the_best_is_there()
            if self._improvement.beats(value, self.best) and not _has_diverged(state):
                self.best, self._best_bytes = value, None
                self._best_bytes = self._bytes(state)
        self._save_if_due(state)

    def on_train_end(self, state: State) -> None:
        self._write_best()
        # Of a step half taken nothing is saved. Where no step was taken, there is nothing new.
        if self._moved and not state.failed and state.done != self._saved_at:
            self._save(state)

    def _save_if_due(self, state: State) -> None:
        if self.max_cost is None or self._pace.due():
            with self._pace.working():
                self._save(state)

    def _save(self, state: State) -> None:
        from ..saving import checkpoints

        # The best goes first: a run that is resumed from here on won't come by it again.
        self._write_best()
        if _has_diverged(state):  # such weights take nobody's place
            self._warn("weights or loss are not finite any more; they are not saved")
            return
        path = self.folder / checkpoints.file_name(state.done)
        if self._write(path, self._bytes(state)):
            self.saved, self._saved_at = path, state.done
            self._prune()

    def _write_best(self) -> None:
        if self._best_bytes is not None and self._write(self.folder / BEST, self._best_bytes):
            self._best_bytes, self._best_written = None, self.best

    def _see_whether_the_best_is_there(self) -> None:
        """What was lost with its file, or lies in another folder, is beaten by whatever comes."""
        if self._best_bytes is None and not (self.folder / BEST).exists():
            self.best = self._best_written = math.nan

    def _bytes(self, state: State) -> bytes:
        from ..saving import checkpoints

        return checkpoints.to_bytes(state.model, state.capture())

    def _write(self, path: Path, content: bytes) -> bool:
        """Whether it could be written."""

        def write() -> None:
            if not self.folder.exists():
                self._warn(f"{self.folder} is gone; it is made again")
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)

        return self._try(write, f"can't write into {path.parent}")

    def _put_aside(self, done: tuple[int, int]) -> None:
        """Let nobody go on from what comes after `done`: the logs, which are cut to there, would
        have a gap. It is removed when the next checkpoint is complete."""
        from ..saving import checkpoints

        for path in checkpoints.in_folder(self.folder):
            at = checkpoints.position(path)
            if at is not None and at > done:
                rename = partial(path.replace, path.with_name(path.name + ASIDE))
                self._try(rename, f"can't rename in {path.parent}")

    def _prune(self) -> None:
        """Remove what is older than the newest few, and what was put aside."""
        from ..saving import checkpoints

        old = checkpoints.in_folder(self.folder)[: -self.keep_last]
        for path in [*old, *self.folder.glob(f"epoch-*{ASIDE}")]:
            self._try(partial(path.unlink, missing_ok=True), f"can't remove from {path.parent}")

    def _try(self, action: Callable[[], object], what: str) -> bool:
        try:
            action()
        except OSError as error:
            self._warn(f"{what}: {error.strerror or error}; training goes on")
            return False
        return True

    def _warn(self, text: str) -> None:
        """Once, however often it happens."""
        if text not in self._warned:
            self._warned.add(text)
            warnings.warn(f"ModelCheckpoint: {text}", RunWarning, stacklevel=2)


def _same_run(checkpoint: Path, resumed_from: Path | None) -> bool:
    """Whether a checkpoint is of the run that goes on from another one: it lies beside that, or
    knows the same ModelCheckpoints."""
    from ..saving import checkpoints

    if resumed_from is None:
        return False
    if checkpoint.resolve().parent == resumed_from.resolve().parent:
        return True
    one, other = (_runs(checkpoints.read(path)) for path in (checkpoint, resumed_from))
    return not one.isdisjoint(other)


def _runs(checkpoint: Checkpoint) -> set[str]:
    states = checkpoint.training["callbacks"].values()
    return {str(state["run"]) for state in states if isinstance(state, dict) and "run" in state}


def _has_diverged(state: State) -> bool:
    """A loss of the validation samples that is NaN says nothing: one of them may be."""
    if not math.isfinite(state.batch_logs.get("loss", 0.0)):
        return True
    return not all(np.isfinite(held[key]).all() for held, key in state.model.tensors().values())
