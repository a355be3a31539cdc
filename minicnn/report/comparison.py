"""The page that compares several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..runs import by_class
from . import pictures
from .contents import RunContents, scores
from .render import render, words

NONE = "–"


def comparison(runs: Sequence[RunContents]) -> str:
    """The page about two or more runs."""
    names = _names(runs)
    return render(
        "comparison.html",
        title=f"{len(runs)} runs compared",
        lead=", ".join(names),
        notes=[
            f"{name}: {note}" for name, run in zip(names, runs, strict=True) for note in run.notes
        ],
        runs=names,
        results=[
            [
                name,
                *(text or NONE for text in scores(run)),
                f"{run.record.content['model']['parameters']:,}",
            ]
            for name, run in zip(names, runs, strict=True)
        ],
        curves=_curves(dict(zip(names, runs, strict=True))),
        classes=_classes(runs),
        differences=_differences(runs),
        commands=[(name, run.commands) for name, run in zip(names, runs, strict=True)],
    )


def _names(runs: Sequence[RunContents]) -> list[str]:
    """The folders' names; their paths if two names are equal."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [run.place for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({number})"
        for number, name in enumerate(names, 1)
    ]


def _curves(runs: Mapping[str, RunContents]) -> list[pictures.Picture]:
    """A chart for each metric."""
    from .. import plots

    histories = {name: run.history for name, run in runs.items() if run.history.get("epoch")}
    found = [name for history in histories.values() for name in history]
    metrics = dict.fromkeys(name.removeprefix("val_") for name in found)
    return [
        pictures.vector(
            plots.compare(histories, metrics=[metric]), f"{metric} of {', '.join(histories)}"
        )
        for metric in metrics
        if metric not in ("epoch", "learning_rate")
    ]


def _classes(runs: Sequence[RunContents]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """(class, (accuracy, whether it is the best) of each run), if all have the same classes."""
    tested = [run.tested for run in runs if run.tested]
    if len(tested) < len(runs) or len({images.class_names for images, _ in tested}) > 1:
        return []
    rows = [by_class(result.matrix, images.class_names) for images, result in tested]
    found = []
    for same_class in zip(*rows, strict=True):
        shares = [-1.0 if row.accuracy is None else row.accuracy for row in same_class]
        cells = [
            (NONE if share < 0 else f"{share:.2%}", share == max(shares) > min(shares))
            for share in shares
        ]
        found.append((same_class[0].name, cells))
    return found


def _differences(runs: Sequence[RunContents]) -> list[tuple[str, list[str]]]:
    """(name, its value in each run) of everything that differs."""
    sides = [_flat(run.record.content) for run in runs]
    names = dict.fromkeys(name for side in sides for name in side)
    rows = [(name, [side.get(name, NONE) for side in sides]) for name in names]
    return [(name, cells) for name, cells in rows if len(set(cells)) > 1]


def _flat(record: Mapping[str, Any]) -> dict[str, str]:
    ignored = {"out", "resume", "quiet"}  # they don't change what is trained
    found = {
        f"option {name.replace('_', ' ')}": words(value)
        for name, value in record["options"].items()
        if name not in ignored and value is not None
    }
    found |= {name.replace("_", " "): words(value) for name, value in record["recipe"].items()}
    for name in ("backend", "threads", "processor", "cpus", "platform", "python"):
        found[name] = str(record.get(name, NONE))
    return found | {name: str(value) for name, value in record["versions"].items()}
