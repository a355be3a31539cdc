"""GET /api/events: what happens in the run, as server-sent events.

A run's folder has a file to which training appends a line of JSON whenever there is news (see
callbacks/live.py). The page gets the lines as they are, each with an `id`: whose file it is, and
the place there of the line's end. A browser that has lost the connection asks again by itself, with
the last `id` it got: so nothing is missed, nothing comes twice, and a page that is opened late gets
everything. A page that begins a stream itself where another ended says so by `?after=ID`.

Besides the lines there are events `changed`: something else in the folder is new, and `anew`: the
file has been begun anew, or is another run's, so what came before is void.
"""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ... import runs
from ...strict_json import object_from_json
from ..requests import bad

EVERY = 0.25  # seconds between two looks at the file
AT_ONCE = 1 << 18  # bytes read at a time
LONGEST = 1 << 22  # bytes of a line; what is longer is none of ours
ALIVE = 15.0  # seconds until something is sent at least, so that a lost connection is noticed
MOST = 64  # streams at a time; a page has one


async def events(request: Request) -> Response:
    """The stream; without a run there is none, and the browser does not ask again."""
    subject, state = request.app.state.subject, request.app.state
    if subject.folder is None:
        return Response(status_code=204)
    if request.method == "HEAD":  # which gets the beginning of the answer, not its endless rest
        return Response(media_type="text/event-stream")
    if state.streams >= MOST:
        raise bad(f"expected at most {MOST} pages at a time; close some", 429)
    given = request.headers.get("last-event-id") or request.query_params.get("after", "")
    lines = follow(subject.folder, Place.read(given), state.closing)
    return _Counted(lines, media_type="text/event-stream")


class _Counted(StreamingResponse):
    """A stream that counts itself, for as long as it lasts."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        state.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            state.streams -= 1


class Place(NamedTuple):
    """How much of which file is known."""

    file: str  # from its first line, which tells when the run began; "": none
    end: int  # in bytes

    @classmethod
    def read(cls, text: str) -> Place:
        """From an event's id; of what is none, the beginning of no file."""
        file, _, end = text.partition("-")
        if file and end.isascii() and end.isdecimal() and len(end) < 16:
            return cls(file, int(end))
        return NOTHING

    def __str__(self) -> str:
        return f"{self.file}-{self.end}"


NOTHING = Place("", 0)


async def follow(folder: Path, place: Place, closing: threading.Event) -> AsyncIterator[str]:
    """The events of a run's folder behind `place`, until `closing` is set."""
    yield "retry: 1000\n\n"  # milliseconds until the browser asks again
    quiet, known = 0.0, None
    while not closing.is_set():
        place, news = look(folder / runs.LIVE, place)
        now = _marks(folder)
        if now != known:
            news += f"event: changed\ndata: {json.dumps(now)}\n\n"
            known = now
        if news:
            quiet = 0.0
            yield news
            await asyncio.sleep(0)  # a long history comes in pieces: others may ask in between
            continue
        quiet += EVERY
        if quiet >= ALIVE:
            quiet = 0.0
            yield ": nothing new\n\n"
        await asyncio.sleep(EVERY)


def look(path: Path, place: Place) -> tuple[Place, str]:
    """What has been written behind `place`, up to the last whole line; and where that ends."""
    try:
        with open(path, "rb") as file:
            first = file.readline(LONGEST)
            name = f"{zlib.crc32(first):08x}" if first.endswith(b"\n") else ""
            size = file.seek(0, 2)
            if place.file and (place.file != name or size < place.end):
                return NOTHING, f"event: anew\nid: {NOTHING}\ndata:\n\n"
            file.seek(place.end)
            data = file.read(AT_ONCE)
            if len(data) == AT_ONCE:
                data += file.readline(LONGEST)
    except OSError:
        return place, ""
    *lines, rest = data.split(b"\n")
    end, parts = place.end, []
    if not lines and len(rest) >= LONGEST:  # a line that never ends: not of a run
        end += len(rest)
    for line in lines:
        end += len(line) + 1
        if text := _record(line):
            parts.append(f"id: {Place(name, end)}\ndata: {text}\n\n")
    return Place(name, end), "".join(parts)


def _record(line: bytes) -> str:
    """The line as a line of the stream; "" where it is nothing that the page can read: a disk may
    have been full, or a file be damaged."""
    try:
        text = line.decode()
        object_from_json(text)
    except ValueError:  # UnicodeDecodeError is a ValueError
        return ""
    return text.replace("\r", " ")


def _marks(folder: Path) -> dict[str, int]:
    """When the files were written that the page shows, in microseconds; 0 where there is none."""
    marks = {}
    for name in (runs.RUN, runs.LAYERS, runs.MODEL, runs.CHECKPOINTS):
        try:
            marks[name] = (folder / name).stat().st_mtime_ns // 1000
        except OSError:
            marks[name] = 0
    return marks


ROUTES = [Route("/events", events)]
