"""The data of the tab Train, except the stream of events.

POST /api/control                {"command": "pause" | "continue" | "stop"}, sent to the run
GET  /api/layers                 statistics of the layers; see layer_series.py
GET  /api/history                the run's history.csv, and whether it has a live.jsonl
GET  /api/runs                   the other runs in the same folder, newest first
GET  /api/runs/{name}/history    the history.csv of one of them
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from starlette.requests import Request
from starlette.routing import Route

from ... import runs
from ...callbacks import read_layer_stats
from ...errors import DataError, ModelError
from ...report.contents import in_unicode, read_history
from ...report.render import known
from ...runs.record import RUNNING
from ..answer import Answer
from ..layer_series import layer_series
from ..requests import bad, read_object, word
from ..subject import Subject

COMMANDS = ("pause", "continue", "stop")
MAX_RUNS = 50


async def control(request: Request) -> Answer:
    """Send a command to the training process; its effect appears in the stream of events."""
    command = word(await read_object(request), "command", COMMANDS)
    subject = _subject(request)
    record = subject.record()
    if record is None:
        raise bad("This is a saved model without a run: nothing is training.", 409)
    if record.status != RUNNING:
        raise bad(f"The run has ended ({record.status}): there is nothing to {command}.", 409)
    if subject.command is None:
        raise bad(
            f"Can't {command} this run: it was started without --visor. "
            "Ctrl-C in its terminal stops it and saves the model.",
            409,
        )
    try:
        subject.command(command)
    except OSError as error:  # the pipe to the training process is closed
        raise bad(f"The training process no longer accepts commands: {error}", 409) from error
    return Answer({"sent": command})


def layers(request: Request) -> Answer:
    """null before the first measurement."""
    folder = _subject(request).folder
    if folder is None:
        return Answer(None)
    try:
        return Answer(layer_series(read_layer_stats(folder / runs.LAYERS)))
    except FileNotFoundError:
        return Answer(None)
    except (DataError, OSError) as error:
        raise bad(f"The statistics of the layers can't be read: {error}", 409) from error


def own_history(request: Request) -> Answer:
    """{"live": whether there is a live.jsonl, "columns": as in `history`}."""
    folder = _subject(request).folder
    if folder is None:
        return Answer({"live": False, "columns": {}})
    return Answer({"live": (folder / runs.LIVE).is_file(), "columns": _columns(folder)})


def listing(request: Request) -> Answer:
    """{name, status, accuracy, model, started} of each run, at most 50."""
    rows = filter(None, map(_row, _siblings(_subject(request))))
    return Answer(list(islice(rows, MAX_RUNS)))


def history(request: Request) -> Answer:
    """{column: its numbers, epoch by epoch}; null if a number is missing or not finite."""
    name = request.path_params["name"]
    # Compare with the existing names; never build a path from the name.
    for folder in _siblings(_subject(request)):
        if in_unicode(folder.name) == name:
            return Answer(_columns(folder))
    raise bad(f"expected the name of a run beside this one, received {name!r:.80}", 404)


def _siblings(subject: Subject) -> Iterator[Path]:
    """The folders of the other runs that have curves, newest first."""
    if subject.folder is None:
        return
    own = subject.folder.resolve()
    found = []
    for path in own.parent.glob(f"*/{runs.RUN}"):
        folder = path.parent
        try:
            if folder.resolve() != own and (folder / runs.HISTORY_CSV).is_file():
                found.append((path.stat().st_mtime_ns, folder.name, folder))
        except OSError:  # just deleted
            continue
    for _, _, folder in sorted(found, reverse=True):
        yield folder


def _row(folder: Path) -> dict[str, object] | None:
    """None if the record can't be read."""
    try:
        record = runs.read_record(folder)
    except (OSError, ModelError):
        return None
    accuracy = record.results.get("test_accuracy")
    return {
        "name": folder.name,
        "status": record.status,
        "accuracy": accuracy if known(accuracy) else None,
        "model": str(record.content["model"]["name"]),
        "started": str(record.content.get("started", "")),
    }


def _columns(folder: Path) -> dict[str, list[float]]:
    try:
        return read_history(folder / runs.HISTORY_CSV)
    except (ModelError, OSError, UnicodeDecodeError) as error:
        raise bad(f"The curves of {folder.name} can't be read: {error}", 409) from error


def _subject(request: Request) -> Subject:
    return request.app.state.subject


ROUTES = [
    Route("/control", control, methods=["POST"]),
    Route("/layers", layers),
    Route("/history", own_history),
    Route("/runs", listing),
    Route("/runs/{name}/history", history),
]
