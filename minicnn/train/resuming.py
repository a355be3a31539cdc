"""--resume: the run folder, its record, its newest checkpoint, and which options may change."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import runs
from ..errors import DataError, ModelError
from ..registry import config_of
from ..runs.record import FINISHED, RUNNING, Record
from ..saving import checkpoints
from ..saving.checkpoints import Checkpoint
from .options import flag, given, restored
from .plan import Plan

CHANGEABLE = (
    "epochs", "stop_after", "checkpoint_every", "data", "data_dir", "mirror", "backend", "threads",
    "quiet", "visor",
)  # fmt: skip


@dataclass
class Resumption:
    """A run to continue."""

    record: Record
    checkpoint: Checkpoint | None  # None: it was killed before the first one
    options: argparse.Namespace  # the run's own, overridden by those given now

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.record.folder

    def prepare(self, chosen: Plan, data: str) -> str:
        """Check that it is the same run, and take the schedule of `chosen` for more epochs.

        Args:
            data: the fingerprint of the training data.

        Returns:
            A line for the user.

        Raises:
            DataError: other data.
            ValueError: there is nothing left to do.
        """
        known = self.record.content["data"].get("sha256")
        if known != data:
            raise DataError(
                f"{self.folder}: training data: expected SHA-256 {str(known)[:16]}… of the run's "
                f"data, received {data[:16]}… from {self.options.data}; give the same data, or "
                "start a new run"
            )
        epochs = chosen.recipe.epochs
        self._check_what_is_left(epochs)
        if self.checkpoint is None:
            return f"Starting over in {self.folder}: it holds no checkpoint yet."
        line = f"Continuing from {_where(self.checkpoint)} in {self.folder}"
        # The checkpoint's own schedule counts, not run.json's epochs: those may have been written
        # by a longer run that was killed before it had a checkpoint.
        if self._take_schedule(chosen):
            of = f"{epochs} epoch{'' if epochs == 1 else 's'}"
            line += f"; the learning rate now follows the schedule of {of}"
        return f"{line}."

    def _check_what_is_left(self, epochs: int) -> None:
        """ValueError if nothing is left to do, or if starting over would overwrite a result."""
        if self.checkpoint is None:
            if self.record.status != RUNNING or (self.folder / runs.MODEL).exists():
                raise ValueError(
                    f"{self.folder} has ended ({self.record.status}), and holds no checkpoint to "
                    "continue from; start a new run"
                )
            return
        done, _ = self.checkpoint.done
        if self.record.status == FINISHED and done >= epochs:
            raise ValueError(
                f"{self.folder} has finished its {done} epochs; "
                "--epochs N, with a larger N, trains on"
            )
        after = self.options.stop_after
        if after is not None and done >= after:
            raise ValueError(
                f"{self.folder}: expected --stop-after with more than the {done} epochs that are "
                f"done, received {after}"
            )

    def _take_schedule(self, chosen: Plan) -> bool:
        """Use the schedule of `chosen`; returns whether it differs."""
        assert self.checkpoint is not None
        rate = config_of(chosen.model.optimizer.schedule)
        optimizer = self.checkpoint.training["optimizer"]
        training = self.checkpoint.training | {"optimizer": optimizer | {"learning_rate": rate}}
        self.checkpoint = replace(self.checkpoint, training=training)
        return optimizer.get("learning_rate") != rate

    def continued(self, record: dict[str, object], command: str) -> dict[str, object]:
        """The record of the continued run: it keeps the first command and start time."""
        old = self.record.content
        here = {
            "command": command,
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "from": self.checkpoint.path.name if self.checkpoint else None,
        }
        kept = {key: old.get(key) for key in ("command", "started")}
        return record | kept | {"resumed": [*old["resumed"], here]}


def folder_of(where: Path) -> Path:
    """The run folder that --resume names, directly or by one of its checkpoints.

    Raises:
        FileNotFoundError: it is not a run folder.
        ModelError: its record is damaged.
    """
    return runs.read_record(where.parent.parent if _is_file(where) else where).folder


def find(where: Path, arguments: Sequence[str]) -> Resumption:
    """The run that --resume names. Lock its folder first: another run may be ending there.

    Args:
        arguments: the command line with --resume.

    Raises:
        FileNotFoundError: it is not a run folder.
        ModelError: its record or its checkpoint is damaged.
        ValueError: an option that cannot change.
    """
    folder = folder_of(where)
    record = runs.read_record(folder)
    options = _merged(record, arguments)
    checkpoint = checkpoints.load(where if _is_file(where) else folder / runs.CHECKPOINTS)
    return Resumption(record, checkpoint, options)


def _is_file(where: Path) -> bool:
    return where.suffix == ".safetensors"


def _merged(record: Record, arguments: Sequence[str]) -> argparse.Namespace:
    others = given(arguments) - {"resume", *CHANGEABLE}
    if others:
        raise ValueError(
            f"--resume continues with the run's own options: expected only "
            f"{', '.join(map(flag, CHANGEABLE))}, received "
            f"{', '.join(sorted(map(flag, others)))}; start a new run for that"
        )
    kept = {k: v for k, v in record.options.items() if k not in ("resume", "stop_after", "visor")}
    try:
        merged = restored(kept, arguments)
    except ValueError as error:
        raise ModelError(f"{record.folder / runs.RUN}: options: {error}") from error
    merged.out = record.folder
    return merged


def _where(checkpoint: Checkpoint) -> str:
    epochs, steps = checkpoint.done
    return f"epoch {epochs}" if not steps else f"epoch {epochs + 1}, step {steps},"
