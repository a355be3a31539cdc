"""python -m bench observers: what does it cost to watch a run: each callback, and all together?

The same network is trained by the command line's recipe, from the same weights on the same batches:
alone, with each observer, and with all of them. What is spent in an observer's hooks is set against
the rest of the epochs, in the same run, since a machine's speed drifts from run to run; and, once a
run, what it does at the end: most draw their figure then. All end in the same weights, or it is an
error.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn import MnistData, Sequential, architectures, callbacks
from minicnn.callbacks import Callback, State
from minicnn.train import recipes
from minicnn.typing import Array

from .agreement import Disagreement
from .command import positive, say
from .report import Report, Row, row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 240
ALONE, ALL = "minicnn alone", "minicnn + all"

Make = Callable[[Path], list[Callback]]


class Times(NamedTuple):
    """Seconds of one run."""

    epoch: float  # each, on the average
    hooks: float  # of it, in the observers' hooks
    end: float  # once


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is trained, and how long."""
    add = parser.add_argument
    add("--data", default="sample", help='"sample", "mnist", "fashion", or a folder with a sheet')
    add("--model", choices=architectures.TABLE, default="course")
    add("--batch", type=positive, help="default: the recipe's")
    add("--epochs", type=positive, default=40, help="of each run (40)")
    add("--each", action="store_true", help="each observer by itself, too")


def run(options: argparse.Namespace) -> Report:
    """Train with everybody in turn, round after round."""
    data = MnistData(options.data).load()
    makers: dict[str, Make] = {ALONE: lambda folder: []}
    if options.each:
        makers |= {f"minicnn + {name}": _one(make) for name, make in observers().items()}
    makers[ALL] = lambda folder: [make(folder) for make in observers().values()]
    epochs = 1 if options.quick else options.epochs
    found: dict[str, list[Times]] = {name: [] for name in makers}
    weights: list[Array] | None = None
    _train(data, options, [], 1)  # compiles, and brings the images into memory
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
    """Name → how it is made, with a folder of its own to write into."""
    found: dict[str, Callable[[Path], Callback]] = {
        "CSVLogger": lambda folder: callbacks.CSVLogger(folder / "history.csv"),
        "JSONLogger": lambda folder: callbacks.JSONLogger(folder / "log.jsonl"),
        "PlotMetrics": lambda folder: callbacks.PlotMetrics(folder / "history.png"),
        "ConfusionMatrix": lambda folder: callbacks.ConfusionMatrix(folder / "confusion.png"),
        "SampleGrid": lambda folder: callbacks.SampleGrid(folder / "samples.png"),
        "LayerStats": lambda folder: callbacks.LayerStats(folder / "layers.json"),
        "LiveLog": lambda folder: callbacks.LiveLog(folder / "live.jsonl"),
        "Timer": lambda folder: callbacks.Timer(),
        "ProgressBar": lambda folder: callbacks.ProgressBar(console=_nowhere()),
    }
    if find_spec("tensorboardX"):
        found["TensorBoard"] = lambda folder: callbacks.TensorBoard(folder / "tensorboard")
    return found


HOOKS = ("on_epoch_begin", "on_batch_end", "on_epoch_end")


class _Watch:
    """Seconds in the hooks of some callbacks: during the epochs, and at the end."""

    def __init__(self, callbacks: list[Callback]) -> None:
        self.during = self.end = 0.0
        for callback in callbacks:
            for hook in (*HOOKS, "on_train_end"):
                setattr(callback, hook, self._timed(getattr(callback, hook), hook in HOOKS))

    def _timed(self, hook: Callable[[State], None], during: bool) -> Callable[[State], None]:
        def timed(state: State) -> None:
            begun = time.perf_counter()
            hook(state)
            spent = time.perf_counter() - begun
            if during:
                self.during += spent
            else:
                self.end += spent

        return timed


def _one(make: Callable[[Path], Callback]) -> Make:
    return lambda folder: [make(folder)]


def _nowhere() -> Any:
    """A terminal that nobody sees."""
    import io

    from rich.console import Console

    return Console(file=io.StringIO(), force_terminal=True, width=100)


def _train(
    data: MnistData, options: argparse.Namespace, watching: list[Callback], epochs: int
) -> tuple[Times, Sequential]:
    count = data.num_train
    recipe = recipes.default(count).changed(epochs=epochs, batch_size=options.batch)
    model = Sequential(
        architectures.TABLE[options.model](data.num_classes), data.image_shape, seed=0
    )
    model.compile(recipe.make_optimizer(count), recipe.make_loss(), ["accuracy"])
    watch, begun = _Watch(watching), time.perf_counter()
    model.fit(
        data.train_x,
        data.train_labels,
        batch_size=recipe.batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=watching,
        validation_data=(data.test_x, data.test_labels),
    )
    whole = time.perf_counter() - begun
    return Times((whole - watch.end) / epochs, watch.during / epochs, watch.end), model


def _check(name: str, weights: list[Array], model: Sequential) -> None:
    for own, other in zip(weights, model.get_weights(), strict=True):
        if not np.array_equal(own, other):
            raise Disagreement(f"{name}: expected the weights of a run that nobody watches")


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
    """Epochs a second, of each."""
    from . import plots

    rows = [r for r in report.rows if r.what == "an epoch"]
    for r in rows:
        r.figures["epochs/s"] = 1 / r.median
    return {"": plots.bars(report, rows, "epochs/s", "Epochs a second, watched and alone")}
