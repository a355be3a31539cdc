"""python -m bench accuracy: how many seconds from the command to 98 % of the test images right?

Each competitor is a process of its own that trains by the command line's recipe, from the same
weights and on the same batches, and looks at the test images four times an epoch. The clock runs
from the start of the process: imports, decoding and loading of compiled kernels count. A first,
short run of each compiles what must be compiled.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from minicnn import architectures, kernels

from . import child, frameworks
from .agreement import Disagreement
from .command import say
from .report import Report, Row, row, with_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 240
RIVAL = "PyTorch"
TARGETS = {True: (0.95, 0.97, 0.98), False: (0.97, 0.98, 0.99)}  # for the sample; for other data
TOLERANCE = 0.01  # of the last accuracy, between competitors

Curve = list[tuple[float, float]]  # (seconds, accuracy)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which data, and how good."""
    add = parser.add_argument
    add("--data", default="sample", help='"sample", "mnist", "fashion", or a folder with a sheet')
    add("--model", choices=architectures.TABLE, default="course")
    add("--target", type=share, nargs="+", help="accuracies to reach, as shares: 0.98 0.99")
    add("--seed", type=int, default=0)
    add("--no-numpy", action="store_true", help="leave out the NumPy backend, which is slow")


def share(text: str) -> float:
    """A number between 0 and 1, from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a share such as 0.98, received {text!r}")
    return value


def run(options: argparse.Namespace) -> Report:
    """Train everybody once to the end of the recipe; --rounds N: N times."""
    if options.data not in ("sample", "mnist", "fashion"):
        options.data = str(Path(options.data).resolve())  # programs may run elsewhere
    targets = options.target or TARGETS[options.data == "sample"]
    names = competitors(options)
    curves: dict[str, list[Curve]] = {name: [] for name in names}
    for who in names.values():
        race(who, options, quick=True)
    for _ in range(options.rounds or 1):
        for name, who in names.items():
            say(f"{name} trains")
            curves[name].append(race(who, options, options.quick))
    check(curves)
    case = f"{Path(options.data).name}, {options.model} network"
    rows: list[Row] = []
    for target in targets:
        for name, found in curves.items():
            seconds = [at for curve in found if (at := reached(curve, target)) is not None]
            if len(seconds) == len(found):
                rows.append(row(case, f"{100 * target:g} %", name, seconds))
    for name, found in curves.items():
        figures = {"last accuracy, %": 100 * found[0][-1][1]}
        rows.append(row(case, "whole recipe", name, [curve[-1][0] for curve in found], figures))
    drawn = {name: [list(point) for point in found[0]] for name, found in curves.items()}
    return Report("accuracy", with_ratio(rows, RIVAL), curves=drawn)


def competitors(options: argparse.Namespace) -> dict[str, str]:
    """Name → who it is to accuracy_program."""
    found: dict[str, str] = {}
    if "numba" in kernels.available_backends() and not options.quick:
        found["minicnn"] = "minicnn"
    if options.quick or not options.no_numpy or not found:
        found["minicnn numpy"] = "minicnn-numpy"
    if frameworks.torch() is not None and not options.quick:
        found |= {"PyTorch NCHW": "torch", "PyTorch channels-last": "torch-channels-last"}
    return found


def race(who: str, options: argparse.Namespace, quick: bool) -> Curve:
    """(seconds since the start of the process, accuracy), look after look."""
    arguments = (who, options.data, options.model, str(options.seed), "quick" if quick else "full")
    settings = {"MINICNN_THREADS": str(kernels.get_threads())}
    told = child.run("bench.accuracy_program", *arguments, environment=settings)
    return [(at, message["accuracy"]) for at, message in told]


def reached(curve: Curve, target: float) -> float | None:
    """When the accuracy first was that good; None: never."""
    return next((at for at, accuracy in curve if accuracy >= target), None)


def check(curves: dict[str, list[Curve]]) -> None:
    """All end up equally good, or they did not train alike.

    Raises:
        Disagreement: they do not.
    """
    last = {name: found[0][-1][1] for name, found in curves.items()}
    if max(last.values()) - min(last.values()) > TOLERANCE:
        raise Disagreement(f"expected equal accuracies at the end, received {last}")


def draw(report: Report) -> dict[str, Figure]:
    """Accuracy over the seconds since the start, of the first run of each."""
    from . import plots

    title = f"Seconds from the command to accuracy: {report.rows[0].case}"
    return {"": plots.races(report, ("seconds since the command", "test images misread, %"), title)}
