"""GET /api/events: what happens in the run, as server-sent events.

Training appends a line of JSON to a file in the run's folder whenever there is news (see
callbacks/live.py). The page gets these lines unchanged, each with an `id`: the file and the line's
end in it. After a lost connection the browser reconnects with the last `id` it received, so no line
is lost or sent twice, and a page that opens late gets the whole history. `?after=ID` does the same
for a page that opens a new stream itself.

Two more events: `changed` (another file in the folder was written) and `reset` (the file was
started again or belongs to another run, so earlier lines are void).
"""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ... import runs
from ...strict_json import object_from_json
from ..requests import bad

POLL_INTERVAL = 0.25  # seconds
READ_SIZE = 1 << 18  # bytes
MAX_LINE = 1 << 22  # bytes; a run writes no longer line
HEARTBEAT = 15.0  # seconds: something is sent at least this often, so that a lost connection shows
MAX_STREAMS = 64  # a page has one


async def events(request: Request) -> Response:
    """The stream. Without a run there is none: status 204 tells the browser not to reconnect."""
    subject, state = request.app.state.subject, request.app.state
    if subject.folder is None:
        return Response(status_code=204)
    if request.method == "HEAD":  # the headers only: the stream has no end
        return Response(media_type="text/event-stream")
    if state.streams >= MAX_STREAMS:
        raise bad(f"expected at most {MAX_STREAMS} open pages; close some", 429)
    given = request.headers.get("last-event-id") or request.query_params.get("after", "")
    lines = follow(subject.folder, Position.read(given), state.closing)
    return _CountedStream(lines, media_type="text/event-stream")


class _CountedStream(StreamingResponse):
    """A stream that is in `state.streams` while it is open."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        state.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            state.streams -= 1


class Position(NamedTuple):
    """How much of which file the page has."""

    file: str  # checksum of its first line, which differs from run to run; "": none
    end: int  # bytes

    @classmethod
    def read(cls, text: str) -> Position:
        """The position in an event's id; START for any other text."""
        file, _, end = text.partition("-")
        if file and end.isascii() and end.isdecimal() and len(end) < 16:
            return cls(file, int(end))
        return START

    def __str__(self) -> str:
        return f"{self.file}-{self.end}"


START = Position("", 0)


async def follow(folder: Path, position: Position, closing: threading.Event) -> AsyncIterator[str]:
    """The events of a run's folder after `position`, until `closing` is set."""
    yield "retry: 1000\n\n"  # milliseconds until the browser reconnects
    quiet, known = 0.0, None
    while not closing.is_set():
        position, news = read_new(folder / runs.LIVE, position)
        now = _write_times(folder)
        if now != known:
            news += f"event: changed\ndata: {json.dumps(now)}\n\n"
            known = now
        if news:
            quiet = 0.0
            yield news
            await asyncio.sleep(0)  # let other requests run between two pieces of a long history
            continue
        quiet += POLL_INTERVAL
        if quiet >= HEARTBEAT:
            quiet = 0.0
            yield ": nothing new\n\n"
        await asyncio.sleep(POLL_INTERVAL)


def read_new(path: Path, position: Position) -> tuple[Position, str]:
    """(the end of the last whole line, the events of the lines after `position`)."""
    try:
        with open(path, "rb") as file:
            first = file.readline(MAX_LINE)
            name = f"{zlib.crc32(first):08x}" if first.endswith(b"\n") else ""
            size = file.seek(0, 2)
            if position.file and (position.file != name or size < position.end):
                return START, f"event: reset\nid: {START}\ndata:\n\n"
            file.seek(position.end)
            data = file.read(READ_SIZE)
            if len(data) == READ_SIZE:
                data += file.readline(MAX_LINE)
    except OSError:
        return position, ""
    *lines, rest = data.split(b"\n")
    end, parts = position.end, []
    if not lines and len(rest) >= MAX_LINE:  # skip it: a run writes no such line
        end += len(rest)
    for line in lines:
        end += len(line) + 1
        with suppress(ValueError):  # no JSON object: a full disk, a damaged file
            text = line.decode()
            object_from_json(text)
            text = text.replace("\r", " ")  # else it would end the line of the event
            parts.append(f"id: {Position(name, end)}\ndata: {text}\n\n")
    return Position(name, end), "".join(parts)


def _write_times(folder: Path) -> dict[str, int]:
    """When each file that the page shows was written, in microseconds; 0 if it is missing."""
    times = {}
    for name in (runs.RUN, runs.LAYERS, runs.MODEL, runs.CHECKPOINTS):
        try:
            times[name] = (folder / name).stat().st_mtime_ns // 1000
        except OSError:
            times[name] = 0
    return times


ROUTES = [Route("/events", events)]
