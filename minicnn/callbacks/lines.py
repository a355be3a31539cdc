"""LineFile: a text file that grows by whole lines; and a warning for when it can't."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import DataError, RunWarning

OTHERS = "{path}: another run has written there since the checkpoint; nothing is cut off, so what \
is repeated stands there twice"


class LineFile:
    """A file of lines, each written whole or not at all, as soon as it is there.

    It is opened for every line, so that one who reads along sees it at once, and nothing is lost
    with the process. A file that somebody deletes comes back with the next line.

    Args:
        path: the file; UTF-8.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def open(self, *, append: bool) -> None:
        """Make the file, and missing folders; empty it, or with append cut off the half line that
        a crash may have left at its end.

        Raises:
            OSError: it can't be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab" if append else "wb"):
            pass
        if append:
            data = self.path.read_bytes()
            if not data.endswith(b"\n"):
                self.truncate(data.rfind(b"\n") + 1)

    def append(self, line: str, header: str = "") -> None:
        """Add a line (with its line break) in one write; if the disk takes only part of it, take
        that part back. An empty or missing file gets `header` first.

        Raises:
            OSError: it can't be written.
        """
        with open(self.path, "ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            data = (line if size else header + line).encode()
            try:
                if file.write(data) != len(data):
                    raise OSError("the disk is full")
            except OSError:
                file.truncate(size)
                raise

    def size(self) -> int:
        """In bytes; 0 if there is no such file."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes, if it is longer.

        Raises:
            OSError: it can't be written.
        """
        if self.size() > size:
            with open(self.path, "rb+") as file:
                file.truncate(size)


def ascend(places: Iterable[Any]) -> bool:
    """Whether each of a file's rows (by its epoch, or epoch and step) comes after the one before
    it; if not, another run has written there."""
    found = list(places)
    return all(one < other for one, other in pairwise(found))


class Complaint:
    """Lets training go on where a file can't be written, and says so once a run."""

    def __init__(self, asked_by: str) -> None:
        self.asked_by = asked_by
        self.made = False

    def begin(self) -> None:
        """A run begins: the next failure is told."""
        self.made = False

    def make(self, text: str) -> None:
        """Say it, the first time."""
        if not self.made:
            self.made = True
            warnings.warn(f"{self.asked_by}: {text}", RunWarning, stacklevel=5)

    @contextmanager
    def instead_of_error(self, path: Path) -> Iterator[None]:
        """`with complaint.instead_of_error(path):` around the writing: an OSError, or what is wrong
        with a file that is to be changed, becomes a RunWarning, the first time."""
        try:
            yield
        except (OSError, DataError) as error:
            self.make(f"can't write {path}: {error}")
