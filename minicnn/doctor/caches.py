"""The two folders that minicnn keeps things in: compiled kernels, and data."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ..data.cache import data_folder

MIB = 1 << 20


def kernel_cache() -> dict[str, Any]:
    """Where compiled kernels are kept, which one of them is asked for, and how many there are.

    Kernels older than the sources were made of other ones (kernels/jit.py), and wait in vain.
    """
    from ..kernels.engine.threads import work_sharing

    given = os.environ.get("NUMBA_CACHE_DIR") or None
    stats = getattr(work_sharing.help_until_idle, "stats", None)
    folder = getattr(stats, "cache_path", None)
    facts: dict[str, Any] = {"given": given, "folder": folder, "why_not": None}
    if not folder:
        told = hasattr(stats, "cache_path")
        no_place = "neither beside the sources nor in the user's cache folder"
        facts["why_not"] = no_place if told else "this Numba does not tell where its cache is"
        return facts | {"writable": False if told else None}
    facts["why_not"] = why_not_writable(Path(folder))
    sources = Path(work_sharing.__file__).parent.glob("*.py")
    newest = max(path.stat().st_mtime for path in sources)
    entries = files_in(Path(folder), "*.nbi", "*.nbc")
    indexes = [when for name, _, when in entries if name.endswith(".nbi")]
    return facts | {
        "writable": facts["why_not"] is None,
        "files": len(entries),
        "mib": round(sum(size for _, size, _ in entries) / MIB, 1),
        "kernels": len(indexes),
        "older_than_sources": sum(when < newest for when in indexes),
    }


def data_cache() -> dict[str, Any]:
    """Where downloads and decoded sheets are kept."""
    folder = data_folder()
    entries = files_in(folder, "*", "*/*")
    why_not = why_not_writable(folder)
    return {
        "given": os.environ.get("MINICNN_DATA") or None,
        "folder": str(folder),
        "exists": folder.is_dir(),
        "writable": why_not is None,
        "why_not": why_not,
        "files": len(entries),
        "mib": round(sum(size for _, size, _ in entries) / MIB, 1),
    }


def why_not_writable(folder: Path) -> str | None:
    """Why no file can be written in the folder, or made with it; None: it can."""
    try:
        if folder.is_dir():
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))
            return None
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        if not there.is_dir():
            return f"{there} is no folder"
        return None if os.access(there, os.W_OK | os.X_OK) else f"{there} can't be written"
    except OSError as error:
        return error.strerror or str(error)


def files_in(folder: Path, *patterns: str) -> list[tuple[str, int, float]]:
    """(name, bytes, when written) of the files there; those that vanish meanwhile don't count."""
    found = []
    for pattern in patterns:
        for path in folder.glob(pattern):
            try:
                if path.is_file():
                    about = path.stat()
                    found.append((path.name, about.st_size, about.st_mtime))
            except OSError:
                continue
    return found
