"""CSVLogger and JSONLogger: the logs in a file, a row or an object each time."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .. import state_checks
from ..atomic_file import atomic_path
from ..errors import DataError
from ..hooks import State
from ..strict_json import number, to_json
from .lines import OTHER_RUN, FileLogger, ascending

_PER = ("epoch", "batch", "both")


class CSVLogger(FileLogger):
    """Writes `epoch` (from 1) and everything in the logs: a row at the end of each epoch.

    The first epoch's logs give the header. A new name later adds a column at the end, empty in
    earlier rows; a missing name leaves its cell empty. A row is written whole or not at all. If a
    write fails, one RunWarning is issued and training continues. A resumed run continues its file.

    Args:
        path: the file; missing folders are made.
        append: continue an existing file instead of replacing it.

    Raises:
        OSError: at the start of training, if the file can't be created.
        ValueError: at the start of training, if the file is no CSV file; at the end of the first
            epoch, if `append` finds another header.
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        super().__init__(path, append)
        self._header: list[str] = []
        self._rows = 0
        self._appending = False

    def get_state(self) -> dict[str, object]:
        return {"header": self._header, "rows": self._rows, "size": self._file.size()}

    def set_state(self, saved: Mapping[str, object]) -> None:
        size, saved_rows = state_checks.whole(saved, "size"), state_checks.whole(saved, "rows")
        saved_header = [str(name) for name in state_checks.rows(saved, "header")]
        self._appending = False
        with self._warning.instead_of_error(self.path):  # remove rows that will be written again
            header, *rows = _read(self.path)
            if self.append and not ascending(map(_epoch, rows[max(saved_rows - 1, 0) :])):
                self._warning.warn(OTHER_RUN.format(path=self.path))
                return
            self._header, self._rows = saved_header, saved_rows
            if header == saved_header or not size:
                self._file.truncate(size)
            elif header:  # a column was added since the checkpoint
                width = len(saved_header)
                _rewrite(self.path, [saved_header, *(row[:width] for row in rows[:saved_rows])])

    def on_train_begin(self, state: State) -> None:
        super().on_train_begin(state)
        self._header, self._rows = [], 0
        if self.append:
            self._header, *rows = _read(self.path)
            self._rows = len(rows)
        self._appending = bool(self._header)

    def on_epoch_end(self, state: State) -> None:
        row = {"epoch": state.epoch + 1, **state.logs}
        if self._appending and set(row) != set(self._header):
            raise ValueError(
                f"CSVLogger: {self.path} has the columns {', '.join(self._header)}, the logs "
                f"have {', '.join(row)}; choose another file or append=False"
            )
        self._appending = False
        with self._warning.instead_of_error(self.path):
            if not self._header:
                self._header = list(row)
            elif new := [name for name in row if name not in self._header]:
                self._add_columns(new)
            cells = _line(_cell(row.get(name)) for name in self._header)
            self._file.append(cells, header=_line(self._header))
            self._rows += 1

    def _add_columns(self, new: list[str]) -> None:
        rows = _read(self.path)[1:]
        header = self._header + new
        _rewrite(self.path, [header, *(row + [""] * len(new) for row in rows)])
        self._header = header


def _read(path: Path) -> list[list[str]]:
    """Header and rows; of an empty file, an empty header."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected the rows of a CSVLogger, received {error}") from error


def _epoch(row: list[str]) -> tuple[int]:
    try:
        return (int(row[0]),)
    except (IndexError, ValueError):
        return (-1,)


def _rewrite(path: Path, rows: list[list[str]]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(map(_line, rows)), encoding="utf-8", newline="")


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    # 9 digits hold a float32 exactly.
    return str(value) if isinstance(value, int) else f"{float(value):.9g}"


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


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
