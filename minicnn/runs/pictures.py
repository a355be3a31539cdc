"""The plots of a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..batches import ArrayLike
from ..layers import Conv2D
from ..network import Network
from ..typing import Array
from .evaluation import Evaluation
from .folder import CONFUSION, FILTERS, MISTAKES


def draw(
    folder: Path, model: Network, x: ArrayLike, result: Evaluation, class_names: Sequence[str]
) -> None:
    """Write confusion.png, mistakes.png and filters.png; of a network that diverged, only those
    with finite numbers to show.

    Raises:
        OSError: a file cannot be written.
    """
    if result.finite.any():
        _draw_predictions(folder, x, result, class_names)
    _draw_filters(folder, model)


def _draw_predictions(
    folder: Path, x: ArrayLike, result: Evaluation, class_names: Sequence[str]
) -> None:
    from .. import plots

    plots.save(plots.confusion_matrix(result.matrix, class_names), folder / CONFUSION)
    rows = result.mistakes if len(result.mistakes) else np.flatnonzero(result.finite)
    figure = plots.mistakes(
        x[rows],
        result.true[rows],
        result.predicted[rows],
        result.probabilities[rows],
        class_names,
        total=int(result.finite.sum()),
    )
    plots.save(figure, folder / MISTAKES)


def _draw_filters(folder: Path, model: Network) -> None:
    from .. import plots

    w = first_filters(model)
    if w is not None:
        plots.save(plots.filters(w, "First convolution"), folder / FILTERS)


def first_filters(model: Network) -> Array | None:
    """The weights of the first convolution; None: there is none, or they are not all finite."""
    found = [layer.params["w"] for layer in model.layers if isinstance(layer, Conv2D)][:1]
    return found[0] if found and np.isfinite(found[0]).all() else None
