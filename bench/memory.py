"""python -m bench memory: how much memory does training take, over batch and data sizes?

Each figure is the peak of a process of its own that makes four training steps, imports and images
included. The images (28×28 pixels, uint8) lie in memory, all of them.
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
RIVAL = "PyTorch"
FEW, SMALL = 12_000, 128  # images and batch, where the other one is varied
BATCHES = (1, 16, 128, 512, 2048, 4096)
IMAGES = (12_000, 60_000, 240_000)
TOLERANCE = 2e-3  # of the last step's loss, between competitors


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which network and sizes."""
    add = parser.add_argument
    add("--model", choices=architectures.TABLE, default="course")
    add("--batch", type=positive, nargs="+", default=list(BATCHES), help="with 12,000 images")
    add("--images", type=positive, nargs="+", default=list(IMAGES), help="with batches of 128")


def run(options: argparse.Namespace) -> Report:
    """A process for each competitor and size; one is enough, for peaks hardly vary."""
    points = [(f"batch {n}", FEW, n) for n in options.batch]
    points += [(f"images {n}", n, SMALL) for n in options.images]
    rows: list[Row] = []
    for case, images, batch in points[:1] if options.quick else points:
        say(f"{case}: {images:,} images, batch {batch}")
        losses: dict[str, float] = {}
        for name, who in competitors(options.quick).items():
            peak, losses[name] = measure(who, options.model, images, batch)
            rows.append(row(case, "peak memory", name, [peak], unit="MiB"))
        check(case, losses, options.model)
    return Report("memory", with_ratio(rows, RIVAL))


def competitors(quick: bool) -> dict[str, str]:
    """Name → who it is to memory_program."""
    found = {"minicnn numpy": "minicnn-numpy"}
    if "numba" in kernels.available_backends() and not quick:
        found = {"minicnn": "minicnn", **found}
    if frameworks.torch() is not None and not quick:
        found |= {"PyTorch NCHW": "torch", "PyTorch channels-last": "torch-channels-last"}
    return found


def measure(who: str, network: str, images: int, batch: int) -> tuple[float, float]:
    """(peak memory in MiB, loss of the last step) of a process."""
    settings = {"MINICNN_THREADS": str(kernels.get_threads())}
    arguments = (who, network, str(images), str(batch))
    ((_, told),) = child.run("bench.memory_program", *arguments, environment=settings)
    return told["peak"], told["loss"]


def check(case: str, losses: dict[str, float], network: str) -> None:
    """All have trained the same, unless the network draws dropout masks.

    Raises:
        Disagreement: they have not.
    """
    first, *others = losses.values()
    for name, loss in zip(list(losses)[1:], others, strict=True):
        if network != "node" and not abs(loss - first) <= TOLERANCE * abs(first):
            raise Disagreement(f"{case}: expected a loss of {first:g}, {name} came to {loss:g}")


def draw(report: Report) -> dict[str, Figure]:
    """MiB over batch size, and over the number of images."""
    from . import plots

    panels: dict[str, dict[str, list[tuple[float, float, float, float]]]] = {}
    for r in report.rows:
        along, value = r.case.split()
        title = "batch size" if along == "batch" else "images in memory"
        points = panels.setdefault(title, {}).setdefault(r.competitor, [])
        points.append((float(value), r.median, r.q1, r.q3))
    title = "Peak memory of a training process"
    return {"": plots.lines(report, panels, ("", "MiB"), title, scale="linear")}
