"""A model's predictions for the test images, and their counts by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..batches import ArrayLike
from ..metrics import confusion_matrix
from ..model import Sequential
from ..typing import Array


@dataclass
class Evaluation:
    """Predictions for N test images."""

    loss: float  # cross-entropy, without label smoothing
    accuracy: float
    probabilities: Array  # (N, classes)
    true: Array  # (N,) class indices
    predicted: Array  # (N,)

    @property
    def finite(self) -> Array:
        """(N,) bool: whether all outputs are finite. If not, no class is predicted."""
        return _are_finite(self.probabilities)

    @property
    def wrong(self) -> Array:
        """Rows of the misclassified images, and of those with outputs that are not finite."""
        return np.flatnonzero((self.true != self.predicted) | ~self.finite)

    @property
    def mistakes(self) -> Array:
        """Rows of the images that were predicted as another class."""
        return np.flatnonzero((self.true != self.predicted) & self.finite)

    @property
    def confidence(self) -> Array:
        """(N,): the probability of each predicted class."""
        return np.take_along_axis(self.probabilities, self.predicted[:, None], axis=1)[:, 0]

    @property
    def matrix(self) -> Array:
        """(classes, classes) counts: a row for each true class, a column for each predicted, of
        the images with finite outputs."""
        finite, classes = self.finite, self.probabilities.shape[1]
        return confusion_matrix(self.true[finite], self.predicted[finite], classes)


def measure(model: Sequential, x: ArrayLike, labels: Array) -> Evaluation:
    """Evaluate the model on x (N, …) with labels (N, classes) one-hot."""
    probabilities = model.predict(x)
    true, predicted = labels.argmax(axis=1), probabilities.argmax(axis=1)
    of_true = np.take_along_axis(probabilities, true[:, None], axis=1)
    loss = -np.log(np.maximum(of_true, np.finfo(of_true.dtype).tiny))
    accuracy = float(np.mean((true == predicted) & _are_finite(probabilities)))
    return Evaluation(float(loss.mean()), accuracy, probabilities, true, predicted)


def _are_finite(probabilities: Array) -> Array:
    return np.isfinite(probabilities.sum(axis=1))


@dataclass(frozen=True)
class ClassRow:
    """One class of the test images."""

    name: str
    images: int
    right: int
    accuracy: float | None  # recall: the share of its images that were predicted as it
    precision: float | None  # the share of images predicted as it that are of it
    taken_for: str | None  # the class that it was most often confused with
    times: int  # how often


def by_class(matrix: Array, names: Sequence[str]) -> list[ClassRow]:
    """A row for each class, in their order.

    Args:
        matrix: (K, K) counts of true (row) and predicted class (column).
    """
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    of_true, of_predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    rows = []
    for i, name in enumerate(names):
        right, other = int(matrix[i, i]), int(wrong[i].argmax())
        times = int(wrong[i, other])
        rows.append(
            ClassRow(
                name=name,
                images=int(of_true[i]),
                right=right,
                accuracy=float(right / of_true[i]) if of_true[i] else None,
                precision=float(right / of_predicted[i]) if of_predicted[i] else None,
                taken_for=names[other] if times else None,
                times=times,
            )
        )
    return rows
