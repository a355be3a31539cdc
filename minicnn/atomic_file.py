"""Writing files so that a crash, a full disk or Ctrl-C never leaves half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UMASK = os.umask(0o077)  # it can only be read by setting it: once, before threads exist
os.umask(_UMASK)

_PREFIX = ".tmp-"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary file keeps the suffix of `path` (libraries choose a format by it), is
    flushed to disk before the rename, as the folder is after it, and is removed when the block
    raises. Missing parent folders are made.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_PREFIX, suffix=target.suffix)
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # mkstemp gave 0o600, which the rename would keep
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(target.parent)


def is_leftover(path: Path) -> bool:
    """Whether it is a temporary file of atomic_path's."""
    return path.name.startswith(_PREFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a process left in `folder` when it was killed."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            path.unlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename outlive a power cut, where the system can (not on Windows)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
