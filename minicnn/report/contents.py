"""A run folder, read: record, curves, model, and predictions for the test images."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import runs
from ..batches import ArrayLike
from ..callbacks import read_layer_stats
from ..errors import DataError, ModelError
from ..metrics import wilson
from ..model import Sequential
from ..runs import Evaluation, Record
from ..runs.record import DIVERGED
from ..train import options as train_options
from ..train import plan
from ..typing import Array
from .render import known

History = dict[str, list[float]]


@dataclass(frozen=True)
class Images:
    """The test images of a run."""

    x: ArrayLike  # (N, H, W, C), [0, 1]
    labels: Array  # (N, classes) one-hot
    class_names: tuple[str, ...]


class Tested(NamedTuple):
    """The test images of a run, and the model's predictions for them."""

    images: Images
    evaluation: Evaluation


@dataclass(frozen=True)
class RunContents:
    """A run folder, read. Missing parts are None, and `notes` say why."""

    folder: Path
    record: Record
    history: History
    layers: dict[str, Any] | None  # what LayerStats measured
    model: Sequential | None
    tested: Tested | None
    notes: list[str]

    @property
    def name(self) -> str:
        """The folder's name, as printable text."""
        return in_unicode(self.folder.resolve().name)

    @property
    def place(self) -> str:
        """The folder's path, as printable text."""
        return in_unicode(str(self.folder))

    @property
    def commands(self) -> str:
        """The command of the run, and those that resumed it, a line each."""
        record = self.record.content
        later = [entry for entry in record["resumed"] if isinstance(entry, dict)]
        return "\n".join(str(entry.get("command", "")) for entry in [record, *later])


def read(folder: Path, data: str | None = None) -> RunContents:
    """Read a run folder, and evaluate its model on its test images.

    Args:
        data: the run's data, if it has moved.

    Raises:
        FileNotFoundError: it is not a run folder.
        ModelError: its record or its history is damaged.
    """
    record, notes = runs.read_record(folder), list[str]()
    model = _model(folder, notes)
    tested = _tested(record, model, data, notes) if model is not None else None
    notes = [*_diverged(record, tested), *notes]
    return RunContents(
        folder=folder,
        record=record,
        history=read_history(folder / runs.HISTORY_CSV),
        layers=_layers(folder / runs.LAYERS, notes),
        model=model,
        tested=tested,
        notes=notes,
    )


def read_history(path: Path) -> History:
    """The columns of a history.csv; NaN where a cell is empty. No file: no columns.

    Raises:
        ModelError: it is not such a table.
    """
    if not path.is_file():
        return {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = list(rows[0]) if rows else []
        return {name: [float(row[name] or math.nan) for row in rows] for name in names}
    except (ValueError, TypeError, csv.Error) as error:  # UnicodeDecodeError is a ValueError
        raise ModelError(f"{path}: expected a table of numbers, received {error}") from error


def _layers(path: Path, notes: list[str]) -> dict[str, Any] | None:
    try:
        return read_layer_stats(path)
    except FileNotFoundError:
        return None
    except DataError as error:
        notes.append(f"The layer statistics are left out: {error}")
        return None


def _model(folder: Path, notes: list[str]) -> Sequential | None:
    """The run's model; while it trains, that of its newest checkpoint. If a file is damaged, the
    next best."""
    paths, damaged = runs.find_models(folder), list[Path]()
    for path in paths:
        try:
            model = Sequential.load(path)
        except (ModelError, OSError) as error:
            notes.append(f"{path.name} can't be read: {error}")
            damaged.append(path)
            continue
        if damaged:
            notes.append(f"The model is from {path.name}.")
        elif path.name != runs.MODEL:
            notes.append(f"The run has not ended: the model is from {path.name}.")
        return model
    if damaged:
        notes.append("There is no other model: everything that depends on it is left out.")
    else:
        notes.append("The run has not ended and has no checkpoint: there is no model yet.")
    return None


def tested_on(record: Record, data: str | None) -> Images:
    """The test images of a run, from its own data source or from `data`.

    Raises:
        DataError, ValueError, OSError: the data is missing, damaged, or not the run's.
    """
    options = train_options.restored(record.options)
    options.quiet = True  # no progress bar
    options.data = data or options.data
    source, _, (x, labels) = plan.load_data(options)
    if record.content["data"].get("sha256") != plan.fingerprint(source):
        raise DataError(
            f"{options.data} does not hold the data of this run any more (its SHA-256 differs)"
        )
    return Images(x, labels, source.class_names)


def _tested(record: Record, model: Sequential, data: str | None, notes: list[str]) -> Tested | None:
    try:
        images = tested_on(record, data)
    except (ValueError, OSError) as error:
        notes.append(f"Everything that needs the test images is left out: {error}")
        return None
    return Tested(images, runs.measure(model, images.x, images.labels))


def in_unicode(text: str) -> str:
    """The text with "?" for characters that are not Unicode: a file name may hold any bytes."""
    return text.encode(errors="replace").decode()


def _diverged(record: Record, tested: Tested | None) -> list[str]:
    """A note that must come first: training diverged."""
    finite = np.ones(1, bool) if tested is None else tested.evaluation.finite
    if finite.all() and record.status != DIVERGED:
        return []
    what = "the loss became NaN or infinite"
    if not finite.all():
        lost, count = int((~finite).sum()), len(finite)
        what = f"the network's outputs for {lost:,} of {count:,} test images are not finite"
    return [
        f"Training diverged: {what}. Meaningless numbers are left out. Train again with a lower "
        "learning rate (--lr)."
    ]


class Scores(NamedTuple):
    """The results of a run as text; None if unknown."""

    accuracy: str | None
    interval: str | None  # 95 % confidence interval of the accuracy
    mistakes: str | None  # "3 of 120"
    loss: str | None
    epochs: str
    seconds: str | None
    images_per_second: str | None


def scores(run: RunContents) -> Scores:
    """The evaluation on the test images; without them, the results in run.json."""
    results, interval, mistakes = run.record.results, None, None
    accuracy, loss = results.get("test_accuracy"), results.get("test_loss")
    if run.tested is not None:
        result = run.tested.evaluation
        accuracy, loss = result.accuracy, result.loss
        count, wrong = len(result.true), len(result.wrong)
        mistakes = f"{wrong:,} of {count:,}"
        if result.finite.all():
            low, high = wilson(count - wrong, count)
            interval = f"{low:.2%} to {high:.2%}"
    seconds, rate = results.get("seconds"), results.get("images_per_second")
    return Scores(
        accuracy=f"{accuracy:.2%}" if known(accuracy) else None,
        interval=interval,
        mistakes=mistakes,
        loss=f"{loss:.4f}" if known(loss) else "NaN" if known(accuracy) else None,
        epochs=str(results.get("epochs", len(run.history.get("epoch", [])))),
        seconds=f"{seconds:.1f}" if known(seconds) else None,
        images_per_second=f"{rate:,.0f}" if known(rate) else None,
    )


def pixels(images: ArrayLike, rows: Array) -> Array:
    """(n, H, W, C) uint8 of these rows of images in [0, 1]."""
    return np.rint(np.asarray(images[rows]) * 255).clip(0, 255).astype(np.uint8)
