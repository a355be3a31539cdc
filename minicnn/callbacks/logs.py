"""CSVLogger: the logs of every epoch as a row of a CSV file."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from ..files import atomic_path
from .base import Callback, State


class CSVLogger(Callback):
    """Writes `epoch` (from 1) and everything in the logs, a row an epoch, as soon as it ends.

    The first epoch's logs make the header. A name that turns up later gets a column at the
    end, empty in earlier rows; a name that is missing leaves its cell empty. A row is written
    whole or not at all: what a crash or a full disk cut off is removed. When a write fails,
    a RuntimeWarning says so once and training goes on.

    Args:
        path: the file; missing folders are made.
        append: go on with the rows of an existing file instead of replacing it.

    Raises:
        OSError: at the start of training, if the file can't be made.
        ValueError: at the end of the first epoch, if `append` finds another header.
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = Path(path)
        self.append = append
        self._header: list[str] = []
        self._appending = False
        self._warned = False

    def on_train_begin(self, state: State) -> None:
        self._header, self._warned = [], False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab" if self.append else "wb"):
            pass
        if self.append:
            _drop_half_row(self.path)
            with open(self.path, newline="", encoding="utf-8") as file:
                self._header = next(csv.reader(file), [])
        self._appending = bool(self._header)

    def on_epoch_end(self, state: State) -> None:
        row = {"epoch": state.epoch + 1, **state.logs}
        if self._appending and set(row) != set(self._header):
            raise ValueError(
                f"CSVLogger: {self.path} has the columns {', '.join(self._header)}, the logs "
                f"have {', '.join(row)}; choose another file or append=False"
            )
        self._appending = False
        try:
            if not self._header:
                self._header = list(row)
            elif new := [name for name in row if name not in self._header]:
                self._widen(new)
            cells = _line(_cell(row.get(name)) for name in self._header)
            _append(self.path, cells, header=_line(self._header))
        except OSError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"CSVLogger: can't write {self.path}: {error}", RuntimeWarning, stacklevel=2
                )

    def _widen(self, new: list[str]) -> None:
        """Rewrite the file with `new` columns at the end."""
        with open(self.path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        header = self._header + new
        with atomic_path(self.path) as temporary:
            text = _line(header) + "".join(_line(row + [""] * len(new)) for row in rows)
            temporary.write_text(text, encoding="utf-8", newline="")
        self._header = header


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    # 9 digits are all that a float32 holds, and enough of a mean.
    return str(value) if isinstance(value, int) else f"{float(value):.9g}"


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _append(path: Path, line: str, header: str) -> None:
    """Add a line in one write; if the disk takes only part of it, take that part back.

    An empty file, or one that somebody deleted meanwhile, gets its header first.
    """
    with open(path, "ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        data = (line if size else header + line).encode()
        try:
            if file.write(data) != len(data):
                raise OSError("the disk is full")
        except OSError:
            file.truncate(size)
            raise


def _drop_half_row(path: Path) -> None:
    """Cut the file after its last line break: what follows is a row that a crash cut off."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with open(path, "rb+") as file:
            file.truncate(data.rfind(b"\n") + 1)
