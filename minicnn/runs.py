"""The run folder: what a training run leaves behind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .batches import ArrayLike
from .callbacks import Callback, State
from .files import atomic_path
from .layers import Conv2D
from .metrics import confusion_matrix
from .model import Sequential
from .typing import Array

MODEL, HISTORY_CSV, HISTORY_PNG = "model.safetensors", "history.csv", "history.png"
CONFUSION, MISTAKES, FILTERS = "confusion.png", "mistakes.png", "filters.png"
RUN = "run.json"

CONTENTS = {
    MODEL: "the trained network: Sequential.load(…)",
    HISTORY_CSV: "loss and accuracy, a row an epoch",
    HISTORY_PNG: "the same as curves",
    CONFUSION: "which class was taken for which; accuracy of each class",
    MISTAKES: "the misread images of which it was most sure",
    FILTERS: "what the first convolution looks for",
    RUN: "options, versions, machine, results",
}


def new_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Make parent/<time>-name; where another run made it first, with -2, -3, … behind.

    Raises:
        OSError: it cannot be made.
    """
    stem = f"{time.strftime('%Y-%m-%d_%H%M%S')}-{name}"
    number = 1
    while True:
        folder = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def given_folder(folder: Path) -> Path:
    """Make `folder`, or take it if it is empty: two runs never share one.

    Raises:
        FileExistsError: something is in it.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(
            f"expected a new or empty folder for the run, but {folder} holds files; "
            "name another one"
        )
    return folder


def remove_if_empty(folder: Path) -> None:
    """Leave no folder behind for a run that wrote nothing."""
    with suppress(OSError):
        folder.rmdir()  # refuses while something is in it


class Stopwatch(Callback):
    """Seconds spent on batches (without validation and drawing at epoch ends), images trained."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0
        self.epochs = 0
        self._begun, self._seen = 0.0, 0

    def on_epoch_begin(self, state: State) -> None:
        self._begun, self._seen = time.perf_counter(), 0

    def on_batch_end(self, state: State) -> None:
        now = time.perf_counter()
        self.seconds += now - self._begun
        self._begun = now
        self.images += state.seen - self._seen
        self._seen = state.seen

    def on_epoch_end(self, state: State) -> None:
        self.epochs = state.epoch + 1

    @property
    def images_per_second(self) -> float:
        """Over all batches so far; 0 before the first."""
        return self.images / self.seconds if self.seconds else 0.0


@dataclass
class Evaluation:
    """What the model says of the test images."""

    loss: float  # cross-entropy, without label smoothing
    accuracy: float
    probabilities: Array  # (N, classes)
    true: Array  # (N,) class indices
    predicted: Array  # (N,)

    @property
    def wrong(self) -> Array:
        """Rows of the misread images."""
        return np.flatnonzero(self.true != self.predicted)


def measure(model: Sequential, x: ArrayLike, labels: Array) -> Evaluation:
    """Run the test images through the model: x (N, …), labels (N, classes) one-hot."""
    probabilities = model.predict(x)
    true, predicted = labels.argmax(axis=1), probabilities.argmax(axis=1)
    of_true = np.take_along_axis(probabilities, true[:, None], axis=1)
    loss = -np.log(np.maximum(of_true, np.finfo(of_true.dtype).tiny))
    accuracy = float(np.mean(true == predicted))
    return Evaluation(float(loss.mean()), accuracy, probabilities, true, predicted)


def draw(
    folder: Path, model: Sequential, x: ArrayLike, result: Evaluation, class_names: Sequence[str]
) -> None:
    """Write confusion.png, mistakes.png and filters.png.

    Raises:
        OSError: a file cannot be written.
    """
    from . import plots

    matrix = confusion_matrix(result.true, result.predicted, len(class_names))
    plots.save(plots.confusion_matrix(matrix, class_names), folder / CONFUSION)
    rows = result.wrong if len(result.wrong) else np.arange(len(result.true))
    figure = plots.mistakes(
        x[rows],
        result.true[rows],
        result.predicted[rows],
        result.probabilities[rows],
        class_names,
        total=len(result.true),
    )
    plots.save(figure, folder / MISTAKES)
    for layer in model.layers:
        if isinstance(layer, Conv2D):
            plots.save(plots.filters(layer.params["w"], "First convolution"), folder / FILTERS)
            break


def write_json(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write `content` as readable JSON, by rename; NaN and infinity become null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, default=str)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
