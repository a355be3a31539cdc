"""python -m minicnn.sprite: its four commands and their output."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

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
    args = options.parser().parse_args(argv)
    return run_command(
        "minicnn.sprite",
        lambda: COMMANDS[args.command](args),
        interrupted="Interrupted; no sheet was written.",
    )


def _build(args: argparse.Namespace) -> None:
    report = build_from_folder(
        args.folder,
        args.out,
        name=args.name,
        size=args.size,
        fit=args.fit,
        invert=args.invert,
        test=args.test,
        seed=args.seed,
        on_error=args.on_error,
        source=args.source,
        force=args.force,
        track=_progress("Reading pictures"),
    )
    for path, reason in report.skipped:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    if report.skipped:
        pictures = "picture" if len(report.skipped) == 1 else "pictures"
        print(f"skipped {len(report.skipped):,} unreadable {pictures}", file=sys.stderr)
    if report.inverted:
        print(
            f"inverted {report.inverted:,} of {report.num_images:,} pictures, to white on black "
            f"(--invert {args.invert})"
        )
    _print_written(report.manifest)


def _idx(args: argparse.Namespace) -> None:
    names = args.classes.split(",") if args.classes else None
    _print_written(
        build_from_idx(
            args.folder,
            args.out,
            name=args.name,
            class_names=names,
            source=args.source,
            force=args.force,
        )
    )


def _subset(args: argparse.Namespace) -> None:
    _print_written(
        subset(
            args.folder,
            args.out,
            train=args.train,
            test=args.test,
            seed=args.seed,
            name=args.name,
            source=args.source,
            force=args.force,
            cache_dir=args.data_dir,
        )
    )


def _show(args: argparse.Namespace) -> None:
    path = Path(args.sheet)
    data = MnistData(
        "sample" if args.sheet == "sample" else path,
        images=path if args.labels else None,
        labels=args.labels,
        image_shape=args.size,
        cache_dir=args.data_dir,
    ).load()
    console = Console()
    with ignore_broken_pipe():  # write the picture even so
        console.print(tables.facts(data), tables.classes(data))
        print(tables.images_as_text(data, min(console.width, 120)))
    if args.png:
        _write_preview(data, Path(args.png))
        print(f"wrote {args.png}")


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


def _progress(text: str) -> Callable[[list[T]], Iterable[T]]:
    """A function that shows a progress bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    return lambda items: track(items, text, console=console) if console.is_terminal else items


COMMANDS = {"build": _build, "idx": _idx, "subset": _subset, "show": _show}
