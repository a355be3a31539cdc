"""The pictures of a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..batches import ArrayLike
from ..layers import Conv2D
from ..model import Sequential
from .evaluation import Evaluation
from .folder import CONFUSION, FILTERS, MISTAKES


def draw(
    folder: Path, model: Sequential, x: ArrayLike, result: Evaluation, class_names: Sequence[str]
) -> None:
    """Write confusion.png, mistakes.png and filters.png.

    Raises:
        OSError: a file cannot be written.
    """
    from .. import plots

    plots.save(plots.confusion_matrix(result.matrix, class_names), folder / CONFUSION)
    rows = result.wrong if len(result.wrong) else np.arange(len(result.true))
    figure = plots.mistakes(
        x[rows],
        result.true[rows],
        result.predicted[rows],
        result.probabilities[rows],
        class_names,
        total=len(result.true),
    )
    plots.save(figure, folder / MISTAKES)
    for layer in model.layers:
        if isinstance(layer, Conv2D):
            plots.save(plots.filters(layer.params["w"], "First convolution"), folder / FILTERS)
            break
