"""What a run says of itself, in run.json and on the terminal, and what it leaves behind."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import kernels, runs
from ..model import Sequential
from ..registry import config_of
from ..runs import Evaluation, machine
from ..runs.record import DIVERGED, FINISHED, RUNNING, STOPPED
from .plan import Plan


def headline(options: argparse.Namespace, chosen: Plan) -> str:
    """Data, network, machine and recipe, in three lines."""
    height, width, _ = chosen.data.image_shape
    model, recipe = chosen.model, chosen.recipe
    return (
        f"{options.data}: {len(chosen.train[0]):,} training and {len(chosen.test[0]):,} test "
        f"images, {height}×{width}, {chosen.data.num_classes} classes\n"
        f"{options.model}: {len(model.layers)} layers, {model.num_params:,} parameters; "
        f"{kernels.current_backend()} on {kernels.get_threads()} threads, {machine.processor()}\n"
        f"Training: {recipe}"
    )


def opening_record(
    options: argparse.Namespace, command: str, chosen: Plan, data: str
) -> dict[str, Any]:
    """run.json as it stands while the run goes on; `data` is the training data's fingerprint."""
    model = chosen.model
    return {
        "status": RUNNING,
        "command": command,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "options": vars(options),
        "recipe": asdict(chosen.recipe),
        "seed": model.seed,
        "optimizer": config_of(model.optimizer),
        "model": {"name": model.name, "parameters": model.num_params},
        "data": {
            "train": len(chosen.train[0]),
            "test": len(chosen.test[0]),
            "image_shape": chosen.data.image_shape,
            "class_names": chosen.data.class_names,
            "sha256": data,
        },
        "backend": kernels.current_backend(),
        "threads": kernels.get_threads(),
        **machine.describe(),
    }


def close(
    folder: Path,
    chosen: Plan,
    options: argparse.Namespace,
    record: dict[str, Any],
    results: dict[str, Any],
) -> int:
    """Save the model, measure it, write the record and the pictures, say how it went.

    What can't be written is said, and does not keep the rest from being written.

    Returns:
        The exit code, as of main().
    """
    model, leavings = chosen.model, _Leavings()
    _save_model(model, folder, leavings)  # first of all: the rest can be made again from it
    try:
        evaluation = runs.measure(model, *chosen.test)
        results |= {"test_accuracy": evaluation.accuracy, "test_loss": evaluation.loss}
        status = _status(chosen, results)
        finished = {"status": status, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        content = record | finished | {"results": results}
        leavings.leave(folder / runs.RUN, lambda: runs.write_json(folder / runs.RUN, content))
        names = chosen.data.class_names
        images = chosen.test[0]
        leavings.leave(
            f"all pictures into {folder}",
            lambda: runs.draw(folder, model, images, evaluation, names),
        )
    except KeyboardInterrupt:
        print(f"\nInterrupted; the model is in {folder}.", file=sys.stderr)
        return 130
    _say_how_it_went(folder, evaluation, results, options, chosen)
    if leavings.failed:
        return 2
    if results["interrupted"]:
        return 130
    return 1 if status == DIVERGED else 0


def _status(chosen: Plan, results: dict[str, Any]) -> str:
    if not math.isfinite(results["test_loss"]):
        return DIVERGED
    return FINISHED if results["epochs"] >= chosen.recipe.epochs else STOPPED


class _Leavings:
    """Tries to write one thing after another."""

    def __init__(self) -> None:
        self.failed = False

    def leave(self, what: object, write: Callable[[], None]) -> bool:
        """Whether it was written; if not, says what and why."""
        try:
            write()
        except OSError as error:
            self.failed = True
            reason = error.strerror or error
            print(f"minicnn.train: can't write {what}: {reason}", file=sys.stderr)
            return False
        return True


def _save_model(model: Sequential, folder: Path, leavings: _Leavings) -> None:
    """Into the run folder, or, rather than lose it, where the system keeps temporary files."""
    path = folder / runs.MODEL
    if leavings.leave(path, lambda: model.save(path)):
        return
    other = Path(tempfile.mkdtemp(prefix="minicnn-")) / runs.MODEL
    if leavings.leave(other, lambda: model.save(other)):
        print(f"The model was saved as {other} instead.", file=sys.stderr)


def _say_how_it_went(
    folder: Path,
    evaluation: Evaluation,
    results: dict[str, Any],
    options: argparse.Namespace,
    chosen: Plan,
) -> None:
    epochs = "epoch" if results["epochs"] == 1 else "epochs"
    line = (
        f"Test accuracy {results['test_accuracy']:.2%} ({len(evaluation.wrong):,} of "
        f"{len(evaluation.true):,} misread), cross-entropy {results['test_loss']:.4f}; "
        f"{results['epochs']} {epochs} in {results['seconds']:.1f} s, "
        f"{results['images_per_second']:,.0f} images/s"
    )
    if options.quiet:
        print(f"{line}; {folder}")
        return
    print(f"\n{line}")
    diverged = _status(chosen, results) == DIVERGED
    if diverged:
        print("Training diverged: the loss is not a finite number any more.")
    print(f"\nIn {folder}:")
    for name, what in (_contents_diverged(chosen) if diverged else runs.CONTENTS).items():
        if _holds_something(folder / name):
            print(f"  {name:18} {what}")
    if not results["epochs"]:
        print("No epoch was finished, so there are no curves.")
    place = shlex.quote(str(folder))
    if diverged:
        rate = chosen.recipe.learning_rate
        print(f"\nNext: train again with a lower learning rate, --lr; it was {rate:g}.")
    elif results["epochs"] < chosen.recipe.epochs:
        print(f"\nGo on with it: python -m minicnn.train --resume {place}")
    else:
        report = f"python -m minicnn.report {place} shows it all on one page"
        print(f"\nNext: {report};\n{_next(options)}")


def _contents_diverged(chosen: Plan) -> dict[str, str]:
    """What the files are of a run that came to nothing."""
    finite = all(np.isfinite(w).all() for w in chosen.model.get_weights())
    what = "whose outputs are not numbers" if finite else "whose weights are not numbers any more"
    return runs.CONTENTS | {
        runs.MODEL: f"a network {what}",
        runs.CHECKPOINTS: "the network before it diverged",
    }


def _holds_something(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


def _next(options: argparse.Namespace) -> str:
    if options.data == "sample":
        return "train on all of MNIST: python -m minicnn.train --data mnist"
    source, other = shlex.quote(options.data), "course" if options.model == "node" else "node"
    return f"try another network: python -m minicnn.train --data {source} --model {other}"
