"""SampleGrid: pictures of the validation images that the model misclassifies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import state_checks
from ..batches import ArrayLike
from ..hooks import State
from ..metrics import class_indices
from ..typing import Array
from .drawing import Drawing, most_confident_mistakes, probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SampleGrid(Drawing):
    """Draws the most confident mistakes among the validation images (without mistakes: the least
    confident predictions), with the predicted classes.

    They are drawn at the end of training, and during training as often as all drawing callbacks
    together take at most about 1.5 % of the time. If the file can't be written, one RunWarning is
    issued and training continues.

    Args:
        path: a .png, .svg or .pdf; None: nothing is drawn, only figure() can be called.
        class_names: None: those of the model, or else numbers.
        count: images to show at most, >= 1.

    Attributes:
        rows: the validation samples that are shown of the last finished epoch, in order.

    Raises:
        ValueError: an argument out of range; at the start of training, no validation samples, or
            samples or a model of a shape that can't be shown.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        class_names: Sequence[str] | None = None,
        count: int = 32,
    ) -> None:
        if count < 1:
            raise ValueError(f"SampleGrid: expected count >= 1, received {count}")
        super().__init__(path, class_names)
        self.count = count
        self._rows: list[int] = []
        self._shown: tuple[Array, Array, Array] | None = None  # true, predicted, confidence
        self._x: ArrayLike | None = None
        self._title = ""

    def get_state(self) -> dict[str, object]:
        return {"rows": self.rows}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self._rows = [int(row) for row in state_checks.numbers(saved, "rows")]

    @property
    def rows(self) -> list[int]:
        self.catch_up()
        return self._rows

    def on_train_begin(self, state: State) -> None:
        super().on_train_begin(state)
        assert state.drawing.validation is not None
        shape = tuple(state.drawing.validation.x.shape[1:])
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise ValueError(
                "SampleGrid: expected validation images (H, W, 1) or (H, W, 3), received "
                f"samples {shape}"
            )
        self._rows = []

    def look(self, outputs: Array, targets: Array, state: State) -> None:
        assert state.drawing.validation is not None
        self._x = state.drawing.validation.x
        true = class_indices(targets, outputs)
        found = most_confident_mistakes(true, probabilities(outputs), self.count)
        rows, title = found.rows, f"Epoch {state.epoch + 1}: {found.wrong:,} of {len(true):,}"
        title += " misclassified"
        if not found.wrong:
            rows = np.argsort(found.confidence, kind="stable")[: self.count]
            title += ". The least confident:"
        if found.wrong > self.count:
            title += f"; the {self.count} most confident"
        self._title = title
        self._rows = rows.tolist()
        self._shown = true[rows], found.predicted[rows], found.confidence[rows]

    def figure(self) -> Figure:
        from .. import plots

        rows = np.asarray(self.rows, dtype=np.intp)
        if self._shown is None or self._x is None:
            raise RuntimeError("SampleGrid: no epoch has ended yet in this run")
        images = in_unit_range(self._x[rows])
        true, predicted, confidence = self._shown
        return plots.mistakes(
            images, true, predicted, confidence, self._names, self._title, limit=self.count
        )


def in_unit_range(images: Array) -> Array:
    """Images as floats in [0, 1]: unchanged, or, if they leave it, scaled from their minimum to
    their maximum."""
    images = np.nan_to_num(np.asarray(images, dtype=np.float32), posinf=0.0, neginf=0.0)
    low, high = images.min(initial=0.0), images.max(initial=1.0)
    return images if low == 0 and high == 1 else (images - low) / (high - low)
