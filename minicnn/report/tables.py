"""Selects the test images for the page, by their rows."""

from __future__ import annotations

import numpy as np

from ..runs import Evaluation

MISTAKES_IN_CELL, CORRECT_IN_CELL = 40, 12  # the most images of a cell
MOST_PIXELS = 1_500_000  # of all images on the page: at most about two megabytes


def most_confident_mistakes(result: Evaluation, limit: int) -> list[int]:
    """The misclassified images with the highest confidence, highest first."""
    order = np.argsort(-result.confidence[result.mistakes], kind="stable")
    return result.mistakes[order][:limit].tolist()


def images_of_cells(result: Evaluation, pixels: int) -> list[int]:
    """Images for every cell of the confusion matrix: the most confident mistakes and the least
    confident correct ones, up to MOST_PIXELS in all.

    Args:
        pixels: of one image.
    """
    confidence = result.confidence
    mistakes, correct = list[int](), list[int]()
    for true, predicted in np.argwhere(result.matrix):
        in_cell = (result.true == true) & (result.predicted == predicted)
        rows = np.flatnonzero(in_cell & result.finite)
        sign = 1 if true == predicted else -1
        rows = rows[np.argsort(sign * confidence[rows], kind="stable")]
        if true == predicted:
            correct += rows[:CORRECT_IN_CELL].tolist()
        else:
            mistakes += rows[:MISTAKES_IN_CELL].tolist()
    return [*mistakes, *correct][: MOST_PIXELS // pixels]
