"""python -m minicnn.doctor: what limits the speed here, and what to change."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ..command_line import command_parser, run_command
from . import facts as facts_of_machine
from .facts import Facts
from .remedies import Remedy, remedies

if TYPE_CHECKING:
    from rich.console import Console

EPILOG = """\
examples:
  python -m minicnn.doctor                facts and a measurement, in about a second
  python -m minicnn.doctor --no-measure   the facts only
  python -m minicnn.doctor --json         everything as one JSON object

exit code:
  0  everything works, perhaps slowly
  1  something is broken: Numba is installed but does not work, a MINICNN_ variable is invalid, or
     the folder for compiled kernels or for data cannot be written
  2  unknown options
"""
WIDTH = 100  # columns, if the output is not a terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Collect facts and print them; returns the exit code, see --help."""
    parser = command_parser(
        "doctor",
        "Show what limits minicnn's speed here (processor, threads, BLAS, Numba,\n"
        "caches), measure BLAS, and say what to change.",
        EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-measure", action="store_true", help="measure nothing")
    options = parser.parse_args(argv)
    return run_command("minicnn.doctor", lambda: _examine(options))


def _examine(options: argparse.Namespace) -> int:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    status = Console(stderr=True).status("Measuring…") if terminal else nullcontext()
    with status:
        facts = facts_of_machine.collect(measure=not options.no_measure)
    found = remedies(facts)
    code = 1 if any(remedy.broken for remedy in found) else 0
    if options.json:
        advice = [remedy._asdict() for remedy in found]
        print(json.dumps({**facts, "to_go_faster": advice, "exit_code": code}, indent=1))
    else:
        show(facts, found, Console(highlight=False, width=None if terminal else WIDTH))
    return code


def show(facts: Facts, found: Sequence[Remedy], console: Console) -> None:
    """Print the report; the sections that a remedy is about are marked with "!"."""
    from rich.table import Table
    from rich.text import Text

    marked = {remedy.about for remedy in found}
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section, values in facts.items():
        title = Text(section.replace("_", " "), "bold")
        for name, value in (values or {"": "nothing"}).items():
            if value is not None:
                mark = Text("!" if section in marked and title else "", "bold red")
                table.add_row(mark, title, Text(name.replace("_", " ")), Text(_text(value)))
                title = Text("")
    console.print(table)
    console.print(Text("\nTo go faster:" if found else "\nNothing to change.", "bold"))
    for number, remedy in enumerate(found, 1):
        text = f"Broken: {remedy.text}" if remedy.broken else remedy.text
        console.print(Text(f"{number}. {text[0].upper()}{text[1:]}"))


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in value.items() if v is not None)
    return str(value)
