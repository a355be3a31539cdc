"""The layers over time, from the file that LayerStats wrote."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import pictures

MOST_EPOCHS = 10  # ridges in a picture
MOST_LAYERS = 16  # with pictures

Row = tuple[str, str, str, str, str, str]


def table(stats: dict[str, Any]) -> list[Row]:
    """(layer, std and norm of the weights, norm of the gradient, std of the activations, dead
    units) of the last measured epoch."""
    if not stats["epochs"]:
        return []
    rows = zip(stats["layers"], stats["epochs"][-1]["layers"], strict=True)
    return [
        (
            f"{index} {layer['name']}",
            _number(measured["weights"].get("w"), "std"),
            _number(measured["weights"].get("w"), "norm"),
            _number(measured["gradients"].get("w"), "norm"),
            _number(measured["activations"], "std"),
            "–" if measured["dead"] is None else f"{100 * measured['dead']:.0f} %",
        )
        for index, (layer, measured) in enumerate(rows, 1)
    ]


def distributions(stats: dict[str, Any]) -> list[tuple[str, list[pictures.Picture]]]:
    """(layer, plots of its weights, gradients and activations over the epochs) of every layer with
    weights."""
    found = []
    for number, layer in enumerate(stats["layers"]):
        rows = [(epoch["epoch"], epoch["layers"][number]) for epoch in stats["epochs"]]
        kinds = {
            "weights": [(epoch, row["weights"].get("w")) for epoch, row in rows],
            "gradients": [(epoch, row["gradients"].get("w")) for epoch, row in rows],
            "activations": [(epoch, row["activations"]) for epoch, row in rows],
        }
        if not any(measured for _, measured in kinds["weights"]):
            continue
        name = f"{number + 1} {layer['name']}"
        ridges = [_ridges(name, kind, kinds[kind]) for kind in kinds]
        found.append((name, [picture for picture in ridges if picture]))
        if len(found) == MOST_LAYERS:
            break
    return found


def _ridges(
    layer: str, kind: str, measured: list[tuple[int, dict[str, Any] | None]]
) -> pictures.Picture | None:
    from .. import plots

    known = [(epoch, m) for epoch, m in measured if m and m["min"] is not None]
    if not known:
        return None
    last = len(known) - 1  # evenly spaced, with the first and the last
    chosen = [known[round(i)] for i in np.linspace(0, last, min(last + 1, MOST_EPOCHS))]
    edges = np.array([_edges(m["min"], m["max"], len(m["histogram"])) for _, m in chosen])
    counts = np.array([m["histogram"] for _, m in chosen])
    figure = plots.layer_histograms(edges, counts, [epoch for epoch, _ in chosen], kind)
    return pictures.vector(figure, f"{kind} of {layer} over the epochs")


def _edges(low: float, high: float, bins: int) -> np.ndarray:
    # all values equal: they are in the first bin
    return np.linspace(low, high if high > low else low + (abs(low) or 1.0) * 1e-3, bins + 1)


def _number(measured: dict[str, Any] | None, name: str) -> str:
    value = measured[name] if measured else None
    return "–" if value is None else f"{value:.3g}"
