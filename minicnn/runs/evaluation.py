"""What a model says of the test images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..batches import ArrayLike
from ..metrics import confusion_matrix
from ..model import Sequential
from ..typing import Array


@dataclass
class Evaluation:
    """What the model says of N test images."""

    loss: float  # cross-entropy, without label smoothing
    accuracy: float
    probabilities: Array  # (N, classes)
    true: Array  # (N,) class indices
    predicted: Array  # (N,)

    @property
    def read(self) -> Array:
        """(N,) whether a class was read at all: where an output is NaN, none was."""
        return _are_numbers(self.probabilities)

    @property
    def wrong(self) -> Array:
        """Rows of the misread images, and of those that were not read at all."""
        return np.flatnonzero((self.true != self.predicted) | ~self.read)

    @property
    def mistakes(self) -> Array:
        """Rows of the images that were read as another class."""
        return np.flatnonzero((self.true != self.predicted) & self.read)

    @property
    def matrix(self) -> Array:
        """(classes, classes) counts: a row for each true class, a column for each predicted.
        What was not read is in none."""
        read, classes = self.read, self.probabilities.shape[1]
        return confusion_matrix(self.true[read], self.predicted[read], classes)


def measure(model: Sequential, x: ArrayLike, labels: Array) -> Evaluation:
    """Run the test images through the model: x (N, …), labels (N, classes) one-hot."""
    probabilities = model.predict(x)
    true, predicted = labels.argmax(axis=1), probabilities.argmax(axis=1)
    of_true = np.take_along_axis(probabilities, true[:, None], axis=1)
    loss = -np.log(np.maximum(of_true, np.finfo(of_true.dtype).tiny))
    accuracy = float(np.mean((true == predicted) & _are_numbers(probabilities)))
    return Evaluation(float(loss.mean()), accuracy, probabilities, true, predicted)


def _are_numbers(probabilities: Array) -> Array:
    return np.isfinite(probabilities.sum(axis=1))
