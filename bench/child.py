"""What a benchmark measures from outside: programs run in processes of their own."""

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
    """A program ended badly; has the end of what it wrote to standard error."""


def run(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Run `python -m module arguments…`; yield (seconds since it was started, message) for each
    line of JSON that it prints, as it comes.

    Args:
        environment: variables beside those of this process.
        folder: where it runs; default: here.

    Raises:
        ChildFailed: it ended with another exit code than 0.
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
    """The variables of a program that is started: it can import `bench` and `minicnn`, from
    wherever it runs."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(environment or {})}


def tell(**message: Any) -> None:
    """From inside such a program: send a message to the benchmark."""
    print(json.dumps(message), flush=True)


def peak_memory_mib() -> float:
    """The most memory that this program has held, in MiB.

    Linux's own figure for the program: getrusage's is at least as large as the process was
    that started it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        from minicnn.runs.machine import peak_memory_mib as peak

        return peak() or 0.0
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
