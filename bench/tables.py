"""Print a report in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from . import environment
from .report import Report, Row


def show(report: Report, console: Console) -> None:
    """Print the machine, a table for each case, and the findings."""
    about = Table(title="Measured on", show_header=False, title_justify="left")
    for what, value in environment.lines(report.environment):
        about.add_row(what, value)
    console.print(about)
    for case, rows in groupby(report.rows, key=lambda r: r.case):
        if report.parts == "down":
            console.print(_parts_down(case, list(rows)))
        else:
            console.print(_parts_across(case, list(rows), report.shared))
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    if report.findings:
        table = Table(title="Summary", show_header=False, title_justify="left")
        table.add_column()
        table.add_column(justify="right")
        for name, figure in report.findings.items():
            table.add_row(name, number(figure))
        console.print(table)


def _parts_down(case: str, rows: list[Row]) -> Table:
    """A line for each part: the medians of all competitors, and the figures of the last one."""
    table = Table(title=case, title_justify="left")
    competitors = list(dict.fromkeys(r.competitor for r in rows))
    last = {r.what: r.figures for r in rows if r.competitor == competitors[-1]}
    figures = list(dict.fromkeys(name for each in last.values() for name in each))
    table.add_column("")
    for name in (*competitors, *figures):
        table.add_column(name, justify="right")
    found = {(r.what, r.competitor): amount(r.median, r.unit) for r in rows}
    for part in dict.fromkeys(r.what for r in rows):
        cells = [found.get((part, name), "") for name in competitors]
        numbers = last.get(part, {})
        table.add_row(part, *cells, *(number(numbers[f]) if f in numbers else "" for f in figures))
    return table


def _parts_across(case: str, rows: list[Row], shared: Sequence[str]) -> Table:
    """A line for each competitor: the medians of the parts; quartiles and figures of the last."""
    parts = list(dict.fromkeys(r.what for r in rows))
    last = [r for r in rows if r.what == parts[-1]]
    figures = list(dict.fromkeys(name for r in last for name in r.figures if name not in shared))
    common = [f"{number(last[0].figures[f])} {f}" for f in shared if f in last[0].figures]
    table = Table(title=": ".join([case, ", ".join(common)] if common else [case]))
    table.title_justify = "left"
    table.add_column("", no_wrap=True)
    for heading in (*parts, "quartiles", *figures):
        table.add_column(heading, justify="right", no_wrap=heading in (*parts, "quartiles"))
    found = {(r.competitor, r.what): r for r in rows}
    for competitor in dict.fromkeys(r.competitor for r in rows):
        cells = [
            amount(r.median, r.unit) if (r := found.get((competitor, part))) else ""
            for part in parts
        ]
        if (r := found.get((competitor, parts[-1]))) is not None:
            cells.append(span(r))
            cells += [number(r.figures[f]) if f in r.figures else "" for f in figures]
        table.add_row(competitor, *cells)
    return table


def amount(value: float, unit: str) -> str:
    """A measurement in a unit that fits its size."""
    factor, name = _scale(value, unit)
    return f"{number(value * factor)} {name}"


def span(r: Row) -> str:
    """Both quartiles, in the unit of the median."""
    factor, name = _scale(r.median, r.unit)
    return f"{number(r.q1 * factor)}–{number(r.q3 * factor)} {name}"


def _scale(value: float, unit: str) -> tuple[float, str]:
    if unit != "s":
        return 1.0, unit
    for factor, name in ((1.0, "s"), (1e3, "ms")):
        if abs(value) * factor >= 1:
            return factor, name
    return 1e6, "µs"


def number(value: float) -> str:
    """Three or more significant digits, with thousands separators."""
    for limit, digits in ((99.95, 0), (9.995, 1), (0.9995, 2)):  # 99.97 is shown as 100, not 100.0
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.3g}"
