"""python -m minicnn.evaluate: measure a saved model on any sheet of labelled images."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import kernels, runs
from .command_line import (
    add_data,
    add_kernels,
    add_model,
    chosen_kernels,
    command_parser,
    ignore_broken_pipe,
    run_command,
)
from .data import MnistData, ScaledImages
from .errors import DataError
from .metrics import wilson
from .model import Sequential
from .runs.classifier import check_finite, load_classifier
from .typing import Array

EPILOG = """\
examples:
  python -m minicnn.evaluate runs/2026-01-31_120000-course --data sample
  python -m minicnn.evaluate digits.safetensors --data mnist --out measured
  python -m minicnn.evaluate digits.safetensors --data my_sheet --part all --json

Exit code: 0, 2 for bad input, 130 after Ctrl-C.
"""
METRICS = "metrics.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure a model.

    Returns:
        The exit code: 0; 2 for bad input; 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)

    def work() -> None:
        with chosen_kernels(options, default="numpy"):
            _evaluate(options)

    return run_command("minicnn.evaluate", work)


def _evaluate(options: argparse.Namespace) -> None:
    model = load_classifier(options.model)
    folder = runs.given_folder(options.out) if options.out else None
    try:
        data = MnistData(
            options.data,
            split=options.split,
            cache_dir=options.data_dir,
            base_url=options.mirror,
            progress=False if options.json else None,
        ).load()
        _check_fit(model, data, options)
        x, labels = _part(data, options.part)
        begun = time.perf_counter()
        result = runs.measure(model, x, labels)
        seconds = time.perf_counter() - begun
        check_finite(result.probabilities)
        metrics = _metrics(options, result, data.class_names) | {
            "seconds": seconds,
            "backend": kernels.current_backend(),
        }
        if not options.json:
            with ignore_broken_pipe():  # the files are written in any case
                _print(metrics)
        if folder:
            runs.write_json(folder / METRICS, metrics)
            runs.draw(folder, model, x, result, data.class_names)
        if options.json:
            print(json.dumps(metrics, allow_nan=False))
        elif folder:
            print(f"\nIn {folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")
    finally:
        if folder:
            runs.remove_if_empty(folder)


def _metrics(
    options: argparse.Namespace, result: runs.Evaluation, names: Sequence[str]
) -> dict[str, Any]:
    total, wrong = len(result.true), len(result.wrong)
    return {
        "model": str(options.model),
        "data": options.data,
        "part": options.part,
        "images": total,
        "misread": wrong,
        "loss": result.loss,
        "accuracy": result.accuracy,
        "accuracy_95": wilson(total - wrong, total),
        "classes": [asdict(row) for row in runs.by_class(result.matrix, names)],
    }


def _part(data: MnistData, part: str) -> tuple[ScaledImages, Array]:
    if part == "train":
        return data.train_x, data.train_labels
    if part == "test":
        return data.test_x, data.test_labels
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    return ScaledImages(images, data.image_shape), labels


def _check_fit(model: Sequential, data: MnistData, options: argparse.Namespace) -> None:
    """
    Raises:
        DataError: the sheet has other images or classes than the model.
    """
    assert model.input_shape is not None
    if data.image_shape != model.input_shape:
        (h, w, _), (height, width, _) = data.image_shape, model.input_shape
        raise DataError(
            f"{options.data}: expected images of {height}×{width}, as {options.model} takes, "
            f"received {h}×{w}; build the sheet with --size {height}x{width}"
        )
    names, own = list(data.class_names), model.class_names or []
    if len(names) != len(own):
        raise DataError(
            f"{options.data}: expected {len(own)} classes, as {options.model} has, "
            f"received {len(names)}"
        )
    if names != own and _named(names) and _named(own):
        raise DataError(
            f"{options.data}: expected the classes {', '.join(own)}, as {options.model} was "
            f"trained on, received {', '.join(names)}"
        )


def _named(names: Sequence[str]) -> bool:
    """Whether they differ from the numbers that name the classes of a sheet without a manifest."""
    return list(names) != [str(number) for number in range(len(names))]


def _print(metrics: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    low, high = metrics["accuracy_95"]
    print(
        f"{metrics['model']} on {metrics['data']}, {metrics['part']}: accuracy "
        f"{metrics['accuracy']:.2%} ({metrics['misread']:,} of {metrics['images']:,} "
        f"misclassified; 95 % interval {low:.2%} to {high:.2%}), "
        f"cross-entropy {metrics['loss']:.4f}; "
        f"{metrics['seconds']:.1f} s"
    )
    table = Table()
    for name in ("class", "images", "accuracy", "most often confused with"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in metrics["classes"]:
        share = "–" if row["accuracy"] is None else f"{row['accuracy']:.1%}"
        other = f"{row['taken_for']} ({row['times']:,})" if row["times"] else ""
        table.add_row(Text(row["name"]), f"{row['images']:,}", share, Text(other))
    Console().print(table)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    p = command_parser("evaluate", "Measure a saved model on a sheet of labelled images.", EPILOG)
    add_model(p)
    add_data(p, default=None)
    p.set_defaults(split="standard")
    p.add_argument(
        "--part",
        choices=("train", "test", "all"),
        default="test",
        help="default: %(default)s; accuracy on its own training images is too optimistic",
    )
    out = p.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="print the numbers as one line of JSON")
    out.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"write {METRICS} and the plots of a training run to a new folder",
    )
    run = p.add_argument_group("running")
    add_kernels(run, backend="numpy, which starts fastest")
    return p


if __name__ == "__main__":
    sys.exit(main())
