"""CSVLogger: the logs of every epoch as a row of a CSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import state_checks
from ..atomic_file import atomic_path
from ..errors import DataError
from ..hooks import Callback, State
from .lines import OTHERS, Complaint, LineFile, ascend


class CSVLogger(Callback):
    """Writes `epoch` (from 1) and everything in the logs, a row an epoch, as soon as it ends.

    The first epoch's logs make the header. A name that turns up later gets a column at the
    end, empty in earlier rows; a name that is missing leaves its cell empty. A row is written
    whole or not at all: what a crash or a full disk cut off is removed. When a write fails,
    a RunWarning says so once and training goes on. A run that is resumed goes on with its file.

    Args:
        path: the file; missing folders are made.
        append: go on with the rows of an existing file instead of replacing it.

    Raises:
        OSError: at the start of training, if the file can't be made.
        ValueError: at the start of training, if the file is no CSV file; at the end of the first
            epoch, if `append` finds another header.
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = Path(path)
        self.append = append
        self._file = LineFile(path)
        self._complaint = Complaint("CSVLogger")
        self._header: list[str] = []
        self._rows = 0
        self._appending = False

    @property
    def state_name(self) -> str:
        return f"{type(self).__name__}({self.path.name})"

    def get_state(self) -> dict[str, Any]:
        return {"header": self._header, "rows": self._rows, "size": self._file.size()}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        size, rows_then = state_checks.whole(saved, "size"), state_checks.whole(saved, "rows")
        header_then = [str(name) for name in state_checks.rows(saved, "header")]
        self._appending = False
        with self._complaint.instead_of_error(self.path):  # rows that are going to come again
            header, *rows = _read(self.path)
            if self.append and not ascend(map(_epoch, rows[max(rows_then - 1, 0) :])):
                self._complaint.make(OTHERS.format(path=self.path))
                return
            self._header, self._rows = header_then, rows_then
            if header == self._header or not size:
                self._file.truncate(size)
            elif header:  # a column has turned up since
                width = len(self._header)
                _rewrite(self.path, [self._header, *(row[:width] for row in rows[: self._rows])])

    def on_train_begin(self, state: State) -> None:
        self._header, self._rows = [], 0
        self._complaint.begin()
        self._file.open(append=self.append or state.remembers(self))
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
        with self._complaint.instead_of_error(self.path):
            if not self._header:
                self._header = list(row)
            elif new := [name for name in row if name not in self._header]:
                self._widen(new)
            cells = _line(_cell(row.get(name)) for name in self._header)
            self._file.append(cells, header=_line(self._header))
            self._rows += 1

    def _widen(self, new: list[str]) -> None:
        """Rewrite the file with `new` columns at the end."""
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


def _epoch(row: list[str]) -> int:
    try:
        return int(row[0])
    except (IndexError, ValueError):
        return -1


def _rewrite(path: Path, rows: list[list[str]]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(map(_line, rows)), encoding="utf-8", newline="")


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    # 9 digits are all that a float32 holds, and enough of a mean.
    return str(value) if isinstance(value, int) else f"{float(value):.9g}"


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
