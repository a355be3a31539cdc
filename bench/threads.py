"""python -m bench threads: what does sharing work among threads cost, on idle and busy machines?

A parallel region is 16 pieces of the same arithmetic, computed by all threads; it ends with the
last piece. Each competitor has its own process, because a process can load only one of Numba's
threading layers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from minicnn import kernels

from . import child
from .agreement import check_alike
from .command import effort, say
from .report import Report, Row, row
from .timing import interleaved, quartiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 60
ONE = "one thread"
PROGRAMS = {  # competitor → its name for bench.threads_program
    ONE: "single",
    "minicnn team": "team",
    "Numba OpenMP": "omp",
    "Numba workqueue": "workqueue",
    "Numba TBB": "tbb",
    "ThreadPoolExecutor": "pool",
}
WORK = (0, 20, 200, 2000)  # µs in one thread, in a region
PAUSES, PAUSED_WORK = (50, 2000, 20_000), 200  # µs
SPAN, FEWEST, MOST = 10_000, 5, 100  # µs of regions in a turn, and their number
LOAD = {False: "idle machine", True: "next to a busy process"}


Message = dict[str, Any]  # JSON


class Case(NamedTuple):
    """Regions of `work` µs, `pause` µs apart."""

    work: int
    pause: int
    busy: bool

    def __str__(self) -> str:
        work = f"{self.work:,} µs of work" if self.work else "no work"
        apart = f"after a pause of {self.pause:,} µs" if self.pause else "back to back"
        return f"{LOAD[self.busy]}: {work}, {apart}"

    @property
    def regions(self) -> int:
        """The number of regions in a turn."""
        return max(FEWEST, min(MOST, SPAN // max(1, self.work + self.pause)))


def cases(busy: bool) -> list[Case]:
    """All cases."""
    found = [Case(work, 0, busy) for work in WORK]
    return [*found, *(Case(PAUSED_WORK, pause, busy) for pause in PAUSES)]


class Program(NamedTuple):
    """A running program of PROGRAMS, which waits for requests."""

    name: str
    process: subprocess.Popen[str]

    def read(self) -> Message:
        """Its next message."""
        line = cast(IO[str], self.process.stdout).readline()
        if not line:
            message = cast(IO[str], self.process.stderr).read().strip()[-600:]
            raise child.ChildFailed(f"{self.name}: {message or 'no message'}")
        return json.loads(line)

    def request(self, count: int, turns: int, pause: float = 0.0) -> Message:
        """The answer to a request, see threads_program.main."""
        requests = cast(IO[str], self.process.stdin)
        print(
            json.dumps({"count": count, "turns": turns, "pause": pause}), file=requests, flush=True
        )
        return self.read()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Whether to measure on a busy machine."""
    parser.add_argument("--idle-only", action="store_true", help="not next to a busy process")


def run(options: argparse.Namespace) -> Report:
    """All cases on an idle machine, then all next to a busy process."""
    if "numba" not in kernels.available_backends():
        raise ValueError("expected Numba, which this benchmark measures; it is not installed")
    report = Report("threads", [])
    with ExitStack() as stack:
        say("all compile their regions")
        programs = [stack.enter_context(started(name)) for name in PROGRAMS]
        for program in list(programs):
            if (missing := program.read().get("missing")) is not None:
                programs.remove(program)
                report.notes.append(f"{program.name} is left out: {missing}")
        per_us = turns_per_us(programs[0])
        for busy in (False,) if options.idle_only else (False, True):
            if busy:
                stack.enter_context(started("busy"))
            for case in cases(busy)[:5:2] if options.quick else cases(busy):
                say(str(case))
                report.rows += measure(case, programs, round(per_us * case.work), options)
    return report


@contextmanager
def started(name: str) -> Iterator[Program]:
    """A program of PROGRAMS, or "busy"; it is killed at the end of the block."""
    program, n = PROGRAMS.get(name, name), str(kernels.get_threads())
    settings = {"MINICNN_THREADS": n, "NUMBA_NUM_THREADS": n, "NUMBA_THREADING_LAYER": program}
    if program in ("team", "pool", "single", "busy"):
        del settings["NUMBA_THREADING_LAYER"]
    if program == "tbb":  # pip installs its library outside of the loader's path
        settings["LD_LIBRARY_PATH"] = f"{sys.prefix}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}"
    with subprocess.Popen(
        [sys.executable, "-m", "bench.threads_program", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=child.settings(settings),
    ) as process:  # fmt: skip
        try:
            yield Program(name, process)
        finally:
            process.kill()


def turns_per_us(single: Program) -> float:
    """Iterations of each piece that make a region last 1 µs in one thread."""
    turns = 10_000
    return turns / (min(single.request(20, turns)["seconds"]) * 1e6)


def measure(
    case: Case, programs: list[Program], turns: int, options: argparse.Namespace
) -> list[Row]:
    """Check that all compute the same; then time each region, in turn."""
    count = FEWEST if options.quick else case.regions
    calls = {p.name: partial(p.request, count, turns, case.pause / 1e6) for p in programs}
    results = {name: {"results": np.array(call()["results"])} for name, call in calls.items()}
    for name, received in results.items():
        check_alike(f"{case}: {name}", results[ONE], received, tolerance=0)
    seconds: dict[str, list[float]] = {name: [] for name in calls}

    def measured(name: str) -> None:
        seconds[name].extend(calls[name]()["seconds"])

    interleaved({name: partial(measured, name) for name in calls}, effort(options))
    return list(rows(str(case), seconds))


def rows(case: str, seconds: Mapping[str, list[float]]) -> Iterator[Row]:
    """The quartiles, the 99th percentile, and the speed-up over one thread."""
    one = quartiles(seconds[ONE]).median
    for name, values in seconds.items():
        figures = {"p99, µs": float(np.percentile(values, 99)) * 1e6}
        figures["speed-up"] = one / quartiles(values).median
        yield row(case, "region", name, values, figures)


def draw(report: Report) -> dict[str, Figure]:
    """Speed-up over the work in a region, and over the pause before it."""
    from . import plots

    panels = plots.Panels()
    for case in [*cases(False), *cases(True)]:
        about = f"{PAUSED_WORK} µs after a pause" if case.pause else "back to back"
        for r in report.rows:
            if r.case == str(case) and case.work:
                speed_up = r.spread.rate(r.figures["speed-up"] * r.median)
                title = f"{LOAD[case.busy]}, {about}"
                panels.add(title, r.competitor, case.pause or case.work, speed_up)
    labels = ("µs of work, or of pause", "speed-up over one thread")
    return {"": plots.lines(report, panels, labels, "Speed-up by sharing work", scale="linear")}
