"""Which images are behind the numbers of the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..runs import Evaluation
from ..typing import Array

MISTAKES_IN_CELL, RIGHT_IN_CELL = 40, 12  # images shown behind a cell, at most
MOST_PIXELS = 1_500_000  # of all images on the page: some two megabytes at worst


@dataclass(frozen=True)
class Shown:
    """An image on the page."""

    row: int  # among the test images
    true: int
    predicted: int
    probability: float  # of the predicted class


def worst_mistakes(result: Evaluation, limit: int) -> list[Shown]:
    """The misread images of which the model was most sure; worst first."""
    sure = _sure(result)
    rows = result.mistakes[np.argsort(-sure[result.mistakes], kind="stable")][:limit]
    return [_shown(result, sure, row) for row in rows]


def behind_cells(result: Evaluation, pixels: int) -> list[Shown]:
    """Images for every cell of the confusion matrix: mistakes, the surest first; right ones, the
    least sure first; as many as the page has room for.

    Args:
        pixels: of one image.
    """
    sure, room = _sure(result), MOST_PIXELS // pixels
    mistakes, rights = [], []
    for true, predicted in np.argwhere(result.matrix):
        in_cell = (result.true == true) & (result.predicted == predicted)
        rows = np.flatnonzero(in_cell & result.read)
        if true == predicted:
            rights.append(rows[np.argsort(sure[rows], kind="stable")][:RIGHT_IN_CELL])
        else:
            mistakes.append(rows[np.argsort(-sure[rows], kind="stable")][:MISTAKES_IN_CELL])
    chosen = [row for rows in [*mistakes, *rights] for row in rows][:room]
    return [_shown(result, sure, row) for row in chosen]


def _sure(result: Evaluation) -> Array:
    return np.take_along_axis(result.probabilities, result.predicted[:, None], axis=1)[:, 0]


def _shown(result: Evaluation, sure: Array, row: int) -> Shown:
    return Shown(int(row), int(result.true[row]), int(result.predicted[row]), float(sure[row]))
