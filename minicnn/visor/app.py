"""The routes of the page and its API."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Router

from ..errors import DataError, ModelError
from . import page
from .answer import Answer
from .api import about, digits, draw, evaluate, events, inside, train
from .drawings import Drawings
from .guard import Guard
from .subject import Subject

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine."""


def create_app(
    subject: Subject, drawings: Path, hosts: Collection[str] = LOCAL, token: str | None = None
) -> Starlette:
    """The ASGI application that shows `subject`.

    Args:
        drawings: the folder of the user's saved drawings.
        hosts, token: access control; see guard.Guard.

    Raises:
        ImportError: a package is missing.
    """
    tabs = (about, events, digits, train, evaluate, draw, inside)
    # no redirects between addresses with and without a final slash
    api = Router([route for tab in tabs for route in tab.ROUTES], redirect_slashes=False)
    app = Starlette(
        routes=[*page.routes(), Mount("/api", app=api)],
        middleware=[Middleware(Guard, hosts=hosts, token=token)],
        exception_handlers={
            HTTPException: _http_error,
            DataError: _file_error,
            ModelError: _file_error,
            OSError: _file_error,
            Exception: _server_error,
        },
    )
    app.router.redirect_slashes = False
    app.state.subject, app.state.drawings = subject, Drawings(drawings)
    app.state.closing = threading.Event()  # set when the server stops: the streams end
    app.state.streams = 0  # open streams
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Answer({"error": error.detail}, error.status_code, headers=error.headers)


async def _file_error(request: Request, error: Exception) -> Response:
    """A file of the run is missing or damaged: not a bug of the server."""
    return Answer({"error": f"A file can't be read or written: {error}"}, 409)


async def _server_error(request: Request, error: Exception) -> Response:
    """Starlette raises the error again afterwards, and the server logs it."""
    return Answer({"error": f"The visor failed: {type(error).__name__}: {error}"}, 500)
