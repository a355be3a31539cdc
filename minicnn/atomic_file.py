"""Write files atomically: a crash, a full disk or Ctrl-C leaves no incomplete file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UMASK = os.umask(0o077)  # reading it means setting it: once, before threads exist
os.umask(_UMASK)

_PREFIX = ".tmp-"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary file has the suffix of `path`, by which libraries choose a format. It is flushed
    to disk before the rename, and the folder after it. If the block raises, it is removed. Missing
    parent folders are created.

    Raises:
        OSError: the folder can't be created or written, or the disk is full.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_PREFIX, suffix=target.suffix)
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # mkstemp made it 0o600
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(target.parent)


def is_leftover(path: Path) -> bool:
    """Whether `path` is a temporary file of atomic_path."""
    return path.name.startswith(_PREFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a killed process from `folder`."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            path.unlink()


def _flush_folder(folder: Path) -> None:
    """Flush a rename to disk, which Windows can't."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
