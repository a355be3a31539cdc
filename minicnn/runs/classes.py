"""Counts of each class, from a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..typing import Array


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
