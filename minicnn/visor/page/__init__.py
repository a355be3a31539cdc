"""The page itself: HTML put together once, and files as they are.

A request can name a file of the page and no other: they are listed when the server starts, and what
is asked for is looked up in that list.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator
from functools import cache
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

FOLDER = Path(__file__).parent
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PART = 1 << 16  # bytes of a large answer that wait to be sent


class Asset(NamedTuple):
    """Something that a browser may keep, and ask each time whether it changed."""

    content: bytes
    etag: str
    headers: dict[str, str]

    @classmethod
    def of(cls, content: bytes, kind: str, **headers: str) -> Asset:
        """The content, of a media type, with its ETag."""
        etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        charset = "" if kind == "image/svg+xml" else "; charset=utf-8"
        common = {"Content-Type": kind + charset, "Cache-Control": "no-cache", "ETag": etag}
        return cls(content, etag, common | headers)

    def answer(self, request: Request) -> Response:
        """The content; or 304, if that is what the browser has."""
        had = request.headers.get("if-none-match", "").split(",")
        if self.etag in [tag.strip().removeprefix("W/") for tag in had]:
            return Response(status_code=304, headers=self.headers)
        if len(self.content) <= PART:
            return Response(self.content, headers=self.headers)
        headers = {**self.headers, "Content-Length": str(len(self.content))}
        return StreamingResponse(self._parts(), headers=headers)

    async def _parts(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), PART):
            yield self.content[start : start + PART]
            await asyncio.sleep(0)  # or a client that has gone would not be noticed until the end


def routes() -> list[Route]:
    """What the browser can ask for beside the answers.

    Raises:
        ImportError: Jinja, or Plotly, whose script is part of the page, is not installed.
    """
    plotly_file(), _html()  # what is missing is told now, not in an answer
    files = {
        path.relative_to(FOLDER).as_posix(): path
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES
    }

    async def file(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "there is no such file on the page")
        return Asset.of(path.read_bytes(), TYPES[path.suffix]).answer(request)

    return [Route("/", index), Route("/plotly.js", plotly), Route("/page/{name:path}", file)]


async def index(request: Request) -> Response:
    """GET /"""
    return _html().answer(request)


async def plotly(request: Request) -> Response:
    """GET /plotly.js: the script in the installed package of Plotly; compressed for those who are
    not on this machine."""
    packed = "gzip" in request.headers.get("accept-encoding", "") and not _is_here(request)
    return (await run_in_threadpool(_plotly, packed)).answer(request)


def plotly_file() -> Path:
    """Where Plotly's package has the script. (It need not be imported, which takes a while.)

    Raises:
        ImportError: it is not installed.
    """
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    raise ImportError("No module named 'plotly', or one without plotly.min.js", name="plotly")


def _is_here(request: Request) -> bool:
    try:
        return request.client is None or ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@cache
def _html() -> Asset:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("minicnn.visor", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    html = environment.get_template("index.html").render()
    return Asset.of(html.encode(), "text/html")


@cache
def _plotly(packed: bool) -> Asset:
    if not packed:
        return Asset.of(plotly_file().read_bytes(), "text/javascript", Vary="Accept-Encoding")
    content = gzip.compress(_plotly(False).content, mtime=0)
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Asset.of(content, "text/javascript", **headers)
