"""python -m bench visor: how fast are drawings classified, and what does the page cost training?

A run trains in its own process, like python -m minicnn.train; the page's server shows it. A client
sends 200 drawings a second, as lists of numbers and as pictures, with and without training at the
same time: the goal is 50 ms for 99 of 100 answers. Then the time of an epoch is measured in turn
without a server, with one, and with a page open in a browser (headless Chromium, if Playwright is
installed).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

from . import child
from .child import ChildFailed
from .command import positive, positive_seconds, say
from .report import Report, Row, row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 200
RATE, GOAL = 200, 50.0  # answers a second; milliseconds, for 99 %
KINDS = {"pixels": "784 numbers", "png": "a drawing (PNG)"}
DURING, WITHOUT = "minicnn during training", "minicnn without training"
ALONE, SERVED, OPEN = "minicnn alone", "minicnn + server", "minicnn + open page"
TIMEOUT = 120.0  # seconds for anything to start
Answers = dict[str, Any]  # JSON
BROWSERS = "chromium", "chromium-browser", "chrome", "google-chrome"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The data, the rate of drawings, the durations."""
    add = parser.add_argument
    add("--data", default="sample", help='"sample", "mnist", "fashion", or a folder with a sheet')
    add("--rate", type=positive, default=RATE, help=f"drawings a second ({RATE})")
    add("--load", type=positive_seconds, default=20.0, help="seconds of drawings, each time (20)")
    add("--window", type=positive_seconds, default=8.0, help="seconds of training, each time (8)")


def run(options: argparse.Namespace) -> Report:
    """Send drawings during training; time epochs of each kind in turn; send drawings alone."""
    load, window = (1.0, 0.5) if options.quick else (options.load, options.window)
    rounds = options.rounds or (1 if options.quick else 3)
    answers: dict[tuple[str, str], Answers] = {}
    notes = [f"The goal is {GOAL:g} ms for p99. An answer's time counts from when it was due."]
    with training(options.data) as running:
        with serving(running.folder) as link:
            for kind in KINDS:
                say(f"{options.rate} a second during training: {KINDS[kind]}")
                answers[kind, DURING] = request(link, kind, options.rate, load)
        epochs = _epochs(running.folder, window, rounds, notes)
        with serving(running.folder) as link:
            running.process.kill()
            for kind in KINDS:
                say(f"{options.rate} a second: {KINDS[kind]}")
                answers[kind, WITHOUT] = request(link, kind, options.rate, load)
    rows = [
        _answers(KINDS[kind], competitor, answers[kind, competitor], options.rate)
        for kind in KINDS
        for competitor in (DURING, WITHOUT)
    ]
    errors = sum(len(each["errors"]) for each in answers.values())
    case = f"{Path(options.data).name}, course network"
    rows += [row(case, "an epoch", name, seconds) for name, seconds in epochs.items()]
    findings = {"failed or missing answers": float(errors)}
    return Report("visor", rows, findings=findings, notes=notes)


def _answers(what: str, competitor: str, answers: Answers, rate: int) -> Row:
    return row(
        f"{what}, {rate} a second",
        "an answer",
        competitor,
        answers["seconds"],
        milliseconds(answers["seconds"]),
    )


def _epochs(folder: Path, window: float, rounds: int, notes: list[str]) -> dict[str, list[float]]:
    """Seconds of an epoch, alone, with a server, with a page: for each round, a window's mean."""
    found: dict[str, list[float]] = {ALONE: [], SERVED: [], OPEN: []}
    for number in range(rounds):
        for name in list(found):
            say(f"round {number + 1} of {rounds}: {name}")
            with ExitStack() as stack:
                link = stack.enter_context(serving(folder)) if name != ALONE else ""
                try:
                    if name == OPEN:
                        stack.enter_context(opened(link))
                except ImportError as error:
                    notes.append(f"The open page is left out: {error}.")
                    del found[OPEN]
                    continue
                found[name].append(_seconds_an_epoch(folder, window))
    return found


def _seconds_an_epoch(folder: Path, window: float) -> float:
    """The mean over the complete epochs of a window, at least two, starting now."""
    time.sleep(min(window, 1.0))  # lets the server and the page start
    first, begun = _last_epoch(folder), time.perf_counter()
    last = first
    while time.perf_counter() < begun + window or last[0] < first[0] + 2:
        if time.perf_counter() > begun + window + TIMEOUT:
            raise ChildFailed("minicnn.train: expected it to continue, but it does not")
        time.sleep(0.1)
        last = _last_epoch(folder)
    return (last[1] - first[1]) / (last[0] - first[0])


def _last_epoch(folder: Path) -> tuple[int, float]:
    """(its number, seconds of training at its end), from the run's live.jsonl."""
    lines = (folder / "live.jsonl").read_bytes().splitlines()
    line = next(line for line in reversed(lines) if line.startswith(b'{"event":"epoch"'))
    event = json.loads(line)
    return event["epoch"], event["seconds"]


def request(link: str, kind: str, rate: float, seconds: float) -> Answers:
    """The message of bench.visor_program: {asked, seconds: [of each answer], errors: […]}.

    Raises:
        ChildFailed: it ended without one.
    """
    messages = child.run("bench.visor_program", link, kind, str(rate), str(seconds))
    return [message for _, message in messages][-1]


def milliseconds(took: list[float]) -> dict[str, float]:
    """{"p50, ms", "p99, ms", "max, ms"} of answers' seconds."""
    cuts = quantiles(took, n=100, method="inclusive")
    return {"p50, ms": 1e3 * cuts[49], "p99, ms": 1e3 * cuts[98], "max, ms": 1e3 * max(took)}


class Training(NamedTuple):
    """A run in progress."""

    folder: Path
    process: subprocess.Popen[str]


@contextmanager
def training(data: str = "sample") -> Iterator[Training]:
    """A run that continues until the block ends; it has its first checkpoint."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        arguments = ["--data", data, "--epochs", "1000000", "--quiet", "--out", str(folder)]
        with _process("minicnn.train", *arguments) as process:
            end = time.perf_counter() + TIMEOUT
            while not any((folder / "checkpoints").glob("*.safetensors")):
                if time.perf_counter() > end or process.poll() is not None:
                    raise ChildFailed("minicnn.train: expected a checkpoint, but none came")
                time.sleep(0.1)
            yield Training(folder, process)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The link to a page about a run, without the final slash."""
    with tempfile.TemporaryDirectory() as drawings:
        arguments = [str(folder), "--no-browser", "--drawings", f"{drawings}/own"]
        with _process("minicnn.visor", *arguments) as process:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise ChildFailed("minicnn.visor: expected a link, received none")
            yield found[0].rstrip("/")


@contextmanager
def opened(link: str) -> Iterator[None]:
    """The page in a headless browser, with its curves drawn.

    Raises:
        ImportError: Playwright or Chromium is missing.
    """
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise ImportError("there is no Chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(link)
        page.get_by_role("tab", name="Train").click()
        page.wait_for_timeout(2000)  # milliseconds for Plotly to load and draw
        yield
        browser.close()


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A module that runs as a process; it is killed at the end of the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=child.settings()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def draw(report: Report) -> dict[str, Figure]:
    """Epochs a second, alone, with a server and with an open page."""
    from . import plots

    rows = [r for r in report.rows if r.what == "an epoch"]
    for r in rows:
        r.figures["epochs/s"] = 1 / r.median
    return {"": plots.bars(report, rows, "epochs/s", "Epochs a second, with and without the page")}
