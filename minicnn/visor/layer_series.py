"""What LayerStats measured, in the form that the page draws: series over the epochs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST_EPOCHS = 120  # columns of a heat map; a phone shows no more
NUMBERS = ("mean", "std", "norm", "min", "max", "nonfinite")
KINDS = ("weights", "gradients", "activations")


def layer_series(stats: Mapping[str, Any]) -> dict[str, Any]:
    """The series of every layer, of at most 120 epochs, evenly, the first and the last among them.

    Args:
        stats: as read_layer_stats() returns it.

    Returns:
        "bins": how many parts a histogram has; "probe": images behind the activations; "epochs":
        their numbers, from 1; "layers": of each "name", "kind", "output_shape", "parameter" (the
        name of the one that is shown, None if it has none), "dead" (a share or None for each
        epoch), and "weights", "gradients", "activations": a series or None.

        A series: "mean", "std", "norm", "min", "max": a number or None for each epoch; "nonfinite":
        how many are NaN or infinite; "histograms": base64 of a byte for each part of each epoch's
        min…max, 255 where it is fullest.
    """
    measured = stats["epochs"]
    places = np.unique(np.linspace(0, len(measured) - 1, min(len(measured), MOST_EPOCHS)).round())
    chosen = [measured[int(place)] for place in places]
    return {
        "bins": stats["bins"],
        "probe": stats["probe"],
        "epochs": [epoch["epoch"] for epoch in chosen],
        "layers": [
            _layer(about, [epoch["layers"][index] for epoch in chosen])
            for index, about in enumerate(stats["layers"])
        ],
    }


def _layer(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = list(rows[-1]["weights"]) if rows else []
    parameter = "w" if "w" in names else next(iter(names), None)
    found = {**about, "parameter": parameter, "dead": [row["dead"] for row in rows]}
    for kind in KINDS:
        values = [row[kind] if kind == "activations" else row[kind].get(parameter) for row in rows]
        found[kind] = _series(values)
    return found


def _series(values: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """None where nothing was measured in any epoch."""
    if not any(values):
        return None
    found: dict[str, Any] = {
        name: [value[name] if value else None for value in values] for name in NUMBERS
    }
    bins = len(next(value["histogram"] for value in values if value))
    counts = np.array([value["histogram"] if value else [0] * bins for value in values], float)
    shares = counts / np.maximum(counts.max(axis=1, keepdims=True), 1)
    # a part that holds a single number of many is still told from an empty one
    levels = np.where(counts > 0, np.maximum(np.rint(255 * shares), 1), 0).astype(np.uint8)
    return {**found, "histograms": base64.b64encode(levels.tobytes()).decode()}
