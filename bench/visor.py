"""python -m bench visor: how soon are drawings read, and what does the page cost the training?

A run trains in a process of its own, as python -m minicnn.train does; the page's server shows it.
Then 200 drawings a second are to be read, as lists of numbers and as pictures, with training beside
it and without: the goal is 50 ms for 99 of 100 answers. And an epoch's time is measured in turn
without a server, with one, and with one whose page is open in a browser (headless Chromium, where
Playwright is there).
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
BESIDE, WITHOUT = "minicnn beside training", "minicnn with nothing beside it"
ALONE, SERVED, OPEN = "minicnn alone", "minicnn + server", "minicnn + open page"
PATIENCE = 120.0  # seconds for anything to begin
BROWSERS = "chromium", "chromium-browser", "chrome", "google-chrome"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is trained, and how long."""
    add = parser.add_argument
    add("--data", default="sample", help='"sample", "mnist", "fashion", or a folder with a sheet')
    add("--rate", type=positive, default=RATE, help=f"drawings a second ({RATE})")
    add("--load", type=positive_seconds, default=20.0, help="seconds of them, each time (20)")
    add("--window", type=positive_seconds, default=8.0, help="seconds of training, each time (8)")


def run(options: argparse.Namespace) -> Report:
    """Train, and ask meanwhile; train with everybody in turn, round after round; ask alone."""
    load, window = (1.0, 0.5) if options.quick else (options.load, options.window)
    rounds = options.rounds or (1 if options.quick else 3)
    told: dict[tuple[str, str], dict[str, Any]] = {}
    notes = [f"The goal is {GOAL:g} ms for p99. An answer's time counts from when it was due."]
    with training(options.data) as running:
        with serving(running.folder) as link:
            for kind in KINDS:
                say(f"{options.rate} a second beside training: {KINDS[kind]}")
                told[kind, BESIDE] = ask(link, kind, options.rate, load)
        epochs = _epochs(running.folder, window, rounds, notes)
        with serving(running.folder) as link:
            running.process.kill()
            for kind in KINDS:
                say(f"{options.rate} a second: {KINDS[kind]}")
                told[kind, WITHOUT] = ask(link, kind, options.rate, load)
    rows = [
        _answers(KINDS[kind], who, told[kind, who], options.rate)
        for kind in KINDS
        for who in (BESIDE, WITHOUT)
    ]
    errors = sum(len(each["errors"]) for each in told.values())
    case = f"{Path(options.data).name}, course network"
    rows += [row(case, "an epoch", name, seconds) for name, seconds in epochs.items()]
    findings = {"answers that failed or did not come": float(errors)}
    return Report("visor", rows, findings=findings, notes=notes)


def _answers(what: str, who: str, told: dict[str, Any], rate: int) -> Row:
    return row(
        f"{what} to be read, {rate} a second",
        "an answer",
        who,
        told["seconds"],
        milliseconds(told["seconds"]),
    )


def _epochs(folder: Path, window: float, rounds: int, notes: list[str]) -> dict[str, list[float]]:
    """Seconds of an epoch, by who watches: a number for each round, the mean over a window."""
    found: dict[str, list[float]] = {ALONE: [], SERVED: [], OPEN: []}
    for number in range(rounds):
        for name in list(found):
            say(f"round {number + 1} of {rounds}: {name}")
            with ExitStack() as watching:
                link = watching.enter_context(serving(folder)) if name != ALONE else ""
                try:
                    if name == OPEN:
                        watching.enter_context(opened(link))
                except ImportError as error:
                    notes.append(f"Without an open page: {error}.")
                    del found[OPEN]
                    continue
                found[name].append(_seconds_an_epoch(folder, window))
    return found


def _seconds_an_epoch(folder: Path, window: float) -> float:
    """The mean from now on, over the whole epochs of a window, of two at least."""
    time.sleep(min(window, 1.0))  # what has just begun settles
    first, begun = _last_epoch(folder), time.perf_counter()
    last = first
    while time.perf_counter() < begun + window or last[0] < first[0] + 2:
        if time.perf_counter() > begun + window + PATIENCE:
            raise ChildFailed("minicnn.train: expected it to go on, but it does not")
        time.sleep(0.1)
        last = _last_epoch(folder)
    return (last[1] - first[1]) / (last[0] - first[0])


def _last_epoch(folder: Path) -> tuple[int, float]:
    """(its number, seconds of training at its end), as the run has written it down."""
    lines = (folder / "live.jsonl").read_bytes().splitlines()
    line = next(line for line in reversed(lines) if line.startswith(b'{"event":"epoch"'))
    told = json.loads(line)
    return told["epoch"], told["seconds"]


def ask(link: str, kind: str, rate: float, seconds: float) -> dict[str, Any]:
    """What bench.visor_program tells: {asked, seconds: [of each answer], errors: […]}.

    Raises:
        ChildFailed: it ended without.
    """
    messages = child.run("bench.visor_program", link, kind, str(rate), str(seconds))
    return [message for _, message in messages][-1]


def milliseconds(took: list[float]) -> dict[str, float]:
    """{"p50, ms", "p99, ms", "max, ms"} of answers' seconds."""
    cuts = quantiles(took, n=100, method="inclusive")
    return {"p50, ms": 1e3 * cuts[49], "p99, ms": 1e3 * cuts[98], "max, ms": 1e3 * max(took)}


class Training(NamedTuple):
    """A run that goes on."""

    folder: Path
    process: subprocess.Popen[str]


@contextmanager
def training(data: str = "sample") -> Iterator[Training]:
    """A run that goes on until the block ends; it has its first checkpoint."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        arguments = ["--data", data, "--epochs", "1000000", "--quiet", "--out", str(folder)]
        with _process("minicnn.train", *arguments) as process:
            end = time.perf_counter() + PATIENCE
            while not any((folder / "checkpoints").glob("*.safetensors")):
                if time.perf_counter() > end or process.poll() is not None:
                    raise ChildFailed("minicnn.train: expected a checkpoint, but none came")
                time.sleep(0.1)
            yield Training(folder, process)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The link to a page about a run, without its slash."""
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
    """The page in a browser that nobody sees, its curves drawn.

    Raises:
        ImportError: there is no Playwright, or no Chromium.
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
        page.wait_for_timeout(2000)  # milliseconds, until Plotly is there and has drawn
        yield
        browser.close()


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, which is ended with the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=child.settings()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def draw(report: Report) -> dict[str, Figure]:
    """Epochs a second, by who watches."""
    from . import plots

    rows = [r for r in report.rows if r.what == "an epoch"]
    for r in rows:
        r.figures["epochs/s"] = 1 / r.median
    return {"": plots.bars(report, rows, "epochs/s", "Epochs a second, beside the page and alone")}


if __name__ == "__main__":
    from .command import main

    sys.exit(main("visor"))
