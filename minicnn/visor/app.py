"""Which address is answered by what."""

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

HERE = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names of this machine for itself."""


def create_app(
    subject: Subject, drawings: Path, hosts: Collection[str] = HERE, token: str | None = None
) -> Starlette:
    """The page about `subject` as an ASGI application.

    Args:
        drawings: the folder of the user's own sprite sheet.
        hosts, token: who may ask; see guard.Guard.

    Raises:
        ImportError: a package is missing.
    """
    tabs = (about, events, digits, train, evaluate, draw, inside)
    # no redirections to the same address with or without a slash: an address is right, or it isn't
    api = Router([route for tab in tabs for route in tab.ROUTES], redirect_slashes=False)
    app = Starlette(
        routes=[*page.routes(), Mount("/api", app=api)],
        middleware=[Middleware(Guard, hosts=hosts, token=token)],
        exception_handlers={
            HTTPException: _refused,
            DataError: _unreadable,
            ModelError: _unreadable,
            OSError: _unreadable,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    app.state.subject, app.state.drawings = subject, Drawings(drawings)
    app.state.closing = threading.Event()  # set when the server ends: streams end with it
    app.state.streams = 0  # how many there are
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Answer({"error": error.detail}, error.status_code, headers=error.headers)


async def _unreadable(request: Request, error: Exception) -> Response:
    """A file that the page is about has gone, or is damaged: that is no failure of the server's."""
    return Answer({"error": f"A file can't be read or written: {error}"}, 409)


async def _failed(request: Request, error: Exception) -> Response:
    """Starlette raises it again afterwards, and the server logs it."""
    return Answer({"error": f"The visor failed: {type(error).__name__}: {error}"}, 500)
