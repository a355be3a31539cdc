"""SampleGrid: the validation images that the model misreads, as pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import state_checks
from ..hooks import State
from ..metrics import class_indices
from ..typing import Array
from .drawing import Drawing, probabilities, worst

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SampleGrid(Drawing):
    """Draws the validation images that the model misreads and is most sure of (if it misreads
    none: of which it is least sure), with what it takes them for.

    It is drawn at the end of training, and in between now and then, so that all callbacks that draw
    take at most about 1.5 % of the time. If it can't be written, a RunWarning says so once and
    training goes on.

    Args:
        path: a .png, .svg or .pdf; None: nothing is drawn, but figure() can be called.
        class_names: None: those of the model, or else numbers.
        count: images to show at most, >= 1.

    Attributes:
        rows: the validation samples that were worst in the last finished epoch, worst first.

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
        self._names: list[str] = []
        self._shown: tuple[Array, Array, Array] | None = None  # true, predicted, how sure
        self._x: Any = None
        self._title = ""

    def get_state(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self._rows = [int(row) for row in state_checks.numbers(saved, "rows")]

    @property
    def rows(self) -> list[int]:
        """See the class."""
        self.catch_up()
        return self._rows

    def on_train_begin(self, state: State) -> None:
        super().on_train_begin(state)
        assert state.validation is not None
        shape = tuple(state.validation.x.shape[1:])
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise ValueError(
                "SampleGrid: expected validation images (H, W, 1) or (H, W, 3), received "
                f"samples {shape}"
            )
        self._rows = []

    def look(self, outputs: Array, targets: Array, state: State) -> None:
        assert state.validation is not None
        self._x = state.validation.x
        true = class_indices(targets, outputs)
        shares = probabilities(outputs)
        chosen, predicted, sure, wrong = worst(true, shares, self.count)
        title = f"Epoch {state.epoch + 1}: {wrong:,} of {len(true):,} misread"
        if not wrong:
            chosen = np.argsort(sure, kind="stable")[: self.count]
            title += ". The least sure:"
        if wrong > self.count:
            title += f"; the {self.count} of which the model was most sure"
        self._title = title
        self._rows = chosen.tolist()
        self._shown = true[chosen], predicted[chosen], sure[chosen]
        self._names = self.names(state.model, outputs.shape[1])

    def figure(self) -> Figure:
        from .. import plots

        rows = np.asarray(self.rows, dtype=np.intp)
        if self._shown is None:
            raise RuntimeError("SampleGrid: no epoch has ended yet in this run")
        images = in_unit_range(self._x[rows])
        true, predicted, sure = self._shown
        figure = plots.mistakes(images, true, predicted, sure, self._names, limit=self.count)
        # (it has been given the worst alone, and so cannot know how many there are)
        figure.axes[0].set_title(self._title, loc="left", fontsize=11, fontweight="bold")
        figure.set_figwidth(max(figure.get_figwidth(), 0.1 * len(self._title)))
        return figure


def in_unit_range(images: Array) -> Array:
    """Images as floats in [0, 1]: as they are, or, if they leave it, from their least number to
    their largest."""
    images = np.nan_to_num(np.asarray(images, dtype=np.float32), posinf=0.0, neginf=0.0)
    low, high = images.min(initial=0.0), images.max(initial=1.0)
    return images if low == 0 and high == 1 else (images - low) / (high - low)
