"""--resume: a run folder, its record and its newest checkpoint, and what may change."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import runs
from ..errors import DataError, ModelError
from ..registry import config_of
from ..runs.record import FINISHED, RUNNING, Record
from ..saving import checkpoints
from ..saving.checkpoints import Checkpoint
from .options import flag, given, parser, recorded
from .plan import Plan

CHANGEABLE = (
    "epochs", "stop_after", "checkpoint_every", "data", "data_dir", "mirror", "backend", "threads",
    "quiet", "visor",
)  # fmt: skip


@dataclass
class Resumption:
    """A run to go on with."""

    record: Record
    checkpoint: Checkpoint | None  # None: it was killed before there was any
    options: argparse.Namespace  # its own, with those that were given now in their place

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.record.folder

    def prepare(self, chosen: Plan, data: str) -> str:
        """See whether this is the same run, and stretch its schedule where it shall be longer.

        Args:
            data: the fingerprint of the training data.

        Returns:
            A line for the user.

        Raises:
            DataError: other data.
            ValueError: nothing is left to do.
        """
        known = self.record.content["data"].get("sha256")
        if known != data:
            raise DataError(
                f"{self.folder}: training data: expected SHA-256 {str(known)[:16]}…, with which "
                f"the run began, received {data[:16]}… from {self.options.data}; give the same "
                "data, or start a run of its own"
            )
        epochs = chosen.recipe.epochs
        self._check_what_is_left(epochs)
        if self.checkpoint is None:
            return f"Beginning anew in {self.folder}: it holds no checkpoint yet."
        line = f"Going on from {_where(self.checkpoint)} in {self.folder}"
        # The checkpoint's own schedule counts, not run.json's epochs: those may have been written
        # by a longer run that was killed before it had a checkpoint.
        if self._stretch(chosen):
            of = f"{epochs} epoch{'' if epochs == 1 else 's'}"
            line += f"; the learning rate now follows the schedule of {of}"
        return f"{line}."

    def _check_what_is_left(self, epochs: int) -> None:
        """ValueError if there is nothing to do, or nothing to go on from but a result to lose."""
        if self.checkpoint is None:
            if self.record.status != RUNNING or (self.folder / runs.MODEL).exists():
                raise ValueError(
                    f"{self.folder} has come to its end ({self.record.status}), and holds no "
                    "checkpoint to go on from; start a run of its own"
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
                f"behind it, received {after}"
            )

    def _stretch(self, chosen: Plan) -> bool:
        """Take the schedule of `chosen`; whether it is another one."""
        assert self.checkpoint is not None
        rate = config_of(chosen.model.optimizer.schedule)
        optimizer = self.checkpoint.training["optimizer"]
        training = self.checkpoint.training | {"optimizer": optimizer | {"learning_rate": rate}}
        self.checkpoint = replace(self.checkpoint, training=training)
        return optimizer.get("learning_rate") != rate

    def continued(self, record: dict[str, Any], command: str) -> dict[str, Any]:
        """The record of the run that goes on: it keeps its command, and when it began."""
        old = self.record.content
        here = {
            "command": command,
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "from": self.checkpoint.path.name if self.checkpoint else None,
        }
        kept = {key: old.get(key) for key in ("command", "started")}
        return record | kept | {"resumed": [*old.get("resumed", []), here]}


def folder_of(where: Path) -> Path:
    """The run folder that --resume names: itself, or by one of its checkpoints.

    Raises:
        FileNotFoundError: it is no run folder.
        ModelError: its record is damaged.
    """
    return runs.read_record(where.parent.parent if _is_file(where) else where).folder


def find(where: Path, arguments: Sequence[str]) -> Resumption:
    """The run that --resume names. Hold its folder meanwhile: another run may be ending there.

    Args:
        arguments: of the command line that says --resume.

    Raises:
        FileNotFoundError: it is no run folder.
        ModelError: its record or its checkpoint is damaged.
        ValueError: options that would make it another run.
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
            f"--resume goes on with the run's own options: expected none but "
            f"{', '.join(map(flag, CHANGEABLE))}, received "
            f"{', '.join(sorted(map(flag, others)))}; start another run for that"
        )
    kept = {k: v for k, v in record.options.items() if k not in ("resume", "stop_after", "visor")}
    try:
        before = recorded(kept)
    except ValueError as error:
        raise ModelError(f"{record.folder / runs.RUN}: options: {error}") from error
    merged = parser().parse_args([*before, *arguments])  # of two, the later one counts
    merged.out = record.folder
    return merged


def _where(checkpoint: Checkpoint) -> str:
    epochs, steps = checkpoint.done
    return f"epoch {epochs}" if not steps else f"epoch {epochs + 1}, step {steps},"
