"""Selects the images for the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..runs import Evaluation
from ..typing import Array

MISTAKES_IN_CELL, CORRECT_IN_CELL = 40, 12  # the most images of a cell
MOST_PIXELS = 1_500_000  # of all images on the page: at most about two megabytes


@dataclass(frozen=True)
class Shown:
    """An image on the page."""

    row: int  # among the test images
    true: int
    predicted: int
    probability: float  # of the predicted class


def most_confident_mistakes(result: Evaluation, limit: int) -> list[Shown]:
    """The misclassified images with the highest confidence, highest first."""
    confidence = _confidence(result)
    rows = result.mistakes[np.argsort(-confidence[result.mistakes], kind="stable")][:limit]
    return [_shown(result, confidence, row) for row in rows]


def images_of_cells(result: Evaluation, pixels: int) -> list[Shown]:
    """Images for every cell of the confusion matrix: the most confident mistakes and the least
    confident correct ones, up to MOST_PIXELS in all.

    Args:
        pixels: of one image.
    """
    confidence, limit = _confidence(result), MOST_PIXELS // pixels
    mistakes, correct = [], []
    for true, predicted in np.argwhere(result.matrix):
        in_cell = (result.true == true) & (result.predicted == predicted)
        rows = np.flatnonzero(in_cell & result.finite)
        if true == predicted:
            correct.append(rows[np.argsort(confidence[rows], kind="stable")][:CORRECT_IN_CELL])
        else:
            mistakes.append(rows[np.argsort(-confidence[rows], kind="stable")][:MISTAKES_IN_CELL])
    chosen = [row for rows in [*mistakes, *correct] for row in rows][:limit]
    return [_shown(result, confidence, row) for row in chosen]


def _confidence(result: Evaluation) -> Array:
    return np.take_along_axis(result.probabilities, result.predicted[:, None], axis=1)[:, 0]


def _shown(result: Evaluation, confidence: Array, row: int) -> Shown:
    return Shown(
        int(row), int(result.true[row]), int(result.predicted[row]), float(confidence[row])
    )
