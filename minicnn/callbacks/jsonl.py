"""JSONLogger: the logs as JSON Lines, to be read along while a run goes on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .. import state_checks
from ..hooks import Callback, State
from ..strict_json import number, to_json
from .lines import OTHERS, Complaint, LineFile, ascend

_PER = ("epoch", "batch", "both")


class JSONLogger(Callback):
    """Writes a JSON object a line: after an epoch {"epoch": 1, "loss": …, "val_loss": …}, after a
    batch {"epoch": 1, "step": 1, "loss": …} with that batch's own values. Both count from 1.

    Strict JSON: NaN and infinity become null. A line is written whole or not at all, as soon as
    it is there, so the file can be followed (`tail -f`). When a write fails, a RunWarning says so
    once and training goes on. In a run that is resumed, the lines that came after the checkpoint
    are cut off, so that none comes twice.

    Args:
        path: the file; missing folders are made.
        per: a line for each "epoch", each "batch", or "both".
        append: go on after the lines of an existing file instead of replacing it.

    Raises:
        ValueError: another `per`.
        OSError: at the start of training, if the file can't be made.
    """

    def __init__(
        self, path: str | os.PathLike[str], per: str = "epoch", append: bool = False
    ) -> None:
        if per not in _PER:
            raise ValueError(f"JSONLogger: expected per in {_PER}, received {per!r}")
        self.per, self.append = per, append
        self._file, self._complaint = LineFile(path), Complaint("JSONLogger")

    @property
    def state_name(self) -> str:
        return f"{type(self).__name__}({self._file.path.name})"

    def on_train_begin(self, state: State) -> None:
        self._complaint.begin()
        self._file.open(append=self.append or state.remembers(self))

    def get_state(self) -> dict[str, Any]:
        return {"size": self._file.size()}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        size = state_checks.whole(saved, "size")
        with self._complaint.instead_of_error(self._file.path):
            if self.append and not ascend(_places(self._file.path.read_bytes(), size)):
                self._complaint.make(OTHERS.format(path=self._file.path))
                return
            self._file.truncate(size)

    def on_batch_end(self, state: State) -> None:
        if self.per != "epoch":
            self._write({"epoch": state.epoch + 1, "step": state.step + 1, **state.batch_logs})

    def on_epoch_end(self, state: State) -> None:
        if self.per != "batch":
            self._write({"epoch": state.epoch + 1, **state.logs})

    def _write(self, row: Mapping[str, float]) -> None:
        line = to_json({name: number(value) for name, value in row.items()})
        with self._complaint.instead_of_error(self._file.path):
            self._file.append(line + "\n")


def _places(data: bytes, size: int) -> Iterator[tuple[float, float]]:
    """(epoch, step) of the last line before `size` and of all lines after it; an epoch's own line
    comes after its last step."""
    before = data[:size].splitlines()[-1:]
    for line in [*before, *data[size:].splitlines()]:
        try:
            row = json.loads(line)
            yield float(row["epoch"]), float(row.get("step", math.inf))
        except (AttributeError, KeyError, TypeError, ValueError):
            yield -1.0, 0.0
