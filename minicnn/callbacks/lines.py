"""LineFile: a text file that grows by whole lines; FileLogger: a callback that writes one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from ..errors import DataError, RunWarning
from ..hooks import Callback, State

OTHER_RUN = "{path}: another run has written to it since the checkpoint; nothing is removed, so \
repeated epochs appear twice"


class LineFile:
    """A file of lines, UTF-8. Each is written whole or not at all.

    The file is opened for every line: readers see the line at once, it survives a crash of the
    process, and a deleted file comes back with the next line.

    Raises:
        OSError: open, append and truncate, if the file can't be created or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def open(self, *, append: bool) -> None:
        """Create the file and missing folders. Empty it, or with append remove an incomplete last
        line, which a crash may have left."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+" if append else "wb+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

    def append(self, line: str, header: str = "") -> None:
        """Add a line (with its line break) in one write; undo it if the disk takes only a part. An
        empty or missing file gets `header` first."""
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
        """Cut the file to `size` bytes, if it is longer."""
        if self.size() > size:
            with open(self.path, "rb+") as file:
                file.truncate(size)


def ascending(positions: Iterable[tuple[float, ...]]) -> bool:
    """Whether each row's position (epoch, or epoch and step) is above the one before. If not,
    another run has written to the file."""
    return all(one < other for one, other in pairwise(positions))


class WarnOnce:
    """Lets training continue if a file can't be written, and warns once a run."""

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self._warned: set[str] = set()

    def begin(self) -> None:
        self._warned.clear()

    def warn(self, text: str, about: str = "writing") -> None:
        """Warn, the first time for each `about`."""
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(f"{self.caller}: {text}", RunWarning, stacklevel=5)

    @contextmanager
    def instead_of_error(self, path: Path) -> Iterator[None]:
        """Around the writing of `path`: turns OSError and DataError into a RunWarning."""
        try:
            yield
        except (OSError, DataError) as error:
            self.warn(f"can't write {path}: {error}")


class FileLogger(Callback):
    """Base of the callbacks that write one LineFile; a resumed run continues its file."""

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = Path(path), append
        self._file, self._warning = LineFile(path), WarnOnce(type(self).__name__)

    @property
    def state_name(self) -> str:
        return f"{type(self).__name__}({self.path.name})"

    def on_train_begin(self, state: State) -> None:
        self._warning.begin()
        self._file.open(append=self.append or state.resume.has_state_of(self))
