"""ConfusionMatrix: which class is confused with which, epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import state_checks
from ..hooks import State
from ..metrics import class_indices, confusion_matrix
from ..typing import Array
from .drawing import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ConfusionMatrix(Drawing):
    """Counts, after each epoch, how often each true class of the validation samples is predicted
    as which class.

    With a path, the matrix is drawn at the end of training, and during training as often as all
    drawing callbacks together take at most about 1.5 % of the time. If it can't be written, one
    RunWarning is issued and training continues.

    Args:
        path: a .png, .svg or .pdf; None: nothing is drawn.
        class_names: None: those of the model, or else numbers.
        shares: `matrix` holds each row's shares of the true class (a class without samples: 0)
            in place of counts. The picture shows counts either way, and shares by colour.

    Attributes:
        counts: (K, K) int64 of the last finished epoch: a row for each true class, a column for
            each predicted one; None before the first. A sample whose outputs have a NaN is not
            counted.
        matrix: the same, or with `shares` (K, K) float64 in 0…1.

    Raises:
        ValueError: another suffix; at the start of training, no validation samples, a model
            without classes, or another number of names.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        class_names: Sequence[str] | None = None,
        shares: bool = False,
    ) -> None:
        super().__init__(path, class_names)
        self.shares = shares
        self._counts: Array | None = None
        self._title: str | None = None

    def on_train_begin(self, state: State) -> None:
        super().on_train_begin(state)
        self._counts = None

    def get_state(self) -> dict[str, object]:
        return {"counts": self.counts}

    def set_state(self, saved: Mapping[str, object]) -> None:
        expected = np.zeros((len(self._names),) * 2, np.int64)
        counts = saved["counts"]
        self._counts = None if counts is None else state_checks.like(counts, expected, "counts")

    @property
    def counts(self) -> Array | None:
        self.catch_up()
        return self._counts

    @property
    def matrix(self) -> Array | None:
        counts = self.counts
        if counts is None or not self.shares:
            return counts
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def look(self, outputs: Array, targets: Array, state: State) -> None:
        classes = outputs.shape[1]
        true, sound = class_indices(targets, outputs), ~np.isnan(outputs).any(axis=1)
        counts = confusion_matrix(true[sound], outputs.argmax(axis=1)[sound], classes)
        self._counts = counts
        share = np.trace(counts) / max(int(counts.sum()), 1)
        self._title = f"Epoch {state.epoch + 1}: {100 * share:.2f} % right"

    def figure(self) -> Figure:
        from .. import plots

        counts = self.counts
        if counts is None:
            raise RuntimeError("ConfusionMatrix: no epoch has ended yet")
        return plots.confusion_matrix(counts, self._names, title=self._title)
