"""python -m bench threads: what does sharing work among threads cost, idle and on a busy machine?

A region is 16 pieces of the same arithmetic, done by all threads; it ends when the last piece
does. Everybody has a process of its own, for Numba's threading layer is chosen once in a process.
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
ONE, TEAM = "one thread", "minicnn team"
WHO = {  # → what bench.threads_program knows them by
    ONE: "alone",
    TEAM: "team",
    "Numba OpenMP": "omp",
    "Numba workqueue": "workqueue",
    "Numba TBB": "tbb",
    "ThreadPoolExecutor": "pool",
}
WORK = (0, 20, 200, 2000)  # µs of one thread, in a region
PAUSES, PAUSED_WORK = (50, 2000, 20_000), 200  # µs
SPAN, FEWEST, MOST = 10_000, 5, 100  # µs of regions in a turn, and how many
BESIDE = {False: "machine idle", True: "beside a busy process"}


class Case(NamedTuple):
    """Regions of `work` µs, `pause` µs apart."""

    work: int
    pause: int
    busy: bool

    def __str__(self) -> str:
        work = f"{self.work:,} µs of work" if self.work else "no work"
        apart = f"after a pause of {self.pause:,} µs" if self.pause else "back to back"
        return f"{BESIDE[self.busy]}: {work}, {apart}"

    @property
    def regions(self) -> int:
        """In a turn."""
        return max(FEWEST, min(MOST, SPAN // max(1, self.work + self.pause)))


def cases(busy: bool) -> list[Case]:
    """All that is measured."""
    found = [Case(work, 0, busy) for work in WORK]
    return [*found, *(Case(PAUSED_WORK, pause, busy) for pause in PAUSES)]


class Program(NamedTuple):
    """One of WHO at work: it waits for requests."""

    name: str
    process: subprocess.Popen[str]

    def answer(self) -> Any:
        """What it says next."""
        line = cast(IO[str], self.process.stdout).readline()
        if not line:
            message = cast(IO[str], self.process.stderr).read().strip()[-600:]
            raise child.ChildFailed(f"{self.name}: {message or 'no message'}")
        return json.loads(line)

    def ask(self, count: int, turns: int, pause: float = 0.0) -> Any:
        """As threads_program.main describes."""
        requests = cast(IO[str], self.process.stdin)
        print(
            json.dumps({"count": count, "turns": turns, "pause": pause}), file=requests, flush=True
        )
        return self.answer()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Beside whom."""
    parser.add_argument("--idle-only", action="store_true", help="never beside a busy process")


def run(options: argparse.Namespace) -> Report:
    """All cases on an idle machine, then all beside a busy process."""
    if "numba" not in kernels.available_backends():
        raise ValueError("expected Numba, which is what is measured; it is not installed")
    report = Report("threads", [])
    with ExitStack() as stack:
        say("All compile their regions")
        programs = [stack.enter_context(started(name)) for name in WHO]
        for program in list(programs):
            if (missing := program.answer().get("missing")) is not None:
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
    """One of WHO, or "busy"; ended with the block, come what may."""
    who, n = WHO.get(name, name), str(kernels.get_threads())
    settings = {"MINICNN_THREADS": n, "NUMBA_NUM_THREADS": n, "NUMBA_THREADING_LAYER": who}
    if who in ("team", "pool", "alone", "busy"):
        del settings["NUMBA_THREADING_LAYER"]
    if who == "tbb":  # pip puts its library where the loader does not look
        settings["LD_LIBRARY_PATH"] = f"{sys.prefix}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}"
    with subprocess.Popen(
        [sys.executable, "-m", "bench.threads_program", who],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **settings}, cwd=child.ROOT,
    ) as process:  # fmt: skip
        try:
            yield Program(name, process)
        finally:
            process.kill()


def turns_per_us(alone: Program) -> float:
    """Turns that each of the pieces may take for a region to last a µs in one thread."""
    turns = 10_000
    return turns / (min(alone.ask(20, turns)["seconds"]) * 1e6)


def measure(
    case: Case, programs: list[Program], turns: int, options: argparse.Namespace
) -> list[Row]:
    """Check that all compute the same; then time them in turn, each region by itself."""
    count = FEWEST if options.quick else case.regions
    ask = {p.name: partial(p.ask, count, turns, case.pause / 1e6) for p in programs}
    results = {name: {"results": np.array(a()["results"])} for name, a in ask.items()}
    for name, received in results.items():
        check_alike(f"{case}: {name}", results[ONE], received, tolerance=0)
    seconds: dict[str, list[float]] = {name: [] for name in ask}
    for name, a in ask.items():
        ask[name] = partial(lambda name, a: seconds[name].extend(a()["seconds"]), name, a)
    interleaved(ask, effort(options))
    return list(rows(str(case), seconds))


def rows(case: str, seconds: Mapping[str, list[float]]) -> Iterator[Row]:
    """Beside the quartiles: how bad a bad region is, and what sharing gains."""
    one = quartiles(seconds[ONE]).median
    for name, values in seconds.items():
        figures = {"p99, µs": float(np.percentile(values, 99)) * 1e6}
        figures["speed-up"] = one / quartiles(values).median
        yield row(case, "region", name, values, figures)


def draw(report: Report) -> dict[str, Figure]:
    """Speed-up over the work in a region, and over the pause before it."""
    from . import plots

    panels: dict[str, dict[str, list[tuple[float, float, float, float]]]] = {}
    for case in [*cases(False), *cases(True)]:
        about = f"{PAUSED_WORK} µs after a pause" if case.pause else "back to back"
        for r in report.rows:
            if r.case == str(case) and case.work:
                fast = r.figures["speed-up"] * r.median
                point = (case.pause or case.work, fast / r.median, fast / r.q3, fast / r.q1)
                curves = panels.setdefault(f"{BESIDE[case.busy]}, {about}", {})
                curves.setdefault(r.competitor, []).append(point)
    labels = ("µs of work, or of pause", "speed-up over one thread")
    return {"": plots.lines(report, panels, labels, "What sharing work gains", scale="linear")}
