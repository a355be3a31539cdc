"""python -m bench scaling: how does the cost grow with threads, batch, image size and channels?

One size varies at a time, starting from a 3×3 convolution of 64 images of 28×28 pixels with 16
input and output channels, forward and backward. The number of threads is also varied for a whole
training step of the course network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from minicnn import kernels

from .agreement import check_alike
from .command import effort, say
from .conv_competitors import competitors, problem
from .report import Report, Row, row, with_ratio
from .shapes import ConvShape
from .timing import interleaved, quartiles
from .train import competitors as step_competitors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 90
BASELINE = "PyTorch"
BASE = ConvShape(64, 28, 28, 16, 16, 3, 1, 1)
SMALL = ConvShape(2, 6, 6, 2, 2, 3, 1, 1)
STEP_BATCH, SMALL_BATCH = 512, 8
VALUES = {
    "batch": (1, 4, 16, 64, 256, 1024),
    "image size": (7, 14, 28, 56, 112),
    "channels": (2, 3, 8, 16, 31, 64, 128),
}
THREADS, STEP = "threads", "threads of a training step"
PANELS = (THREADS, STEP, *VALUES)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to vary."""
    names = [name.replace(" ", "-") for name in PANELS]
    parser.add_argument(
        "--along", nargs="+", choices=names, default=names, metavar="WHAT", help=", ".join(names)
    )


def run(options: argparse.Namespace) -> Report:
    """Check and time each point of each panel."""
    rows: list[Row] = []
    most = kernels.get_threads()
    for panel in [name for name in PANELS if name.replace(" ", "-") in options.along]:
        for value, shape in points(panel, most, options.quick):
            case = f"{panel} {value}"
            say(case)
            try:
                if panel in (THREADS, STEP):
                    kernels.set_threads(value)  # frameworks.torch() sets the same number
                if panel == STEP:
                    rows += _step(case, options)
                else:
                    rows += _convolution(case, shape, options)
            finally:
                kernels.set_threads(most)
    return Report("scaling", with_ratio(rows, BASELINE))


def points(panel: str, most_threads: int, quick: bool) -> Iterator[tuple[int, ConvShape]]:
    """(value, shape with one size changed to that value)."""
    base = SMALL if quick else BASE
    if panel in (THREADS, STEP):
        for threads in threads_up_to(most_threads):
            yield threads, base
        return
    for n in VALUES[panel][:2] if quick else VALUES[panel]:
        changed = {"batch": {"N": n}, "image size": {"H": n, "W": n}, "channels": {"C": n, "F": n}}
        yield n, base._replace(**changed[panel])


def threads_up_to(most: int) -> list[int]:
    """1, 2, 4, … and `most`."""
    return sorted({most, *(1 << k for k in range(most.bit_length()))})


def _convolution(case: str, shape: ConvShape, options: argparse.Namespace) -> list[Row]:
    """Forward and backward, with the algorithm that minicnn chooses."""
    p = problem(shape)
    found = competitors(p)
    base = found["minicnn numpy"]
    expected = base.arrays("total", base.parts["total"]())
    chosen = "minicnn" if "minicnn" in found else "minicnn numpy"
    runs: dict[str, Callable[[], object]] = {}
    for name, competitor in found.items():
        if name == chosen or not name.startswith("minicnn"):
            runs[name] = competitor.parts["total"]
            check_alike(f"{case}: {name}", expected, competitor.arrays("total", runs[name]()))
    rate = ("GFLOP/s", p.shape.flops("total") / 1e9)
    return _rows(case, "convolution", interleaved(runs, effort(options)), rate)


def _step(case: str, options: argparse.Namespace) -> list[Row]:
    """A training step; `python -m bench train` checks that its competitors agree."""
    batch = SMALL_BATCH if options.quick else STEP_BATCH
    what = argparse.Namespace(inference=False, compile=False, no_numpy=True, reference=False)
    steps = step_competitors("course", batch, what)
    return _rows(case, "training step", interleaved(steps, effort(options)), ("images/s", batch))


def _rows(
    case: str, what: str, seconds: Mapping[str, list[float]], rate: tuple[str, float]
) -> list[Row]:
    name, amount = rate
    return [
        row(case, what, competitor, values, {name: amount / quartiles(values).median})
        for competitor, values in seconds.items()
    ]


def draw(report: Report) -> dict[str, Figure]:
    """Milliseconds over each size."""
    from . import plots

    panels = plots.Panels()
    for r in report.rows:
        panel, _, value = r.case.rpartition(" ")
        panels.add(panel, r.competitor, float(value), r.spread.times(1e3))
    title = "How the cost grows: a 3×3 convolution, forward and backward"
    return {"": plots.lines(report, panels, ("", "ms"), title)}
