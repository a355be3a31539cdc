"""python -m bench profile: where does the time of a convolution go, and what bounds it?

For one shape and one algorithm: its steps, the operations and bytes of each, which of the two
ceilings of this machine bounds it, and how close it comes. The lower bound of a step is the larger
of two times: its operations at the peak rate, and its bytes at the bandwidth of memory. (Bytes in a
cache are faster: a step can take less than its time for memory.)
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn import kernels

from . import ceiling, conv, listing, shapes
from .command import effort, say
from .conv_competitors import Problem, as_layers, by_minicnn, prepared_operation, problem
from .report import Report, row
from .timing import interleaved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 10
NUMBA = ("implicit", "fused")  # algorithms that need Numba
QUICK = shapes.ConvShape(2, 8, 8, 2, 4, 3)


class Step(NamedTuple):
    """A step of an algorithm: what it does, its operations, the bytes it must move, a call."""

    what: str
    flops: float
    bytes: float
    call: Callable[[], object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The convolution and the algorithm."""
    add = parser.add_argument
    add("--shape", type=shapes.parse, help="a name, or N,H,C,F,k,stride,pad; default: course2")
    add("--algorithm", choices=("numpy", "im2col", "implicit", "fused"), help="default: fused")
    add("--asm", action="store_true", help="is the hottest loop of each kernel vectorized?")


def run(options: argparse.Namespace) -> Report:
    """Check, then time each step."""
    shape = options.shape or (QUICK if options.quick else shapes.TEN["course2"])
    has_numba = "numba" in kernels.available_backends()
    algorithm = options.algorithm or ("fused" if has_numba else "numpy")
    if algorithm != "numpy" and not has_numba:
        raise ValueError(f"expected Numba for algorithm {algorithm}, which is not installed")
    if algorithm == "fused" and not shape.can_pool:
        raise ValueError(f"expected outputs of at least 2×2 for {algorithm}, received {shape}")
    if options.asm and algorithm not in NUMBA:
        raise ValueError(f"expected --asm with {' or '.join(NUMBA)}, received {algorithm}")
    say(f"{shapes.name_of(shape)}, {algorithm}")
    p = problem(shape, pooled=algorithm == "fused")
    conv.check_small(p)
    limits = ceiling.measure(0.02 if options.quick else 0.3)
    steps = by_matrices(p, algorithm) if algorithm in ("numpy", "im2col") else whole(p, algorithm)
    seconds = interleaved({name: step.call for name, step in steps.items()}, effort(options))
    case, rows = f"{shapes.name_of(shape)}, {algorithm}", []
    for name, step in steps.items():
        figures = figures_of(step, float(np.median(seconds[name])), limits)
        rows.append(row(case, name, f"minicnn {algorithm}", seconds[name], figures))
    findings = {
        "ceiling, GFLOP/s": limits.flops / 1e9,
        "ceiling, GB/s to and from memory": limits.bandwidth / 1e9,
    }
    notes = [f"{name}: {step.what}" for name, step in steps.items()]
    if options.asm:
        notes += loops(p)
    return Report("profile", rows, findings, parts="down", notes=notes)


def figures_of(step: Step, seconds: float, limits: ceiling.Ceilings) -> dict[str, float]:
    """What bounds a step, and how close to the bound it is."""
    arithmetic, memory = step.flops / limits.flops, step.bytes / limits.bandwidth
    return {
        "MFLOP": step.flops / 1e6,
        "MB": step.bytes / 1e6,
        "FLOP/byte": step.flops / step.bytes,
        "GFLOP/s": step.flops / seconds / 1e9,
        "GB/s": step.bytes / seconds / 1e9,
        "ms for arithmetic": arithmetic * 1e3,
        "ms for memory": memory * 1e3,
        "% of the bound": 100 * max(arithmetic, memory) / seconds,
    }


