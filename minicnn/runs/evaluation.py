"""A model's predictions for the test images."""

from __future__ import annotations

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
