"""The page: HTML from a template, and static files.

Requests can only name files of the page: the server lists them when it starts.
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
CHUNK = 1 << 16  # bytes of a large answer that are sent at a time


class Asset(NamedTuple):
    """Content that a browser may cache and revalidate by its ETag."""

    content: bytes
    etag: str
    headers: dict[str, str]

    @classmethod
    def of(cls, content: bytes, kind: str, **headers: str) -> Asset:
        """Content of a media type."""
        etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        charset = "" if kind == "image/svg+xml" else "; charset=utf-8"
        common = {"Content-Type": kind + charset, "Cache-Control": "no-cache", "ETag": etag}
        return cls(content, etag, common | headers)

    def answer(self, request: Request) -> Response:
        """The content; or status 304 if the browser has it."""
        cached = request.headers.get("if-none-match", "").split(",")
        if self.etag in [tag.strip().removeprefix("W/") for tag in cached]:
            return Response(status_code=304, headers=self.headers)
        if len(self.content) <= CHUNK:
            return Response(self.content, headers=self.headers)
        headers = {**self.headers, "Content-Length": str(len(self.content))}
        return StreamingResponse(self._chunks(), headers=headers)

    async def _chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), CHUNK):
            yield self.content[start : start + CHUNK]
            await asyncio.sleep(0)  # lets the server notice a client that has disconnected


def routes() -> list[Route]:
    """The routes of the page and its files.

    Raises:
        ImportError: Jinja, or Plotly, whose script is part of the page, is not installed.
    """
    plotly_file(), _html()  # report a missing package now
    files = {
        path.relative_to(FOLDER).as_posix(): path
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES
    }

    async def file(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "the page has no such file")
        return Asset.of(path.read_bytes(), TYPES[path.suffix]).answer(request)

    return [Route("/", index), Route("/plotly.js", plotly), Route("/page/{name:path}", file)]


async def index(request: Request) -> Response:
    """GET /"""
    return _html().answer(request)


async def plotly(request: Request) -> Response:
    """GET /plotly.js: the script in the installed package plotly; compressed for other machines."""
    packed = "gzip" in request.headers.get("accept-encoding", "") and not _is_local(request)
    return (await run_in_threadpool(_plotly, packed)).answer(request)


def plotly_file() -> Path:
    """The script in Plotly's package, found without the slow import.

    Raises:
        ImportError: it is not installed.
    """
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    raise ImportError("No module named 'plotly', or one without plotly.min.js", name="plotly")


def _is_local(request: Request) -> bool:
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
