"""What callbacks share that draw the validation samples: when they draw, and what may go wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..hooks import Callback, State
from ..typing import Array
from .lines import Complaint
from .pace import Pace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")  # as plots.save, without paying for Matplotlib


class Drawing(Callback):
    """Base: a picture of what the model makes of the validation samples, drawn now and then (see
    pace.py), and always at the end. A subclass overrides `look` and `figure`, and calls catch_up
    before it hands out what look() found.

    Args:
        path: a .png, .svg or .pdf; None: nothing is drawn.
        class_names: None: those of the model, or else numbers.
    """

    needs_outputs = True

    def __init__(
        self, path: str | os.PathLike[str] | None, class_names: Sequence[str] | None
    ) -> None:
        name = type(self).__name__
        self.path = None if path is None else check_format(name, path)
        self.class_names = None if class_names is None else list(class_names)
        self._pace, self._complaint = Pace(), Complaint(name)
        self._unseen: State | None = None
        self._changed = False

    def look(self, outputs: Array, targets: Array, state: State) -> None:
        """Take from the outputs (N, K) and targets of the validation samples what figure()
        needs."""
        raise TypeError(f"{type(self).__name__} looks at nothing: override look()")

    def figure(self) -> Figure:
        """The picture."""
        raise TypeError(f"{type(self).__name__} draws nothing: override figure()")

    def on_train_begin(self, state: State) -> None:
        self._pace.begin(state if self.path else None)  # without a path nothing is drawn
        self._complaint.begin()
        self._unseen, self._changed = None, False
        if state.validation is None or state.validation.y is None:
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
                f"{type(self).__name__}: expected {shape[0]} class names, as the model has "
                f"outputs, received {len(self.class_names)}"
            )

    def on_epoch_end(self, state: State) -> None:
        self._unseen, self._changed = replace(state), True  # looked at when it is asked for
        if self._pace.due():
            self._draw()

    def catch_up(self) -> None:
        """Look at the last epoch, if that was not done yet."""
        state, self._unseen = self._unseen, None
        if state is not None:
            assert state.validation is not None
            assert state.validation.y is not None
            assert state.val_outputs is not None
            self.look(state.val_outputs, state.validation.y, state)

    def on_train_end(self, state: State) -> None:
        if self._changed:
            self._draw()

    def names(self, model: object, count: int) -> list[str]:
        """The names of `count` classes."""
        own = getattr(model, "class_names", None)
        return list(self.class_names or own or map(str, range(count)))

    def _draw(self) -> None:
        self._changed = False
        if self.path is None:
            return
        with self._pace.working(), self._complaint.instead_of_error(self.path):
            from .. import plots

            self.catch_up()
            plots.save(self.figure(), self.path)


def check_format(asked_by: str, path: str | os.PathLike[str]) -> Path:
    """`path`, if a figure can be written there by its suffix; else ValueError."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{asked_by}: expected a path in .png, .svg or .pdf, received {path}")
    return path


def probabilities(outputs: Array) -> Array:
    """Outputs (N, K) as shares of 1 in each row: as they are, or (logits) their softmax."""
    with np.errstate(all="ignore"):
        total = outputs.sum(axis=1, keepdims=True)
        if outputs.size and outputs.min() >= 0 and np.allclose(total, 1, atol=1e-3):
            return outputs
        e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


def worst(true: Array, shares: Array, count: int) -> tuple[Array, Array, Array, int]:
    """The samples that are misread and of which the model is most sure.

    Args:
        true: (N,) class indices.
        shares: (N, K) probabilities.
        count: how many, at most.

    Returns:
        rows (n,), the surest first; predicted (N,); how sure of it (N,); how many are misread.
    """
    predicted = shares.argmax(axis=1)
    sure = np.take_along_axis(shares, predicted[:, None], axis=1)[:, 0]
    wrong = np.flatnonzero(true != predicted)
    return wrong[np.argsort(-sure[wrong], kind="stable")][:count], predicted, sure, len(wrong)
