"""The command: run folders → one HTML file."""

from __future__ import annotations

import argparse
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from ..command_line import command_parser, run_command
from ..runs import REPORT

EPILOG = """\
examples:
  python -m minicnn.report runs/FOLDER                 writes runs/FOLDER/report.html
  python -m minicnn.report runs/A runs/B --out ab.html   compares them

One run's page shows curves, the confusion matrix (click on a cell to see its images), every
class, the most confident mistakes, filters, layers, options and the command to repeat the run. The
page works offline and needs no other file.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report.

    Returns:
        The exit code: 0; 2 for bad input; 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)

    def work() -> None:
        path = _write(options)
        if options.open:
            webbrowser.open(path.resolve().as_uri())
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")

    return run_command("minicnn.report", work, interrupted="Interrupted; no report was written.")


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    description = "Write one HTML page about a training run, or a comparison of several."
    p = command_parser("report", description, EPILOG)
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run folder")
    p.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: report.html in the run folder; comparison.html here for several",
    )
    p.add_argument(
        "--data",
        metavar="NAME|FOLDER",
        help="the run's data, if it has moved",
    )
    p.add_argument("--open", action="store_true", help="open it in the browser")
    return p


def _write(options: argparse.Namespace) -> Path:
    from .comparison import comparison
    from .contents import read
    from .page import report
    from .render import write

    runs = [read(folder, options.data) for folder in options.runs]
    if len(runs) == 1:
        return write(options.out or runs[0].folder / REPORT, report(runs[0]))
    return write(options.out or Path("comparison.html"), comparison(runs))
