"""The page about one run: fills the template with numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..runs import by_class, first_filters
from ..typing import Array
from . import layers, pictures, tables
from .contents import RunContents, Tested, pixels, scores
from .render import render, script_json, words

MISTAKES = 48  # shown under their own heading
NO_IMAGES: dict[str, object] = {"sprite": None, "matrix": None, "classes": []}
MOST_CLASSES = 60  # of a confusion matrix that is still a table to read


def report(run: RunContents) -> str:
    """The page about one run."""
    record = run.record.content
    name = record["model"]["name"]
    return render(
        "run.html",
        title=f"{name} on {record['options'].get('data', 'images')}: {run.name}",
        lead=_lead(run),
        notes=[*run.notes, *_too_many(run)],
        tiles=_tiles(run),
        curves=_curves(run),
        filters=_filters(run),
        layer_rows=layers.table(run.layers) if run.layers else [],
        distributions=layers.distributions(run.layers) if run.layers else [],
        network=_network(run),
        command=run.commands,
        recipe=_facts(record["recipe"]),
        options=_facts(record["options"]),
        machine=_machine(record),
        **_about_images(run.tested),
    )


def _lead(run: RunContents) -> str:
    record, data = run.record.content, run.record.content["data"]
    height, width, _ = data["image_shape"]
    began = str(record.get("started", ""))[:16].replace("T", " ")
    return (
        f"{data['train']:,} training and {data['test']:,} test images of {height}×{width}, "
        f"{len(data['class_names'])} classes; {record['model']['parameters']:,} parameters; "
        f"started {began}, {_STATUS.get(run.record.status, run.record.status)}."
    )


_STATUS = {
    "running": "still running, or killed",
    "finished": "finished",
    "stopped": "stopped before its last epoch",
    "diverged": "diverged",
}


def _too_many(run: RunContents) -> list[str]:
    count = len(run.tested.images.class_names) if run.tested else 0
    if count <= MOST_CLASSES:
        return []
    return [f"A confusion matrix of {count} classes is left out: see confusion.png of the run."]


def _tiles(run: RunContents) -> list[tuple[str, str]]:
    """(number, what it is) for the summary."""
    found, tiles = scores(run), []
    if found.accuracy:
        interval = f" (95 % interval: {found.interval})" if found.interval else ""
        tiles.append((found.accuracy, f"test accuracy{interval}"))
    if found.mistakes:
        tiles.append((found.mistakes, "misclassified"))
    if found.loss:
        tiles.append((found.loss, "cross-entropy"))
    tiles.append((found.epochs, f"of {run.record.content['recipe'].get('epochs')} epochs"))
    if found.seconds:
        tiles.append((f"{found.seconds} s", "of training"))
    if found.images_per_second:
        tiles.append((found.images_per_second, "images per second"))
    return tiles


def _curves(run: RunContents) -> list[pictures.Picture]:
    """A chart for each metric."""
    from .. import plots

    history = run.history
    if not history.get("epoch"):
        return []
    names = dict.fromkeys(name.removeprefix("val_") for name in history if name != "epoch")
    charts = {
        name: {key: history[key] for key in ("epoch", name, f"val_{name}") if key in history}
        for name in names
    }
    return [
        pictures.vector(plots.history(columns), f"{name.replace('_', ' ')} over the epochs")
        for name, columns in charts.items()
    ]


def _filters(run: RunContents) -> pictures.Picture | None:
    from .. import plots

    w = None if run.model is None else first_filters(run.model)
    if w is None:
        return None
    return pictures.bitmap(plots.filters(w), f"{w.shape[-1]} filters of the first layer")


def _network(run: RunContents) -> list[tuple[str, str, int, int]]:
    if run.model is None:
        return []
    return [
        (
            f"{index} {layer.label}",
            "×".join(map(str, layer.output_shape)),
            layer.num_params,
            layer.flops(),
        )
        for index, layer in enumerate(run.model.layers, 1)
    ]


def _about_images(tested: Tested | None) -> dict[str, object]:
    """Confusion matrix, classes, mistakes, and their images."""
    if tested is None or not tested.evaluation.finite.any():
        return NO_IMAGES
    images, result = tested
    x, names, confidence = images.x, images.class_names, result.confidence
    mistakes = tables.most_confident_mistakes(result, MISTAKES)
    of_cells = tables.images_of_cells(result, int(np.prod(x.shape[1:])))
    rows = list(dict.fromkeys([*mistakes, *of_cells]))  # in the order of the sprite
    sprite = pictures.sprite(pixels(x, np.array(rows)))
    shown = {
        row: {
            "number": number,
            "row": row,
            "true": int(result.true[row]),
            "predicted": int(result.predicted[row]),
            "probability": float(confidence[row]),
        }
        for number, row in enumerate(rows)
    }
    cells = [
        [row, image["true"], image["predicted"], round(image["probability"], 4)]
        for row, image in shown.items()
    ]
    return {
        "names": names,
        "sprite": sprite,
        "matrix": _matrix(result.matrix) if len(names) <= MOST_CLASSES else None,
        "classes": by_class(result.matrix, names),
        "mistakes": [shown[row] for row in mistakes],
        "mistakes_line": _mistakes_line(len(result.mistakes), int(result.finite.sum())),
        "cells": script_json({"names": names, "columns": sprite.columns, "images": cells}),
    }


def _mistakes_line(wrong: int, count: int) -> str:
    if not wrong:
        return f"All {count:,} were predicted correctly."
    selection = f"; the {MISTAKES} most confident" if wrong > MISTAKES else ""
    return f"{wrong:,} of {count:,} were misclassified{selection}:"


def _matrix(counts: Array) -> list[list[dict[str, float]]]:
    """Each cell's count and colour strength, 0 to 1: its share of the true class's images; for
    mistakes, the square root of that share relative to the largest one."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = shares * (1 - np.eye(len(shares)))
    colour = np.sqrt(wrong / max(wrong.max(), 0.02)) + shares * np.eye(len(shares))
    return [
        [{"count": int(n), "share": float(s)} for n, s in zip(*row, strict=True)]
        for row in zip(counts, colour, strict=True)
    ]


def _facts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """(name, value) of the values that are set, as text."""
    return [
        (name.replace("_", " "), words(value))
        for name, value in values.items()
        if value is not None and value is not False
    ]


def _machine(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    keys = ("processor", "cpus", "threads", "backend", "platform", "python")
    found = {key: record.get(key) for key in keys}
    return _facts(found | record["versions"])
