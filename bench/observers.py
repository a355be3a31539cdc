"""python -m bench observers: what does observing a run cost: each callback, and all together?

The same network is trained with the command line's recipe, from the same weights on the same
batches: alone, with each observer, and with all of them. The time in an observer's hooks is
compared with the rest of the epochs of the same run, because a machine's speed drifts between runs.
The time at the end of the run, when most observers draw a figure, is given separately. All runs
must end with the same weights.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.console import Console

from minicnn import MnistData, Sequential, architectures, callbacks
from minicnn.batches import ArrayLike
from minicnn.callbacks import Callback
from minicnn.train import recipes
from minicnn.typing import Array

from .agreement import Disagreement
from .command import positive, say
from .report import Report, Row, row
from .timing import Stopwatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 240
QUICK_IMAGES = 512
ALONE, ALL = "minicnn alone", "minicnn + all"

Make = Callable[[Path], list[Callback]]


class Times(NamedTuple):
    """Seconds of one run."""

    epoch: float  # mean
    hooks: float  # in the observers' hooks, part of `epoch`
    end: float  # once, at the end of the run


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is trained, for how long, and with which observers."""
    add = parser.add_argument
    add("--data", default="sample", help='"sample", "mnist", "fashion", or a folder with a sheet')
    add("--model", choices=architectures.TABLE, default="course")
    add("--batch", type=positive, help="default: the recipe's")
    add("--epochs", type=positive, default=40, help="of each run (40)")
    add("--each", action="store_true", help="measure each observer by itself, too")


def run(options: argparse.Namespace) -> Report:
    """In each round, train once with each of the observers."""
    data = MnistData(options.data).load()
    makers: dict[str, Make] = {ALONE: lambda folder: []}
    if options.each:
        makers |= {f"minicnn + {name}": _one(make) for name, make in observers().items()}
    makers[ALL] = lambda folder: [make(folder) for make in observers().values()]
    epochs = 1 if options.quick else options.epochs
    found: dict[str, list[Times]] = {name: [] for name in makers}
    weights: list[Array] | None = None
    _train(data, options, [], 1)  # compiles, and loads the images into memory
    for number in range(options.rounds or (1 if options.quick else 3)):
        for name, make in makers.items():
            say(f"round {number + 1}: {name}")
            with tempfile.TemporaryDirectory() as folder:
                times, model = _train(data, options, make(Path(folder)), epochs)
            found[name].append(times)
            weights = weights or model.get_weights()
            _check(name, weights, model)
    return Report("observers", _rows(options, found))


def observers() -> dict[str, Callable[[Path], Callback]]:
    """Name → a function that makes it, with a folder for its files."""
    found: dict[str, Callable[[Path], Callback]] = {
        "CSVLogger": lambda folder: callbacks.CSVLogger(folder / "history.csv"),
        "JSONLogger": lambda folder: callbacks.JSONLogger(folder / "log.jsonl"),
        "PlotMetrics": lambda folder: callbacks.PlotMetrics(folder / "history.png"),
        "ConfusionMatrix": lambda folder: callbacks.ConfusionMatrix(folder / "confusion.png"),
        "SampleGrid": lambda folder: callbacks.SampleGrid(folder / "samples.png"),
        "LayerStats": lambda folder: callbacks.LayerStats(folder / "layers.json"),
        "LiveLog": lambda folder: callbacks.LiveLog(folder / "live.jsonl"),
        "Timer": lambda folder: callbacks.Timer(),
        "ProgressBar": lambda folder: callbacks.ProgressBar(console=_hidden_console()),
    }
    if find_spec("tensorboardX"):
        found["TensorBoard"] = lambda folder: callbacks.TensorBoard(folder / "tensorboard")
    return found


HOOKS = ("on_epoch_begin", "on_batch_end", "on_epoch_end")


def _one(make: Callable[[Path], Callback]) -> Make:
    return lambda folder: [make(folder)]


def _hidden_console() -> Console:
    """A terminal in memory."""
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def _train(
    data: MnistData, options: argparse.Namespace, observing: list[Callback], epochs: int
) -> tuple[Times, Sequential]:
    count = data.num_train
    recipe = recipes.default(count).changed(epochs=epochs, batch_size=options.batch)
    model = Sequential(
        architectures.TABLE[options.model](data.num_classes), data.image_shape, seed=0
    )
    model.compile(recipe.make_optimizer(count), recipe.make_loss(), ["accuracy"])
    train: ArrayLike = data.train_x
    test: ArrayLike = data.test_x
    if options.quick:
        train, test = train[:QUICK_IMAGES], test[:QUICK_IMAGES]
    watch = Stopwatch()
    for callback in observing:
        for hook in HOOKS:
            watch.watch(callback, hook, "hooks")
        watch.watch(callback, "on_train_end", "end")
    fit = partial(
        model.fit,
        train,
        data.train_labels[: len(train)],
        batch_size=recipe.batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=observing,
        validation_data=(test, data.test_labels[: len(test)]),
    )
    watch.step(fit, "rest")
    (seconds,) = watch.steps
    hooks, end = seconds.get("hooks", 0.0), seconds.get("end", 0.0)
    return Times((seconds["rest"] + hooks) / epochs, hooks / epochs, end), model


def _check(name: str, weights: list[Array], model: Sequential) -> None:
    for own, other in zip(weights, model.get_weights(), strict=True):
        if not np.array_equal(own, other):
            raise Disagreement(f"{name}: expected the weights of a run without observers")


def _rows(options: argparse.Namespace, found: dict[str, list[Times]]) -> list[Row]:
    case = f"{Path(options.data).name}, {options.model} network"
    rows = [
        row(case, "once, at the end", name, [t.end for t in times]) for name, times in found.items()
    ]
    for name, times in found.items():
        figures = {
            "of it in hooks, ms": 1e3 * median(t.hooks for t in times),
            "hooks, % of the rest": median(100 * t.hooks / (t.epoch - t.hooks) for t in times),
        }
        rows.append(row(case, "an epoch", name, [t.epoch for t in times], figures))
    return rows


def draw(report: Report) -> dict[str, Figure]:
    """Epochs a second, with each of the observers."""
    from . import plots

    rows = [r for r in report.rows if r.what == "an epoch"]
    for r in rows:
        r.figures["epochs/s"] = 1 / r.median
    return {"": plots.bars(report, rows, "epochs/s", "Epochs a second, with and without observers")}
