"""JSONLogger: the logs as JSON Lines, which other programs can follow during a run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping

from .. import state_checks
from ..hooks import State
from ..strict_json import number, to_json
from .lines import OTHER_RUN, FileLogger, ascending

_PER = ("epoch", "batch", "both")


class JSONLogger(FileLogger):
    """Writes a JSON object a line: after an epoch {"epoch": 1, "loss": …, "val_loss": …}, after a
    batch {"epoch": 1, "step": 1, "loss": …} with that batch's own values. Both count from 1.

    Strict JSON: NaN and infinity become null. A line is written whole or not at all, and at once,
    so the file can be followed (`tail -f`). If a write fails, one RunWarning is issued and training
    continues. A resumed run removes the lines after its checkpoint, so that none appears twice.

    Args:
        path: the file; missing folders are made.
        per: a line for each "epoch", each "batch", or "both".
        append: continue an existing file instead of replacing it.

    Raises:
        ValueError: another `per`.
        OSError: at the start of training, if the file can't be created.
    """

    def __init__(
        self, path: str | os.PathLike[str], per: str = "epoch", append: bool = False
    ) -> None:
        if per not in _PER:
            raise ValueError(f"JSONLogger: expected per in {_PER}, received {per!r}")
        super().__init__(path, append)
        self.per = per

    def get_state(self) -> dict[str, object]:
        return {"size": self._file.size()}

    def set_state(self, saved: Mapping[str, object]) -> None:
        size = state_checks.whole(saved, "size")
        with self._warning.instead_of_error(self.path):
            if self.append and not ascending(_positions(self.path.read_bytes(), size)):
                self._warning.warn(OTHER_RUN.format(path=self.path))
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
        with self._warning.instead_of_error(self.path):
            self._file.append(line + "\n")


def _positions(data: bytes, size: int) -> Iterator[tuple[float, float]]:
    """(epoch, step) of the last line before `size` and of all lines after it; an epoch's own line
    comes after its last step."""
    before = data[:size].splitlines()[-1:]
    for line in [*before, *data[size:].splitlines()]:
        try:
            row = json.loads(line)
            yield float(row["epoch"]), float(row.get("step", math.inf))
        except (AttributeError, KeyError, TypeError, ValueError):
            yield -1.0, 0.0
