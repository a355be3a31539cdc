"""What a run reports about itself: run.json, lines on the terminal, and the files at its end."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .. import kernels, runs
from ..model import Sequential
from ..registry import config_of
from ..runs import Evaluation, machine
from ..runs.record import DIVERGED, FINISHED, RUNNING, STOPPED
from .plan import Plan


@dataclass(frozen=True)
class FitResults:
    """How fit() went; the first entries of "results" in run.json."""

    seconds: float
    images_per_second: float
    epochs: int
    interrupted: bool
    peak_memory_mib: float | None


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
) -> dict[str, object]:
    """The run.json of a run that has just begun; `data` is the training data's fingerprint."""
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
    record: Mapping[str, object],
    results: FitResults,
) -> int:
    """Save the model, evaluate it, write the record and the plots, print the results.

    A file that cannot be written is reported, and the others are written anyway.

    Returns:
        The exit code, as of main().
    """
    model = chosen.model
    written = [_save_model(model, folder)]  # first: everything else can be made from it again
    try:
        evaluation = runs.measure(model, *chosen.test)
        status = FINISHED if results.epochs >= chosen.recipe.epochs else STOPPED
        if not math.isfinite(evaluation.loss):
            status = DIVERGED
        scores = {"test_accuracy": evaluation.accuracy, "test_loss": evaluation.loss}
        content = {
            **record,
            "status": status,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "results": asdict(results) | scores,
        }
        path, x, names = folder / runs.RUN, chosen.test[0], chosen.data.class_names
        written += [
            _written(path, lambda: runs.write_json(path, content)),
            _written(
                f"all pictures into {folder}",
                lambda: runs.draw(folder, model, x, evaluation, names),
            ),
        ]
    except KeyboardInterrupt:
        print(f"\nInterrupted; the model is in {folder}.", file=sys.stderr)
        return 130
    _print_results(folder, evaluation, results, options, chosen, status)
    if not all(written):
        return 2
    if results.interrupted:
        return 130
    return 1 if status == DIVERGED else 0


def _written(what: object, write: Callable[[], None]) -> bool:
    """Whether `write` succeeded; if not, print what failed and why."""
    try:
        write()
    except OSError as error:
        reason = error.strerror or error
        print(f"minicnn.train: can't write {what}: {reason}", file=sys.stderr)
        return False
    return True


def _save_model(model: Sequential, folder: Path) -> bool:
    """Save into the run folder, and return whether it succeeded; if not, save into a temporary
    folder, so as not to lose the model."""
    path = folder / runs.MODEL
    if _written(path, lambda: model.save(path)):
        return True
    other = Path(tempfile.mkdtemp(prefix="minicnn-")) / runs.MODEL
    if _written(other, lambda: model.save(other)):
        print(f"The model was saved as {other} instead.", file=sys.stderr)
    return False


def _print_results(
    folder: Path,
    evaluation: Evaluation,
    results: FitResults,
    options: argparse.Namespace,
    chosen: Plan,
    status: str,
) -> None:
    epochs = "epoch" if results.epochs == 1 else "epochs"
    line = (
        f"Test accuracy {evaluation.accuracy:.2%} ({len(evaluation.wrong):,} of "
        f"{len(evaluation.true):,} misclassified), cross-entropy {evaluation.loss:.4f}; "
        f"{results.epochs} {epochs} in {results.seconds:.1f} s, "
        f"{results.images_per_second:,.0f} images/s"
    )
    if options.quiet:
        print(f"{line}; {folder}")
        return
    print(f"\n{line}")
    diverged = status == DIVERGED
    if diverged:
        print("Training diverged: the loss is NaN or infinite.")
    print(f"\nIn {folder}:")
    for name, what in (_contents_diverged(chosen) if diverged else runs.CONTENTS).items():
        if _has_content(folder / name):
            print(f"  {name:18} {what}")
    if not results.epochs:
        print("No epoch was finished, so there are no curves.")
    place = shlex.quote(str(folder))
    if diverged:
        rate = chosen.recipe.learning_rate
        print(f"\nNext: train again with a lower learning rate, --lr; it was {rate:g}.")
    elif results.epochs < chosen.recipe.epochs:
        print(f"\nTo continue: python -m minicnn.train --resume {place}")
    else:
        report = f"python -m minicnn.report {place} shows it all on one page"
        print(f"\nNext: {report};\n{_next(options)}")


def _contents_diverged(chosen: Plan) -> dict[str, str]:
    """The files of a run that diverged, described."""
    finite = all(np.isfinite(w).all() for w in chosen.model.get_weights())
    what = "outputs" if finite else "weights"
    return runs.CONTENTS | {
        runs.MODEL: f"a network whose {what} are not finite",
        runs.CHECKPOINTS: "the network before it diverged",
    }


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


def _next(options: argparse.Namespace) -> str:
    if options.data == "sample":
        return "train on all of MNIST: python -m minicnn.train --data mnist"
    source, other = shlex.quote(options.data), "course" if options.model == "node" else "node"
    return f"try another network: python -m minicnn.train --data {source} --model {other}"
