"""What a benchmark found: rows of numbers, and the JSON that keeps them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minicnn.atomic_file import atomic_path

from . import environment
from .timing import Quartiles, quartiles

VERSION = 1  # of the JSON
KEY = "minicnn_bench"


class ReportError(ValueError):
    """A file that is no report; says which file, and why."""


@dataclass(frozen=True)
class Row:
    """One measurement; the less the better.

    Args:
        case: what was worked on, e.g. "vgg64".
        what: which part of the work, e.g. "forward".
        competitor: who did it, e.g. "PyTorch NCHW". Names of ours begin with "minicnn".
        q1, median, q3: quartiles, in `unit`.
        figures: what follows from it, by a name that holds the unit, e.g. {"GFLOP/s": 210.0}.
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
        """By which a row of one report is found in another."""
        return self.case, self.what, self.competitor

    @property
    def ours(self) -> bool:
        """Whether it is minicnn's."""
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
    """The row of some measurements."""
    q1, median, q3 = quartiles(values)
    return Row(case, what, competitor, q1, median, q3, figures or {}, unit)


@dataclass
class Report:
    """All that a benchmark found.

    Args:
        findings: single numbers beside the rows, by a name that says what they are.
        shared: figures that are the same for all competitors; a table's title has them.
        parts: how a table shows them: "across", with a line for each competitor, or, where
            there are many, "down", with a column for each.
        curves: points (x, y) that are drawn, but not in tables, by competitor.
        notes: lines for the reader.
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
        """The row of that key, if there is one."""
        return next((r for r in self.rows if r.key == (case, what, competitor)), None)

    def distinct(self, name: str) -> list[str]:
        """The values of a row's field `name`, each once, in the order they came."""
        return list(dict.fromkeys(getattr(r, name) for r in self.rows))


def save(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as JSON, by rename."""
    content = {KEY: VERSION} | asdict(report)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(path: str | os.PathLike[str]) -> Report:
    """Read what save() wrote.

    Raises:
        ReportError: the file can't be read, is no report, or of another version.
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
        raise ReportError(f"{path}: expected a whole report, received a part: {error}") from error


def with_ratio(rows: Sequence[Row], rival: str) -> list[Row]:
    """The rows, each with how many times faster it is than the best of `rival…`.

    Rows are set against those of the same case and part of the work.
    """
    best: dict[tuple[str, str], float] = {}
    for r in rows:
        if r.competitor.startswith(rival):
            best[r.case, r.what] = min(r.median, best.get((r.case, r.what), r.median))
    return [
        Row(**asdict(r) | {"figures": r.figures | {f"× {rival}": best[r.case, r.what] / r.median}})
        if (r.case, r.what) in best and r.median > 0
        else r
        for r in rows
    ]
