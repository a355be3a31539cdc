"""python -m bench accuracy: how many seconds from the command to 98 % accuracy on the test images?

Each competitor is a process that trains with the command line's recipe, from the same weights and
on the same batches, and evaluates the test images four times an epoch. The time counts from the
start of the process: it includes imports, decoding and loading compiled kernels. A short run of
each beforehand compiles what is missing.
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
BASELINE = "PyTorch"
TARGETS = {True: (0.95, 0.97, 0.98), False: (0.97, 0.98, 0.99)}  # for the sample; for other data
TOLERANCE = 0.01  # between the final accuracies of the competitors

Curve = list[tuple[float, float]]  # (seconds, accuracy)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The data, the network, the accuracies to reach."""
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
    """Train each competitor once with the whole recipe; with --rounds N: N times."""
    if options.data not in ("sample", "mnist", "fashion"):
        options.data = str(Path(options.data).resolve())  # programs may run in another folder
    targets = options.target or TARGETS[options.data == "sample"]
    names = frameworks.programs(options.quick, numpy=options.quick or not options.no_numpy)
    curves: dict[str, list[Curve]] = {name: [] for name in names}
    for program in names.values():
        train(program, options, quick=True)
    for _ in range(options.rounds or 1):
        for name, program in names.items():
            say(f"{name} trains")
            curves[name].append(train(program, options, options.quick))
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
    return Report("accuracy", with_ratio(rows, BASELINE), curves=drawn)


def train(program: str, options: argparse.Namespace, quick: bool) -> Curve:
    """(seconds since the start of the process, accuracy) of each evaluation."""
    effort = "quick" if quick else "full"
    arguments = (program, options.data, options.model, str(options.seed), effort)
    settings = {"MINICNN_THREADS": str(kernels.get_threads())}
    messages = child.run("bench.accuracy_program", *arguments, environment=settings)
    return [(at, message["accuracy"]) for at, message in messages]


def reached(curve: Curve, target: float) -> float | None:
    """When the accuracy first reached the target; None: never."""
    return next((at for at, accuracy in curve if accuracy >= target), None)


def check(curves: dict[str, list[Curve]]) -> None:
    """Check that all competitors reach the same final accuracy.

    Raises:
        Disagreement: they don't.
    """
    last = {name: found[0][-1][1] for name, found in curves.items()}
    if max(last.values()) - min(last.values()) > TOLERANCE:
        raise Disagreement(f"expected equal accuracies at the end, received {last}")


def draw(report: Report) -> dict[str, Figure]:
    """Test error over the seconds since the start, for the first run of each competitor."""
    from . import plots

    title = f"Seconds from the command to accuracy: {report.rows[0].case}"
    labels = ("seconds since the command", "misclassified test images, %")
    return {"": plots.error_curves(report, labels, title)}