def whole(p: Problem, algorithm: str) -> dict[str, Step]:
    """The steps of the register tile's algorithms, which store nothing between x and y."""
    operation = prepared_operation(p)
    if operation is None:
        raise ValueError(f"expected a shape for which {algorithm} is used, received {p.shape}")
    layers = as_layers(p)
    assert layers is not None
    conv.check("NumPy and the operation", by_minicnn(p, backend="numpy"), layers)
    s = p.shape
    pooled = " and pools them in registers" if p.pooled else ""
    winners = ", of the maxima only" if p.pooled else ""
    table = {
        "forward": (
            f"the tile reads the patches in x, multiplies{pooled}, writes y",
            partial(operation.forward, p.x, p.w, p.b),
        ),
        "dw, db": (
            f"sums patches times dy{winners}, for each piece of the batch",
            partial(operation.backward, p.dy, p.x, p.w, False),
        ),
        "backward": (
            f"dw and db as before, then dx: dy times the filters{winners}",
            partial(operation.backward, p.dy, p.x, p.w, True),
        ),
    }
    return {
        part: Step(what, s.flops(part), s.bytes(part, p.pooled), call)
        for part, (what, call) in table.items()
    }


def by_matrices(p: Problem, algorithm: str) -> dict[str, Step]:
    """The steps of im2col, each for the whole batch.

    (The kernels process a few images at a time, and the patch matrix stays in the cache.)
    """
    s, backend = p.shape, "numba" if algorithm == "im2col" else "numpy"
    kernel = (s.k, s.k)
    options: dict[str, Any] = {"stride": s.stride, "padding": s.pad}
    cols = kernels.im2col(p.x, kernel, **options, backend="numpy")
    w, dy = p.w.reshape(-1, s.F), p.dy.reshape(-1, s.F)
    transposed = np.ascontiguousarray(w.T)
    blas: dict[str, Any] = {"algorithm": "blas", "backend": backend}
    one = s.flops("forward")
    X, W, Y, COLS = (shapes.FLOAT * a.size for a in (p.x, w, dy, cols))
    return {
        "im2col": Step(
            "copies the patch of every output into a row of a matrix",
            0,
            X + COLS,
            partial(kernels.im2col, p.x, kernel, **options, backend=backend),
        ),
        "y": Step(
            "patches · filters, by BLAS", one, COLS + W + Y, partial(kernels.dense, cols, w, **blas)
        ),
        "dw": Step(
            "patchesᵀ · dy, by BLAS",
            one,
            COLS + Y + W,
            partial(kernels.dense_backward, dy, cols, w, need_dx=False, **blas),
        ),
        "dcols": Step(
            "dy · filtersᵀ, by BLAS",
            one,
            Y + W + COLS,
            partial(kernels.dense, dy, transposed, **blas),
        ),
        "col2im": Step(
            "adds each row to the pixels that it was copied from",
            cols.size,
            COLS + X,
            partial(kernels.col2im, cols, p.x.shape, kernel, **options, backend=backend),
        ),
    }


def loops(p: Problem) -> list[str]:
    """A line for each kernel about its hottest loop."""
    operation = prepared_operation(p)
    assert operation is not None
    operation.forward(p.x, p.w, p.b)
    operation.backward(p.dy, p.x, p.w, True)
    found = {}
    for dispatcher in listing.dispatchers(operation):
        function = dispatcher.py_func
        module = function.__module__.rpartition(".")[2]
        name = f"{module}.{function.__qualname__.replace('.<locals>', '')}"
        if name not in found:
            say(f"compiling {name} again, for its listing")
            found[name] = listing.hottest(listing.assembly(dispatcher))
    return [
        f"{re.sub('_[0-9a-f]{12}$', '', name)}: {block or 'no multiply-adds'}"  # without its digest
        for name, block in found.items()
    ]


def draw(report: Report) -> dict[str, Figure]:
    """The roofline, with a marker for each step with arithmetic."""
    from . import roofline

    rows = [r for r in report.rows if r.figures["MFLOP"] > 0]
    marks = [replace(r, case=r.what) for r in rows]
    return {"": roofline.draw(report, marks, f"The steps of {report.rows[0].case}")}
