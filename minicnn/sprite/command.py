"""python -m minicnn.sprite: its four commands and their output."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from ..command_line import ignore_broken_pipe, run_command
from ..data import MnistData
from ..data.folder import build_from_folder
from ..data.idx import build_from_idx
from ..data.subset import subset
from . import options, tables

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for an error, 130 for Ctrl-C."""
    args = vars(options.parser().parse_args(argv))
    command = COMMANDS[args.pop("command")]
    return run_command(
        "minicnn.sprite",
        lambda: command(**args),
        interrupted="Interrupted; no sheet was written.",
    )


def _build(**args: Any) -> None:
    report = build_from_folder(**args, track=_progress)
    for path, reason in report.skipped:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    if report.skipped:
        pictures = "picture" if len(report.skipped) == 1 else "pictures"
        print(f"skipped {len(report.skipped):,} unreadable {pictures}", file=sys.stderr)
    if report.inverted:
        print(
            f"inverted {report.inverted:,} of {report.num_images:,} pictures, to white on black "
            f"(--invert {args['invert']})"
        )
    _print_written(report.manifest)


def _show(
    sheet: str,
    labels: str | None,
    size: tuple[int, int] | None,
    png: str | None,
    cache_dir: str | None,
) -> None:
    data = MnistData(
        "sample" if sheet == "sample" else Path(sheet),
        images=Path(sheet) if labels else None,
        labels=labels,
        image_shape=size,
        cache_dir=cache_dir,
    ).load()
    console = Console()
    with ignore_broken_pipe():  # write the picture even so
        console.print(tables.facts(data), tables.classes(data))
        print(tables.images_as_text(data, min(console.width, 120)))
    if png:
        _write_preview(data, Path(png))
        print(f"wrote {png}")


def _write_preview(data: MnistData, path: Path) -> None:
    """Write a PNG with the first training images of each class."""
    from .. import plots

    each = max(1, min(8, 400 // data.num_classes))
    rows = np.concatenate([np.flatnonzero(column)[:each] for column in data.train_labels.T])
    classes = data.train_labels[rows].argmax(axis=1)
    plots.save(plots.samples(data.train_x[rows], classes, data.class_names), path)


def _print_written(manifest: Path) -> None:
    folder = manifest.parent
    print(f"wrote the sheet {manifest.stem!r} to {folder}")
    print(f"show it:     python -m minicnn.sprite show {folder}")
    print(f"train on it: python -m minicnn.train --data {folder}")


def _progress(items: list[T]) -> Iterable[T]:
    """`items`, with a progress bar on stderr if that is a terminal."""
    console = Console(stderr=True)
    return track(items, "Reading pictures", console=console) if console.is_terminal else items


COMMANDS: dict[str, Callable[..., None]] = {
    "build": _build,
    "idx": lambda **args: _print_written(build_from_idx(**args)),
    "subset": lambda **args: _print_written(subset(**args)),
    "show": _show,
}
