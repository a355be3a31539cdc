"""python -m bench stages: where does the time of a training step go?

The step is that of fit(): take a batch of uint8 images, forward, loss, backward, optimizer. A
stopwatch wraps the methods of each stage, so the measured code is the code that runs. In addition,
the primitives of a step are measured one by one, at the size of the network's second convolution.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minicnn import Sequential, architectures, kernels, optimizers
from minicnn.batches import Batches, samples
from minicnn.data import ScaledImages
from minicnn.fit import train_step
from minicnn.typing import Array

from .agreement import check_alike
from .command import effort, positive, say
from .primitives import primitives
from .report import Report, Row, row
from .timing import Stopwatch, interleaved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 25
IMAGES = 4096  # in the training data, at least
SHAPE = (28, 28, 1)
CHECKED = 10  # steps whose losses are compared
TOLERANCE = 1e-3  # relative, between these losses


def add_options(parser: argparse.ArgumentParser) -> None:
    """The network and the batch size."""
    parser.add_argument("--model", choices=architectures.TABLE, default="course")
    parser.add_argument("--batch", type=positive, help="images; default: 512")
    parser.add_argument("--no-primitives", action="store_true", help="only the step")


def run(options: argparse.Namespace) -> Report:
    """Check that all variants train in the same way, then time them in turn."""
    batch = options.batch or (8 if options.quick else 512)
    case = f"{options.model}, batch {batch}"
    say(case)
    watches, losses = {}, {}
    steps: dict[str, Callable[[], float]] = {}
    for name, backend, fused in _variants():
        watches[name] = Stopwatch()
        steps[name] = _watched_step(options.model, batch, backend, fused, watches[name])
        losses[name] = np.array([steps[name]() for _ in range(CHECKED)])
    first, *others = losses
    for other in others if options.model != "node" else ():  # dropout masks differ
        check_alike(f"{first} and {other}", _loss(losses[first]), _loss(losses[other]), TOLERANCE)
    interleaved(steps, effort(options))
    rows = [r for name, watch in watches.items() for r in _rows(case, name, watch)]
    if not options.no_primitives:
        for part, calls in primitives(options.model, batch).items():
            say(part)
            for name, seconds in interleaved(calls, effort(options)).items():
                rows.append(row(f"primitives, batch {batch}", part, name, seconds))
    return Report("stages", rows, parts="down")


def _variants() -> list[tuple[str, str, bool]]:
    """(name, backend, fused)."""
    found = [("minicnn numpy", "numpy", True)]
    if "numba" in kernels.available_backends():
        found = [("minicnn", "numba", True), ("minicnn unfused", "numba", False), *found]
    return found


def _watched_step(
    name: str, batch: int, backend: str, fused: bool, watch: Stopwatch
) -> Callable[[], float]:
    """A step of fit() under the stopwatch; it returns the loss."""
    rng = np.random.default_rng(0)
    count = max(IMAGES, batch)
    pixels = rng.integers(0, 256, (count, SHAPE[0] * SHAPE[1]), np.uint8)
    labels = np.eye(10, dtype=np.uint8)[rng.integers(0, 10, count)]
    model = Sequential(architectures.TABLE[name](10), SHAPE, seed=0)
    model.compile(optimizers.Adam(1e-3), metrics=["accuracy"])
    model.fused = fused
    data = samples(ScaledImages(pixels, SHAPE), labels, SHAPE, model.dtype)
    batches = Batches(count, batch, np.random.default_rng(1))
    watch.watch(data, "take", "take the batch")
    names = _stage_names(model)
    for stage, label in zip(model.stages, names, strict=True):
        watch.watch(stage, "forward", f"forward {label}")
        watch.watch(stage, "backward", f"backward {label}")
    watch.watch(model.loss, "with_gradient", "loss")
    watch.watch(model.optimizer, "step", "optimizer")

    def step() -> float:
        rows = next(batches)
        with kernels.use_backend(backend):
            x, y, _ = data.take(rows)
            return train_step(model, x, y)["loss"]

    return lambda: watch.step(step, "the rest")


def _stage_names(model: Sequential) -> list[str]:
    """A name for each stage: the last layer with weights up to it.

    It makes fused and unfused steps comparable: "1 Conv2D" is the first convolution and the pooling
    after it.
    """
    names, found = [], 0
    name = "before the first weights"
    for stage in model.stages:
        if stage.params:
            found += 1
            name = f"{found} {getattr(stage, 'weighted', stage).label}"
        names.append(name)
    return names


def _rows(case: str, name: str, watch: Stopwatch) -> list[Row]:
    """The parts in the order of the step, and the whole step; without the compared steps."""
    steps = watch.steps[CHECKED:]
    parts = [row(case, part, name, [step[part] for step in steps]) for part in steps[0]]
    return [*parts, row(case, "the whole step", name, [sum(step.values()) for step in steps])]


def _loss(values: Array) -> dict[str, Array]:
    return {"losses": values}


def draw(report: Report) -> dict[str, Figure]:
    """A bar for each variant, stacked from its parts: in milliseconds, and in percent."""
    from . import plots

    case = report.rows[0].case
    shown = [r for r in report.rows if r.case == case]
    least = 0.004 * max(r.median for r in shown)
    visible = {r.what for r in shown if r.median > least} - {"the whole step"}
    columns: dict[str, dict[str, float]] = {}
    for r in shown:
        if r.what in visible:
            columns.setdefault(r.competitor, {})[r.what] = r.median * 1e3
    shares = {
        name: {part: 100 * value / sum(parts.values()) for part, value in parts.items()}
        for name, parts in columns.items()
    }
    title = f"Where a training step's time goes: {case}"
    return {
        "": plots.stacks(report, columns, "ms of a step", title),
        "-share": plots.stacks(report, shares, "% of the step", title),
    }
