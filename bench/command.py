"""The command line that all benchmarks share: options, tables, files, comparison."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from minicnn import kernels
from minicnn.command_line import positive
from minicnn.runs import machine

from . import compare, environment, report, tables
from .agreement import Disagreement
from .child import ChildFailed
from .report import Report, ReportError
from .timing import Effort

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = (
    "conv",
    "train",
    "stages",
    "scaling",
    "startup",
    "memory",
    "accuracy",
    "data",
    "observers",
    "visor",
    "profile",
    "threads",
)
WIDTH = 140  # of tables, if the output is not a terminal
RESULTS = Path(__file__).parent / "results"


class Benchmark(NamedTuple):
    """What the file of a benchmark provides.

    Args:
        question: the question it answers, in one line.
        seconds: its approximate duration on two cores.
        add_options: its own options.
        run: runs it; raises Disagreement if competitors compute different results.
        draw: its figures, by the suffix of their file names ("" or "-roofline").
    """

    question: str
    seconds: int
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Report]
    draw: Callable[[Report], dict[str, Figure]]


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        ValueError: unknown name; the message lists the known ones.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"expected a benchmark out of {', '.join(NAMES)}, received {name!r}{hint}")
    module: Any = importlib.import_module(f"bench.{name}")
    question = module.__doc__.partition(": ")[2].partition("\n")[0]
    return Benchmark(question, module.SECONDS, module.add_options, module.run, module.draw)


def list_all(console: Console) -> None:
    """Print all benchmarks, with their questions."""
    table = Table(title="python -m bench NAME", title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("the question it answers")
    table.add_column("takes about", justify="right", no_wrap=True)
    for name in NAMES:
        found = benchmark(name)
        table.add_row(name, found.question, f"{found.seconds} s")
    console.print(table)
    console.print("python -m bench NAME --help lists the options of a benchmark.")
    console.print("python -m bench.gallery FOLDER draws every figure of minicnn.plots.")


def main(name: str, argv: Sequence[str] | None = None) -> int:
    """Run a benchmark with the options of the command line.

    Returns:
        The exit code: 0; 1 if the competitors disagree, or if minicnn is slower than in the
        earlier run of --compare; 2 for invalid options.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    found = benchmark(name)
    options = _parser(name, found).parse_args(arguments)
    if options.cold:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["NUMBA_CACHE_DIR"] = folder  # read when Numba is first imported
            return _run(name, arguments, found, options)
    return _run(name, arguments, found, options)


def _run(name: str, arguments: list[str], found: Benchmark, options: argparse.Namespace) -> int:
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    try:
        old = report.load(options.compare) if options.compare else None
        kernels.set_threads(options.threads)
        if options.wait and not environment.wait_until_quiet(options.wait):
            say("Other processes are still busy.")
        other_load = machine.OtherLoad()
        result = found.run(options)
        result.environment["others"] = other_load.cores()
        result.command = shlex.join(["python", "-m", "bench", name, *arguments])
        tables.show(result, console)
        if environment.is_disturbed(result.environment):
            say("[bold]Other processes were busy during the run: do not trust these figures.[/]")
        if not options.no_files:
            _write(result, found, Path(options.json or RESULTS / f"{name}.json"), console)
    except (Disagreement, ChildFailed) as error:
        print(f"bench {name}: {error}", file=sys.stderr)
        return 1
    except (ReportError, ValueError, ImportError, OSError) as error:
        print(f"bench {name}: {error}", file=sys.stderr)
        return 2
    if old is not None and compare.show(old, result, console):
        return 1
    return 0


def effort(options: argparse.Namespace) -> Effort:
    """How long to measure, from the common options."""
    if options.rounds:
        return Effort(0, options.rounds, options.rounds)
    return Effort(0, 2, 2) if options.quick else Effort(options.seconds)


def say(text: str) -> None:
    """Print progress on standard error, separate from the results."""
    Console(stderr=True, highlight=False).print(f"[dim]{text}[/]")


def positive_seconds(text: str) -> float:
    """A number of seconds > 0, from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds > 0, received {text!r}")
    return value


def _parser(name: str, found: Benchmark) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m bench {name}", description=found.question)
    found.add_options(parser)
    common = parser.add_argument_group("options of all benchmarks")
    add = common.add_argument
    add("--threads", type=positive, help="of each competitor; default: all cores")
    add("--seconds", type=positive_seconds, default=0.3, help="to measure each competitor (0.3)")
    add("--rounds", type=positive, help="number of measurements of each, instead of --seconds")
    add("--wait", type=positive_seconds, metavar="S", help="wait up to S seconds for idle cores")
    add("--cold", action="store_true", help="empty kernel cache: first calls compile")
    add("--quick", action="store_true", help="tiny and imprecise: only to see whether it runs")
    add("--json", metavar="PATH", help=f"output file; default: bench/results/{name}.json")
    add("--no-files", action="store_true", help="print only: no JSON, no plots")
    add("--compare", metavar="OLD.json", help="exit code 1 if minicnn is slower than in that file")
    return parser


def _write(result: Report, found: Benchmark, path: Path, console: Console) -> None:
    """Write the JSON, and the plots next to it."""
    from minicnn.plots import style

    report.save(result, path)
    written = [path]
    for suffix, figure in found.draw(result).items():
        written.append(path.with_name(f"{path.stem}{suffix}.png"))
        style.save(figure, written[-1])
    console.print("Written: " + ", ".join(str(p) for p in written), soft_wrap=True)
