"""python -m bench memory: how much memory does training take, over batch and data sizes?

Each figure is the peak of a process that does four training steps, including imports and images.
All images (28×28 pixels, uint8) are in memory.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from minicnn import architectures, kernels

from . import child, frameworks
from .agreement import Disagreement
from .command import positive, say
from .report import Report, Row, row, with_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 90
BASELINE = "PyTorch"
FEW, SMALL = 12_000, 128  # images and batch, while the other one varies
BATCHES = (1, 16, 128, 512, 2048, 4096)
IMAGES = (12_000, 60_000, 240_000)
TOLERANCE = 2e-3  # relative, between the competitors' losses of the last step


def add_options(parser: argparse.ArgumentParser) -> None:
    """The network and the sizes."""
    add = parser.add_argument
    add("--model", choices=architectures.TABLE, default="course")
    add("--batch", type=positive, nargs="+", default=list(BATCHES), help="with 12,000 images")
    add("--images", type=positive, nargs="+", default=list(IMAGES), help="with batches of 128")


def run(options: argparse.Namespace) -> Report:
    """One process for each competitor and size; one is enough, because peaks hardly vary."""
    points = [(f"batch {n}", FEW, n) for n in options.batch]
    points += [(f"images {n}", n, SMALL) for n in options.images]
    rows: list[Row] = []
    for case, images, batch in points[:1] if options.quick else points:
        say(f"{case}: {images:,} images, batch {batch}")
        losses: dict[str, float] = {}
        for name, program in frameworks.programs(options.quick).items():
            peak, losses[name] = measure(program, options.model, images, batch)
            rows.append(row(case, "peak memory", name, [peak], unit="MiB"))
        check(case, losses, options.model)
    return Report("memory", with_ratio(rows, BASELINE))


def measure(program: str, network: str, images: int, batch: int) -> tuple[float, float]:
    """(peak memory in MiB, loss of the last step) of a process."""
    settings = {"MINICNN_THREADS": str(kernels.get_threads())}
    arguments = (program, network, str(images), str(batch))
    ((_, message),) = child.run("bench.memory_program", *arguments, environment=settings)
    return message["peak"], message["loss"]


def check(case: str, losses: dict[str, float], network: str) -> None:
    """Check that all end with the same loss, unless the network has dropout.

    Raises:
        Disagreement: they don't.
    """
    first, *others = losses.values()
    for name, loss in zip(list(losses)[1:], others, strict=True):
        if network != "node" and not abs(loss - first) <= TOLERANCE * abs(first):
            raise Disagreement(f"{case}: expected a loss of {first:g}, {name} has {loss:g}")


def draw(report: Report) -> dict[str, Figure]:
    """MiB over the batch size, and over the number of images."""
    from . import plots

    panels = plots.Panels()
    for r in report.rows:
        along, value = r.case.split()
        title = "batch size" if along == "batch" else "images in memory"
        panels.add(title, r.competitor, float(value), r.spread)
    title = "Peak memory of a training process"
    return {"": plots.lines(report, panels, ("", "MiB"), title, scale="linear")}
