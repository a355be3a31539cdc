"""python -m bench train: how fast is a whole training step, compared with PyTorch and JAX?

First all train 20 steps on the same batches from the same weights, and their losses must agree
(outputs, with --inference). Then they are timed in turn: minicnn fused, unfused and with NumPy
alone; PyTorch eager in both memory layouts, with its fused Adam; compiled, with --compile; JAX,
compiled, if installed. Images are in memory. A first call compiles, or loads compiled kernels
(--cold: compiles).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minicnn import Sequential, architectures, kernels, optimizers
from minicnn.typing import Array

from . import frameworks
from .agreement import Disagreement, check_alike
from .command import effort, positive, say
from .report import Report, Row, row, with_ratio
from .timing import interleaved, once

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Step = Callable[[], Array]  # returns the loss before the step, or with --inference the outputs

SECONDS = 20
BASELINE = "PyTorch"
SHAPE = (28, 28, 1)
RANDOM = ("node",)  # networks with dropout, whose masks differ between competitors
TOLERANCE = 1e-3  # of the losses over 20 steps, relative to the largest


def add_options(parser: argparse.ArgumentParser) -> None:
    """The networks, the batch sizes and the competitors."""
    add = parser.add_argument
    add("--model", choices=architectures.TABLE, nargs="+", default=["course"])
    add("--batch", type=positive, nargs="+", help="images; default: 64 512 (inference: 1 512)")
    add("--inference", action="store_true", help="forward only")
    add("--compile", action="store_true", help="include torch.compile, which is slow to start")
    add("--no-numpy", action="store_true", help="leave out the NumPy backend")
    add("--reference", action="store_true", help="include the plain loops: seconds for 2 images")


def run(options: argparse.Namespace) -> Report:
    """For each network and batch size: check, then time."""
    batches = options.batch or ([4] if options.quick else [1 if options.inference else 64, 512])
    what = "inference" if options.inference else "training step"
    rows: list[Row] = []
    for model in options.model:
        for batch in batches:
            case = f"{model}, batch {batch}"
            say(f"{case}: {what}")
            steps = competitors(model, batch, options)
            first = {name: once(step) for name, step in steps.items()}
            if options.inference or model not in RANDOM:
                check(case, competitors(model, batch, options), 1 if options.inference else 20)
            for name, seconds in interleaved(steps, effort(options)).items():
                figures = {"images/s": batch / float(np.median(seconds))}
                figures |= {"first call, s": first[name]}
                rows.append(row(case, what, name, seconds, figures))
    rows = with_ratio(rows, BASELINE)
    ratio = f"× {BASELINE}"
    ours = [r for r in rows if r.ours and ratio in r.figures]
    return Report("train", rows, {f"{ratio}, {_name(r)}": r.figures[ratio] for r in ours})


def competitors(name: str, batch: int, options: argparse.Namespace) -> dict[str, Step]:
    """A step function for each competitor, with the same weights and the same batch."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, *SHAPE), dtype=np.float32)
    y = np.eye(10, dtype=np.uint8)[rng.integers(0, 10, batch)]

    def model(fused: bool = True) -> Sequential:
        m = Sequential(architectures.TABLE[name](10), SHAPE, seed=0)
        m.compile(optimizers.Adam(1e-3))
        m.fused = fused
        return m

    forward = options.inference
    steps: dict[str, Step] = {}
    if "numba" in kernels.available_backends():
        steps["minicnn"] = minicnn_step(model(), "numba", x, y, forward)
        steps["minicnn unfused"] = minicnn_step(model(fused=False), "numba", x, y, forward)
    if not options.no_numpy or not steps:
        steps["minicnn numpy"] = minicnn_step(model(), "numpy", x, y, forward)
    if options.reference:
        steps["minicnn reference"] = minicnn_step(model(), "reference", x, y, forward)
    if frameworks.torch() is not None:
        from .torch_network import torch_step

        layouts = {"NCHW": False, "channels-last": True}
        for layout, last in layouts.items():
            steps[f"PyTorch {layout}"] = torch_step(model(), x, y, last, forward)
        for layout, last in layouts.items() if options.compile else ():
            compiled = torch_step(model(), x, y, last, forward, compiled=True)
            steps[f"PyTorch compiled {layout}"] = compiled
    if frameworks.jax() is not None and name not in RANDOM:
        from .jax_network import jax_step

        steps["JAX"] = jax_step(model(), x, y, forward)
    return steps


def minicnn_step(model: Sequential, backend: str, x: Array, y: Array, forward: bool) -> Step:
    """One step of minicnn on (x, y), or its outputs for x."""

    def step() -> Array:
        with kernels.use_backend(backend):
            if forward:
                return model.forward(x)
            return np.array(model.train_on_batch(x, y)["loss"])

    return step


def check(case: str, steps: dict[str, Step], count: int) -> None:
    """Check that all return the same in `count` steps.

    Raises:
        Disagreement: they don't.
    """
    results = {name: np.array([step() for _ in range(count)]) for name, step in steps.items()}
    first, *others = results
    for other in others:
        where = f"{case}: {first} and {other}, {count} steps"
        check_alike(where, {"": results[first]}, {"": results[other]}, TOLERANCE)
    if not all(np.isfinite(result).all() for result in results.values()):
        raise Disagreement(f"{case}: expected finite numbers")


def _name(r: Row) -> str:
    return f"{r.competitor}, {r.what}, {r.case}"


def draw(report: Report) -> dict[str, Figure]:
    """Images a second; over the batch sizes if there are three or more."""
    from . import plots

    what = report.rows[0].what
    title = f"{'Inference' if what == 'inference' else 'Training'}: images a second"
    panels = plots.Panels()
    for r in report.rows:
        model, batch = r.case.split(", batch ")
        panels.add(f"{model} network", r.competitor, int(batch), r.spread.rate(int(batch)))
    if max(len(points) for curves in panels.values() for points in curves.values()) < 3:
        return {"": plots.bars(report, report.rows, "images/s", title)}
    return {"": plots.lines(report, panels, ("batch size, images", "images/s"), title)}
