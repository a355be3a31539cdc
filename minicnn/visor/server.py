"""The listening socket, and Uvicorn until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from .connection import IDLE_SECONDS, Connection

PORT = 8028  # 28×28
TRIES = 100  # ports from there, then any port that the system offers
BACKLOG = 64  # connections waiting to be accepted
GRACE = 0.5  # seconds to finish answers when the server stops


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on `host`, at `port` (None: 8028) or the next free one.

    Raises:
        OSError: the host is not an address of this machine, or the port is not allowed.
    """
    first = PORT if port is None else port
    refusals = []
    for family, address in _addresses(host):
        for number in [*range(first, min(first + TRIES, 65536)), 0]:
            try:
                return _listen(family, address, number)
            except OSError as error:
                if not _is_taken(error):
                    refusals.append(_reason(error, host, number))
                    break
    raise OSError(refusals[0] if refusals else f"can't listen on {host}: no port is free")


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def link(listener: socket.socket, token: str | None) -> str:
    """The link to the page."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:  # 0.0.0.0
        host = _own_address()
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")


class Server(uvicorn.Server):
    """Uvicorn that stops quickly: it ends the endless streams, and does not wait for slow clients
    or for a thread that evaluates a model.

    Args:
        ready: called when the server accepts requests.
    """

    def __init__(self, app: Starlette, ready: Callable[[], None]) -> None:
        self._closing: threading.Event = app.state.closing
        self._ready = ready
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # clients may disconnect at any time
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                loop="asyncio",
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # clients must not forge their address
                ws="none",
                lifespan="off",
                backlog=BACKLOG,
                timeout_keep_alive=int(IDLE_SECONDS),
                h11_max_incomplete_event_size=32 * 1024,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Ctrl-C or SIGTERM; the second one ends the process at once."""
        if self.should_exit:
            exit_now()
        self.end()

    def end(self) -> None:
        """Stop, as after Ctrl-C; safe from any thread."""
        self._closing.set()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish current answers, but only for GRACE seconds."""
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        end = asyncio.get_running_loop().time() + GRACE
        while state.tasks and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.05)  # let their tasks end
        if state.tasks:  # a thread is still running, and Python would wait for it
            exit_now()
        await super().shutdown(sockets)


def exit_now() -> None:
    """End this process. (Files are written by rename, so none stays incomplete.)"""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # e.g. a signal interrupted a flush
            stream.flush()
    os._exit(0)


def _addresses(host: str) -> list[tuple[int, str]]:
    """(family, address) of a host name."""
    try:
        found = socket.getaddrinfo(host or "?", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise OSError(
            f"expected --host as an address or a name of this machine, received {host!r}: {reason}"
        ) from error
    return list(dict.fromkeys((int(entry[0]), str(entry[4][0])) for entry in found))


def _listen(family: int, address: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only for this protocol; without it answers take 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it lets other programs use the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_taken(error: OSError) -> bool:
    """Whether another program uses the port; Windows may report "no access" then."""
    return error.errno == errno.EADDRINUSE or (os.name == "nt" and error.errno == errno.EACCES)


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"expected --host as an address of this machine, received {host}"
    if error.errno == errno.EACCES:
        return f"no permission to use port {port}; choose another one with --port"
    return f"can't listen on {host}, port {port}: {error.strerror or error}"


def _own_address() -> str:
    """The address of this machine in its network; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
