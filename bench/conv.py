"""python -m bench conv: how fast is a convolution, with each algorithm and with PyTorch?

The outputs and gradients of each competitor must equal those of the NumPy kernels, which must equal
those of the plain loops on a small problem. Only then are they timed, in turn. "dx" is the time of
the whole backward pass minus that of dw and db, because no library computes dx alone in training.

GFLOP/s count a multiply-add as two operations, and all of them, even if an algorithm skips some
(fused: backward visits only the maxima of the pooling). Bytes are the minimum: each array once. A
first call compiles, or loads compiled kernels (--cold: compiles).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from statistics import geometric_mean, median
from typing import TYPE_CHECKING

from . import ceiling, shapes
from .agreement import check_alike
from .command import effort, say
from .conv_competitors import PARTS, Competitor, Problem, by_minicnn, competitors, problem
from .report import Report, Row, row, with_ratio
from .shapes import ConvShape
from .timing import interleaved, once

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 150
BASELINE = "PyTorch"
POOLED = " + pool"  # in the name of a case
QUICK = ConvShape(4, 8, 8, 3, 5, 3, 1, 1)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The convolutions."""
    parser.add_argument(
        "--shape",
        type=shapes.parse,
        nargs="+",
        metavar="SHAPE",
        help=f"{', '.join(shapes.TEN)}, or N,H,C,F,k,stride,pad (H may be HxW); default: all ten",
    )
    parser.add_argument(
        "--reference", action="store_true", help="include the plain loops: for tiny shapes only"
    )
    parser.add_argument(
        "--pool",
        choices=("both", "only", "none"),
        default="both",
        help="convolution + ReLU + 2×2 max-pooling: both with and without, only with, or without",
    )


def run(options: argparse.Namespace) -> Report:
    """For each shape: check, then time."""
    wanted = options.shape or ([QUICK] if options.quick else list(shapes.TEN.values()))
    limits = ceiling.measure(0.02 if options.quick else 0.3)
    rows: list[Row] = []
    for shape in wanted:
        for pooled in {"both": (False, True), "only": (True,), "none": (False,)}[options.pool]:
            if pooled and not shape.can_pool:
                continue
            case = shapes.name_of(shape) + POOLED * pooled
            say(case)
            p = problem(shape, pooled)
            rows += _measure(case, p, competitors(p, options.reference), options, limits)
    rows = with_ratio(rows, BASELINE)
    return Report("conv", rows, _findings(rows, limits), ["MB", "FLOP/byte"])


def check_small(p: Problem) -> None:
    """Compare the NumPy kernels with the plain loops on a smaller problem.

    It has the same window, and fewer images, pixels and channels.

    Raises:
        Disagreement: they differ.
    """
    s = p.shape
    side = s.k + 3 * s.stride  # a few outputs in each direction
    H, W = min(s.H, side), min(s.W, side)
    small = s._replace(N=min(s.N, 2), H=H, W=W, C=min(s.C, 3), F=min(s.F, 4))
    p = problem(small, p.pooled and small.can_pool)
    expected, received = (by_minicnn(p, backend=name) for name in ("reference", "numpy"))
    check("reference and NumPy", expected, received)


def check(where: str, expected: Competitor, received: Competitor) -> None:
    """Check that two competitors compute the same in each part of the work.

    Raises:
        Disagreement: they don't.
    """
    for part in PARTS:
        a, b = (c.arrays(part, c.parts[part]()) for c in (expected, received))
        check_alike(f"{where}, {part}", a, b)


def _measure(
    case: str,
    p: Problem,
    found: Mapping[str, Competitor],
    options: argparse.Namespace,
    limits: ceiling.Ceilings,
) -> list[Row]:
    check_small(p)
    first = {name: once(competitor.parts["total"]) for name, competitor in found.items()}
    base, *others = found
    for other in others:
        check(f"{case}: {base} and {other}", found[base], found[other])
    runs = {(name, part): c.parts[part] for name, c in found.items() for part in PARTS}
    seconds = interleaved(runs, effort(options))
    rows = []
    for part in ("forward", "dw, db", "dx", "backward", "total"):
        for name in found:
            values = _dx(seconds, name) if part == "dx" else seconds[name, part]
            figures = _figures(p, part, median(values), limits)
            if part == "total":
                figures["first call, s"] = first[name]
            rows.append(row(case, part, name, values, figures))
    return rows


def _dx(seconds: Mapping[tuple[str, str], list[float]], name: str) -> list[float]:
    pairs = zip(seconds[name, "backward"], seconds[name, "dw, db"], strict=True)
    return [max(backward - weights, 0.0) for backward, weights in pairs]


def _figures(p: Problem, part: str, seconds: float, limits: ceiling.Ceilings) -> dict[str, float]:
    moved = p.shape.bytes(part, p.pooled)
    rate = p.shape.flops(part) / seconds if seconds > 0 else float("nan")
    return {
        "MB": moved / 1e6,
        "FLOP/byte": p.shape.intensity(part, p.pooled),
        "GFLOP/s": rate / 1e9,
        "% of ceiling": 100 * rate / limits.flops,
    }


def _findings(rows: list[Row], limits: ceiling.Ceilings) -> dict[str, float]:
    """Both ceilings, and the ratio to PyTorch of each competitor over all cases."""
    found = {
        "ceiling, GFLOP/s": limits.flops / 1e9,
        "ceiling, GB/s to and from memory": limits.bandwidth / 1e9,
    }
    groups: dict[str, list[float]] = {}
    for r in rows:
        if r.ours and r.what == "total" and f"× {BASELINE}" in r.figures:
            kind = " with ReLU and pooling" if r.case.endswith(POOLED) else ""
            groups.setdefault(r.competitor + kind, []).append(r.figures[f"× {BASELINE}"])
    for name, ratios in groups.items():
        found[f"× {BASELINE}'s faster layout, geometric mean of {len(ratios)}, {name}"] = (
            geometric_mean(ratios)
        )
        found[f"… the smallest of them, {name}"] = min(ratios)
    return found


def draw(report: Report) -> dict[str, Figure]:
    """GFLOP/s by algorithm, and the roofline."""
    from . import plots, roofline

    total = [r for r in report.rows if r.what == "total"]
    plain = [r for r in total if not r.case.endswith(POOLED)]
    pooled = [r for r in total if r.case.endswith(POOLED)]
    figures = {}
    for end, rows, title in (
        ("", plain, "Convolution, forward and backward"),
        ("-pool", pooled, "Convolution + ReLU + 2×2 max-pooling, forward and backward"),
    ):
        if rows:
            figures[end] = plots.bars(report, rows, "GFLOP/s", title)
            figures[f"{end}-roofline"] = roofline.draw(report, rows, f"{title}: the roofline")
    return figures
