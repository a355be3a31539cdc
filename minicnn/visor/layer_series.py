"""The statistics of LayerStats as series over the epochs, for the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MAX_EPOCHS = 120  # columns of a heat map; a phone has no room for more
NUMBERS = ("mean", "std", "norm", "min", "max", "nonfinite")
KINDS = ("weights", "gradients", "activations")


def layer_series(stats: Mapping[str, Any]) -> dict[str, object]:
    """The series of every layer, for at most 120 evenly spaced epochs with the first and the last.

    Args:
        stats: from read_layer_stats().

    Returns:
        "bins": of each histogram; "probe": number of images for the activations; "epochs": their
        numbers, from 1; "layers": for each layer "name", "kind", "output_shape", "parameter" (the
        name of the one that is shown, None if the layer has none), "dead" (a share or None for
        each epoch), and "weights", "gradients", "activations": a series or None.

        A series: "mean", "std", "norm", "min", "max": a number or None for each epoch; "nonfinite":
        the number of NaN and infinite values; "histograms": base64 of a byte for each bin of each
        epoch, from min to max; 255 for the fullest bin of the epoch.
    """
    measured = stats["epochs"]
    places = np.unique(np.linspace(0, len(measured) - 1, min(len(measured), MAX_EPOCHS)).round())
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


def _layer(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    names = list(rows[-1]["weights"]) if rows else []
    parameter = "w" if "w" in names else next(iter(names), None)
    found = {**about, "parameter": parameter, "dead": [row["dead"] for row in rows]}
    for kind in KINDS:
        values = [row[kind] if kind == "activations" else row[kind].get(parameter) for row in rows]
        found[kind] = _series(values)
    return found


def _series(values: Sequence[Mapping[str, Any] | None]) -> dict[str, object] | None:
    """None if no epoch has values."""
    if not any(values):
        return None
    found = {name: [value[name] if value else None for value in values] for name in NUMBERS}
    bins = len(next(value["histogram"] for value in values if value))
    counts = np.array([value["histogram"] if value else [0] * bins for value in values], float)
    shares = counts / np.maximum(counts.max(axis=1, keepdims=True), 1)
    # a bin with a single value among many must differ from an empty one
    levels = np.where(counts > 0, np.maximum(np.rint(255 * shares), 1), 0).astype(np.uint8)
    return {**found, "histograms": base64.b64encode(levels.tobytes()).decode()}
