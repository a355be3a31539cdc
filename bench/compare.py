"""Compare a run with an earlier one: what became slower by more than the noise?

A row is slower if its median grew by more than 5 % and the interquartile ranges don't overlap: the
new first quartile is above the old third one. "Faster" is defined in the same way. Only minicnn's
rows count as regressions: if PyTorch became slower, the cause is the machine.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from .environment import headline, same_machine
from .report import Report, Row
from .tables import amount

TOLERANCE = 1.05  # medians within this ratio count as the same


class Change(NamedTuple):
    """A row that is in both runs."""

    old: Row
    new: Row

    @property
    def ratio(self) -> float:
        """New median over the old one."""
        return self.new.median / self.old.median if self.old.median else float("inf")

    @property
    def verdict(self) -> str:
        """ "slower", "faster" or "same"."""
        if self.new.q1 > self.old.q3 and self.new.median > TOLERANCE * self.old.median:
            return "slower"
        if self.new.q3 < self.old.q1 and self.old.median > TOLERANCE * self.new.median:
            return "faster"
        return "same"


def changes(old: Report, new: Report) -> list[Change]:
    """The rows that are in both runs, in the order of the new one."""
    before = {r.key: r for r in old.rows}
    return [Change(before[r.key], r) for r in new.rows if r.key in before]


def regressions(found: list[Change]) -> list[Change]:
    """The rows of minicnn that became slower."""
    return [change for change in found if change.verdict == "slower" and change.new.ours]


def show(old: Report, new: Report, console: Console) -> int:
    """Print what changed and what can't be compared.

    Returns:
        The number of regressions.
    """
    if old.benchmark != new.benchmark:
        console.print(f"The earlier run is of another benchmark: {old.benchmark}")
    if not same_machine(old.environment, new.environment):
        console.print(
            "The earlier run is from another machine or another number of threads, so the ratios "
            f"mean little: {headline(old.environment)}"
        )
    found = changes(old, new)
    table = Table(title="Compared with the earlier run", title_justify="left")
    for heading in ("case", "part", "competitor"):
        table.add_column(heading)
    for heading in ("before", "now", "now / before", ""):
        table.add_column(heading, justify="right")
    for change in found:
        if change.verdict != "same":
            table.add_row(*_cells(change))
    if table.row_count:
        console.print(table)
    worse = regressions(found)
    missing = {r.key for r in old.rows} - {r.key for r in new.rows}
    console.print(
        f"{len(found)} rows compared: {len(worse)} of minicnn slower by more than the noise, "
        f"{sum(c.verdict == 'faster' for c in found)} faster; "
        f"{len(missing)} rows of the earlier run are not in this one."
    )
    return len(worse)


def _cells(change: Change) -> list[str]:
    mark = change.verdict
    if mark == "slower":
        mark = "[bold red]slower[/]" if change.new.ours else "slower (not minicnn's)"
    medians = [amount(r.median, r.unit) for r in change]
    return [*change.new.key, *medians, f"{change.ratio:.2f}", mark]
