"""Programs that a benchmark runs and measures in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent  # where `bench` and `minicnn` can be imported from


class ChildFailed(RuntimeError):
    """A program failed; the message holds the end of its standard error."""


def run(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Run `python -m module arguments…`; yield (seconds since its start, message) for each line of
    JSON when it is printed.

    Args:
        environment: variables in addition to those of this process.
        folder: its working folder; default: that of this process.

    Raises:
        ChildFailed: its exit code is not 0.
    """
    begun = time.perf_counter()
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=settings(environment),
        cwd=folder,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                yield time.perf_counter() - begun, json.loads(line)
            errors = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise ChildFailed(f"{' '.join(command[1:])}: {errors.strip()[-600:] or 'no message'}")


def settings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables with which a program can import `bench` and `minicnn` in any folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(environment or {})}


def send(**message: object) -> None:
    """Called in such a program: send a message to the benchmark."""
    print(json.dumps(message), flush=True)


def peak_memory_mib() -> float:
    """The peak memory of this program, in MiB.

    On Linux from /proc, because getrusage reports at least the size of the parent process.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        from minicnn.runs.machine import peak_memory_mib as peak

        return peak() or 0.0
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
