"""The page: HTML from a template, and static files.

Requests can only name files of the page: the server lists them when it starts.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
REVALIDATE = {"Cache-Control": "no-cache"}  # the browser asks by ETag whether a file has changed


def routes() -> list[Route]:
    """The routes of the page and its files.

    Raises:
        ImportError: Jinja, or Plotly, whose script is part of the page, is not installed.
    """
    script, _ = plotly_file(), _html()  # report a missing package now
    static = StaticFiles(directory=FOLDER)
    files = {
        path.relative_to(FOLDER).as_posix(): path
        for path in FOLDER.rglob("*")
        if path.suffix in TYPES
    }

    def send(path: Path, request: Request) -> Response:
        answer = static.file_response(path, path.stat(), request.scope)
        answer.headers.update({**REVALIDATE, "Content-Type": TYPES[path.suffix]})
        return answer

    def index(request: Request) -> Response:
        return HTMLResponse(_html(), headers=REVALIDATE)

    def plotly(request: Request) -> Response:
        return send(script, request)

    def file(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "the page has no such file")
        return send(path, request)

    packed = [Middleware(GZipMiddleware, compresslevel=1)]  # 4.8 MB to 1.7 MB in 0.1 s
    return [
        Route("/", index),
        Route("/plotly.js", plotly, middleware=packed),
        Route("/page/{name:path}", file),
    ]


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


@cache
def _html() -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("minicnn.visor", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template("index.html").render()
