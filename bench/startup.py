"""python -m bench startup: how long from the command to the first training step?

Each run is a new process that ends after that step. The very first run has an empty cache of
compiled kernels; later runs use the cache that it filled. (Python's bytecode and the operating
system's file cache are warm in all runs.)
"""

from __future__ import annotations

import argparse
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from minicnn import kernels
from minicnn.typing import Array

from . import child, frameworks
from .command import say
from .report import Report, Row, row
from .startup_program import PHASES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 60
FIRST, LATER = "very first run", "later runs"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The competitors."""
    parser.add_argument("--compile", action="store_true", help="include torch.compile")


def run(options: argparse.Namespace) -> Report:
    """In each round, start each competitor with an empty cache, then again."""
    programs = {"minicnn": ["minicnn"]}
    if frameworks.torch() is not None and not options.quick:
        programs["PyTorch"] = ["torch"]
        if options.compile:
            programs["PyTorch compiled"] = ["torch", "compile"]
    rounds = options.rounds or (1 if options.quick else 3)
    stamps: dict[tuple[str, str], list[list[float]]] = {}
    for number in range(rounds):
        for name, arguments in programs.items():
            say(f"round {number + 1} of {rounds}: {name}")
            with tempfile.TemporaryDirectory() as cache:
                for case in (FIRST, LATER):
                    at = start(arguments, cache, "numpy" if options.quick else None)
                    stamps.setdefault((case, name), []).append(at)
    rows = [
        r
        for case in (FIRST, LATER)
        for name in programs
        for r in _rows(case, name, np.array(stamps[case, name]))
    ]
    return Report("startup", rows)


def start(arguments: list[str], cache: str, backend: str | None = None) -> list[float]:
    """Seconds from the start of the process to the end of each phase, in order.

    Args:
        cache: a folder for compiled code.
        backend: of minicnn; None: the default.
    """
    environment = {
        "NUMBA_CACHE_DIR": cache,
        "TORCHINDUCTOR_CACHE_DIR": cache,
        "MINICNN_THREADS": str(kernels.get_threads()),
    }
    environment |= {"MINICNN_BACKEND": backend} if backend else {}
    with tempfile.TemporaryDirectory() as folder:  # for the run folder
        messages = child.run(
            "bench.startup_program", *arguments, environment=environment, folder=folder
        )
        seconds = {message["phase"]: at for at, message in messages}
    return [seconds[phase] for phase in PHASES]


def _rows(case: str, name: str, stamps: Array) -> list[Row]:
    """A row for each phase, and one for all of them; stamps: (rounds, phases)."""
    phases = np.diff(stamps, axis=1, prepend=0)
    rows = [row(case, p, name, phases[:, k].tolist()) for k, p in enumerate(PHASES)]
    return [*rows, row(case, "to the first training step", name, stamps[:, -1].tolist())]


def draw(report: Report) -> dict[str, Figure]:
    """A bar for each program and run, stacked from its phases."""
    from . import plots

    columns = {
        f"{r.competitor}, {r.case}": {
            other.what: other.median
            for other in report.rows
            if (other.case, other.competitor) == (r.case, r.competitor) and other.what in PHASES
        }
        for r in report.rows
    }
    title = "From the command to the first training step"
    return {"": plots.stacks(report, columns, "seconds", title)}
