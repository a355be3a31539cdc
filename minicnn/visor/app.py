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
FILE_ERRORS = (DataError, ModelError, OSError)
"""A file of the run is missing or damaged: not a bug of the server."""


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
        exception_handlers=dict.fromkeys((HTTPException, *FILE_ERRORS, Exception), _report),
    )
    app.router.redirect_slashes = False
    app.state.subject, app.state.drawings = subject, Drawings(drawings)
    app.state.closing = threading.Event()  # set when the server stops: the streams end
    app.state.streams = 0  # open streams
    return app


async def _report(request: Request, error: Exception) -> Response:
    """The answer for an error; Starlette raises one of the server again, for its log."""
    if isinstance(error, HTTPException):
        return Answer({"error": error.detail}, error.status_code, headers=error.headers)
    if isinstance(error, FILE_ERRORS):
        return Answer({"error": f"A file can't be read or written: {error}"}, 409)
    return Answer({"error": f"The visor failed: {type(error).__name__}: {error}"}, 500)
