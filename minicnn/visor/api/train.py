"""What the tab Train asks for, beside the stream of events.

POST /api/control                {"command": "pause" | "continue" | "stop"}, for whoever trains
GET  /api/layers                 what was measured of the layers; see layer_series.py
GET  /api/history                the run's history.csv, and whether it has a live.jsonl
GET  /api/runs                   the runs that lie beside it, the newest first
GET  /api/runs/{name}/history    the history.csv of one of them
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from ... import runs
from ...callbacks import read_layer_stats
from ...errors import DataError, ModelError
from ...report.contents import read_history
from ...report.render import known
from ...runs.record import RUNNING
from ..answer import Answer
from ..layer_series import layer_series
from ..requests import bad, read_object, word
from ..subject import Subject, in_unicode

COMMANDS = ("pause", "continue", "stop")
MOST_RUNS = 50


async def control(request: Request) -> Answer:
    """Tell the training process; what comes of it is seen in the stream of events."""
    command = word(await read_object(request), "command", COMMANDS)
    subject = _subject(request)
    record = subject.record()
    if record is None:
        raise bad("This is a saved model by itself: nothing is training.", 409)
    if record.status != RUNNING:
        raise bad(f"The run is over ({record.status}): there is nothing to {command}.", 409)
    if subject.command is None:
        raise bad(
            f"The run can't be told to {command} from here: it was started without --visor. "
            "Ctrl-C in its terminal stops it and saves the model.",
            409,
        )
    try:
        subject.command(command)
    except OSError as error:  # the pipe to the training process is closed
        raise bad(f"The training process does not listen any more: {error}", 409) from error
    return Answer({"sent": command})


def layers(request: Request) -> Answer:
    """null where nothing has been measured yet."""
    folder = _subject(request).folder
    if folder is None:
        return Answer(None)
    try:
        return Answer(layer_series(read_layer_stats(folder / runs.LAYERS)))
    except FileNotFoundError:
        return Answer(None)
    except (DataError, OSError) as error:
        raise bad(f"What was measured of the layers can't be read: {error}", 409) from error


def own_history(request: Request) -> Answer:
    """{"live": whether there is a live.jsonl, "columns": as of `history`}."""
    folder = _subject(request).folder
    if folder is None:
        return Answer({"live": False, "columns": {}})
    return Answer({"live": (folder / runs.LIVE).is_file(), "columns": _columns(folder)})


def listing(request: Request) -> Answer:
    """Of each run {name, status, accuracy, model, started}, at most 50."""
    found = []
    for folder in _siblings(_subject(request)):
        if row := _row(folder):
            found.append(row)
        if len(found) == MOST_RUNS:
            break
    return Answer(found)


def history(request: Request) -> Answer:
    """{column: its numbers, epoch by epoch}; null where a number is missing or not finite."""
    name = request.path_params["name"]
    # The name is looked for among those that are there: no path is ever made of it.
    for folder in _siblings(_subject(request)):
        if in_unicode(folder.name) == name:
            return Answer(_columns(folder))
    raise bad(f"expected the name of a run beside this one, received {name!r:.80}", 404)


def _siblings(subject: Subject) -> Iterator[Path]:
    """The folders of the other runs that have curves, the one written last first."""
    if subject.folder is None:
        return
    own = subject.folder.resolve()
    found = []
    for path in own.parent.glob(f"*/{runs.RUN}"):
        folder = path.parent
        try:
            if folder.resolve() != own and (folder / runs.HISTORY_CSV).is_file():
                found.append((path.stat().st_mtime_ns, folder.name, folder))
        except OSError:  # deleted while it was looked at
            continue
    for _, _, folder in sorted(found, reverse=True):
        yield folder


def _row(folder: Path) -> dict[str, Any] | None:
    """None where the record can't be read."""
    try:
        record = runs.read_record(folder)
    except (OSError, ModelError):
        return None
    results, model = record.results, record.content.get("model")
    accuracy = results.get("test_accuracy") if isinstance(results, dict) else None
    name = model.get("name", "") if isinstance(model, dict) else ""
    return {
        "name": folder.name,
        "status": record.status,
        "accuracy": accuracy if known(accuracy) else None,
        "model": str(name),
        "started": str(record.content.get("started", "")),
    }


def _columns(folder: Path) -> dict[str, list[float | None]]:
    try:
        columns = read_history(folder / runs.HISTORY_CSV)
    except (ModelError, OSError, UnicodeDecodeError) as error:
        raise bad(f"The curves of {folder.name} can't be read: {error}", 409) from error
    return {
        name: [value if math.isfinite(value) else None for value in values]
        for name, values in columns.items()
    }


def _subject(request: Request) -> Subject:
    return request.app.state.subject


ROUTES = [
    Route("/control", control, methods=["POST"]),
    Route("/layers", layers),
    Route("/history", own_history),
    Route("/runs", listing),
    Route("/runs/{name}/history", history),
]
