"""The results of a benchmark: rows of numbers, and the JSON file that holds them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from minicnn.atomic_file import atomic_path

from . import environment
from .timing import Quartiles, quartiles

VERSION = 1  # of the JSON
KEY = "minicnn_bench"


class ReportError(ValueError):
    """A file is not a valid report; the message says which and why."""


@dataclass(frozen=True)
class Row:
    """One measurement; less is better.

    Args:
        case: the problem, e.g. "vgg64".
        what: the part of the work, e.g. "forward".
        competitor: e.g. "PyTorch NCHW". Names of minicnn's variants start with "minicnn".
        q1, median, q3: quartiles, in `unit`.
        figures: derived numbers, by a name with the unit, e.g. {"GFLOP/s": 210.0}.
        unit: "s" or "MiB".
    """

    case: str
    what: str
    competitor: str
    q1: float
    median: float
    q3: float
    figures: dict[str, float] = field(default_factory=dict)
    unit: str = "s"

    @property
    def key(self) -> tuple[str, str, str]:
        """Identifies a row in several reports."""
        return self.case, self.what, self.competitor

    @property
    def ours(self) -> bool:
        """Whether minicnn was measured."""
        return self.competitor.startswith("minicnn")

    @property
    def spread(self) -> Quartiles:
        """The three quartiles."""
        return Quartiles(self.q1, self.median, self.q3)


def row(
    case: str,
    what: str,
    competitor: str,
    values: Sequence[float],
    figures: dict[str, float] | None = None,
    unit: str = "s",
) -> Row:
    """A row with the quartiles of some measurements."""
    q1, median, q3 = quartiles(values)
    return Row(case, what, competitor, q1, median, q3, figures or {}, unit)


@dataclass
class Report:
    """The results of a benchmark.

    Args:
        findings: single numbers, by a descriptive name.
        shared: figures that are equal for all competitors; they are in a table's title.
        parts: how a table shows the parts of the work: "across", with a line for each competitor,
            or "down", with a line for each part.
        curves: points (x, y) by competitor; they are drawn, but not in tables.
        notes: further lines.
    """

    benchmark: str
    rows: list[Row]
    findings: dict[str, float] = field(default_factory=dict)
    shared: list[str] = field(default_factory=list)
    parts: str = "across"
    curves: dict[str, list[list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=environment.describe)
    command: str = ""

    def find(self, case: str, what: str, competitor: str) -> Row | None:
        """The row with that key; None: there is none."""
        return next((r for r in self.rows if r.key == (case, what, competitor)), None)


def save(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as JSON, atomically."""
    content = {KEY: VERSION} | asdict(report)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(path: str | os.PathLike[str]) -> Report:
    """Read a file that save() wrote.

    Raises:
        ReportError: the file can't be read, is not a report, or has another version.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ReportError(f"{path}: expected a benchmark's JSON, received {error}") from error
    if not isinstance(content, dict) or KEY not in content:
        raise ReportError(f'{path}: expected a benchmark\'s JSON, received one without "{KEY}"')
    if (version := content.pop(KEY)) != VERSION:
        raise ReportError(f"{path}: expected version {VERSION}, received {version!r}; run it again")
    try:
        return Report(**content | {"rows": [Row(**entry) for entry in content["rows"]]})
    except (TypeError, KeyError) as error:
        raise ReportError(f"{path}: expected a complete report: {error}") from error


def with_ratio(rows: Sequence[Row], baseline: str) -> list[Row]:
    """The rows, each with its speed relative to the fastest competitor named `baseline…`.

    Rows are compared with those of the same case and part of the work.
    """
    best: dict[tuple[str, str], float] = {}
    for r in rows:
        if r.competitor.startswith(baseline):
            best[r.case, r.what] = min(r.median, best.get((r.case, r.what), r.median))
    name = f"× {baseline}"
    return [
        replace(r, figures=r.figures | {name: best[r.case, r.what] / r.median})
        if (r.case, r.what) in best and r.median > 0
        else r
        for r in rows
    ]
