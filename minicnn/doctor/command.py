"""python -m minicnn.doctor: what decides the speed here, and what to do to go faster."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TextIO

from ..command_line import reader_may_leave
from . import diagnosis, findings
from .diagnosis import Facts
from .remedies import Remedy, remedies

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

EPILOG = """\
examples:
  python -m minicnn.doctor                what is here, measured in about two seconds
  python -m minicnn.doctor --no-measure   the same without measuring
  python -m minicnn.doctor --json         all of it as one JSON object

exit code:
  0  all works, be it slowly
  1  something is broken: Numba is installed but does not work, a MINICNN_ variable holds what
     nobody understands, or no folder can be written for compiled kernels or for data
  2  unknown options
"""
WIDTH = 100  # where the output is no terminal, and COLUMNS is not set
ALL_WELL = "Nothing to do: minicnn is as fast as it gets here."
ALL_WELL_UNMEASURED = "Nothing to do, as far as can be told without measuring."


def main(argv: Sequence[str] | None = None) -> int:
    """Examine, print, and return the exit code that --help promises."""
    parser = argparse.ArgumentParser(
        prog="python -m minicnn.doctor",
        description="Show what minicnn's speed depends on here: processor, threads, BLAS, Numba,\n"
        "caches; measure what the machine can do; and say what to change to go faster.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-measure", action="store_true", help="measure nothing")
    options = parser.parse_args(argv)
    try:
        with _waiting("Measuring…" if not options.no_measure else "Looking…"):
            facts = diagnosis.diagnose(measure=not options.no_measure)
        found = remedies(facts)
        code = 1 if any(remedy.broken for remedy in found) else 0
        with reader_may_leave():
            if options.json:
                print(json.dumps(as_json(facts, found, code), indent=1))
            else:
                show(facts, found, sys.stdout)
    except KeyboardInterrupt:
        return 130
    return code


def as_json(facts: Facts, found: Sequence[Remedy], code: int) -> Facts:
    """All facts and remedies as one object."""
    advice = [remedy._asdict() for remedy in found]
    return {"minicnn_doctor": 1} | facts | {"to_go_faster": advice, "exit_code": code}


def show(facts: Facts, found: Sequence[Remedy], file: TextIO) -> None:
    """Print the report; lines that a remedy is about are marked with "!"."""
    from rich.console import Console

    if hasattr(file, "reconfigure"):
        file.reconfigure(errors="replace")  # an old code page shall cost a dash, not the report
    if file.isatty():
        _print(facts, found, Console(file=file, highlight=False))
        return
    width = None if "COLUMNS" in os.environ else WIDTH
    text = io.StringIO()
    _print(facts, found, Console(file=text, width=width, highlight=False))
    file.writelines(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _print(facts: Facts, found: Sequence[Remedy], console: Console) -> None:
    from rich.text import Text

    groups, marked = findings.groups(facts), {remedy.about for remedy in found}
    name_width = max(len(row.name) for _, rows in groups for row in rows)
    for heading, rows in groups:
        table = _grid(1, name_width)
        for row in rows:
            mark = "!" if row.section in marked and row.name else ""
            table.add_row(Text(mark, "bold red"), Text(row.name, "cyan"), Text(row.text))
        console.print(Text(heading, "bold"), table, "", sep="\n")
    if not found:
        well = ALL_WELL if facts["measured"] else ALL_WELL_UNMEASURED
        console.print(Text(well, "bold green"))
        return
    console.print(Text("To go faster:", "bold"))
    table = _grid(len(f"{len(found)}."))
    for number, remedy in enumerate(found, 1):
        text = remedy.text[0].upper() + remedy.text[1:]
        table.add_row(f"{number}.", Text(f"Broken: {remedy.text}" if remedy.broken else text))
    console.print(table)


def _grid(*widths: int) -> Table:
    """Columns of these widths, and one more that takes what is left."""
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    for width in widths:
        table.add_column(width=width)
    table.add_column(overflow="fold")
    return table


def _waiting(text: str) -> Any:
    """A sign of life on a terminal, gone when the report comes."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.status(text) if console.is_terminal and sys.stdout.isatty() else nullcontext()
