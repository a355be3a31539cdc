"""What the callbacks share that draw the network's outputs for the validation samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..hooks import Callback, State
from ..typing import Array
from .lines import WarnOnce
from .throttle import Throttle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")  # those of plots.save, without importing Matplotlib


class Drawing(Callback):
    """Base: draws now and then (see throttle.py), and always at the end of training. A subclass
    overrides `look` and `figure`, and calls catch_up before it returns what look() found."""

    needs_outputs = True

    def __init__(
        self, path: str | os.PathLike[str] | None, class_names: Sequence[str] | None
    ) -> None:
        name = type(self).__name__
        self.path = None if path is None else check_format(name, path)
        self.class_names = None if class_names is None else list(class_names)
        self._throttle, self._warning = Throttle(), WarnOnce(name)
        self._names: list[str] = []
        self._unseen: State | None = None
        self._changed = False

    def look(self, outputs: Array, targets: Array, state: State) -> None:
        """Take from the outputs (N, K) and targets of the validation samples what figure()
        needs."""
        raise TypeError(f"{type(self).__name__} has no look(): override it")

    def figure(self) -> Figure:
        """What to draw, from what the last look() took."""
        raise TypeError(f"{type(self).__name__} has no figure(): override it")

    def on_train_begin(self, state: State) -> None:
        self._throttle.begin(state.drawing.throttles if self.path else None)
        self._warning.begin()
        self._unseen, self._changed = None, False
        if state.drawing.validation is None or state.drawing.validation.y is None:
            raise ValueError(
                f"{type(self).__name__}: expected validation samples, received none; give fit "
                "validation_data or validation_split"
            )
        shape = tuple(state.model.output_shape)
        if len(shape) != 1 or shape[0] < 2:
            raise ValueError(
                f"{type(self).__name__}: expected a model with outputs (classes >= 2,), received "
                f"{shape}"
            )
        if self.class_names is not None and len(self.class_names) != shape[0]:
            raise ValueError(
                f"{type(self).__name__}: expected {shape[0]} class names, one for each output of "
                f"the model, received {len(self.class_names)}"
            )
        self._names = list(self.class_names or state.model.class_names or map(str, range(shape[0])))

    def on_epoch_end(self, state: State) -> None:
        # A copy, which catch_up() uses if the outputs are needed.
        self._unseen = replace(state, drawing=replace(state.drawing))
        self._changed = True
        if self._throttle.due():
            self._draw()

    def catch_up(self) -> None:
        """Look at the last epoch, unless that was done before."""
        state, self._unseen = self._unseen, None
        if state is not None:
            samples, outputs = state.drawing.validation, state.drawing.val_outputs
            assert samples is not None
            assert samples.y is not None
            assert outputs is not None
            self.look(outputs, samples.y, state)

    def on_train_end(self, state: State) -> None:
        if self._changed:
            self._draw()

    def _draw(self) -> None:
        self._changed = False
        if self.path is None:
            return
        with self._throttle.working(), self._warning.instead_of_error(self.path):
            from .. import plots

            self.catch_up()
            plots.save(self.figure(), self.path)


def check_format(caller: str, path: str | os.PathLike[str]) -> Path:
    """`path`, if its suffix is one of a figure; else ValueError."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{caller}: expected a path in .png, .svg or .pdf, received {path}")
    return path


def probabilities(outputs: Array) -> Array:
    """Outputs (N, K) as probabilities: unchanged if each row adds up to 1, else their softmax."""
    with np.errstate(all="ignore"):
        total = outputs.sum(axis=1, keepdims=True)
        if outputs.size and outputs.min() >= 0 and np.allclose(total, 1, atol=1e-3):
            return outputs
        e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


class Mistakes(NamedTuple):
    """What most_confident_mistakes() found."""

    rows: Array
    """(n,) the misclassified samples, most confident first."""
    predicted: Array
    """(N,) class indices."""
    confidence: Array
    """(N,) the probability of the predicted class."""
    wrong: int
    """How many samples are misclassified."""


def most_confident_mistakes(true: Array, shares: Array, count: int) -> Mistakes:
    """At most `count` misclassified samples, given true class indices (N,) and probabilities
    (N, K)."""
    predicted = shares.argmax(axis=1)
    confidence = np.take_along_axis(shares, predicted[:, None], axis=1)[:, 0]
    wrong = np.flatnonzero(true != predicted)
    rows = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return Mistakes(rows, predicted, confidence, len(wrong))
