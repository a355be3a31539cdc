"""The listening socket, and Uvicorn on it until Ctrl-C."""

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

from .connection import WAITING, Connection

PORT = 8028  # 28×28
TRIES = 100  # ports from there on, before the system is asked for any
BACKLOG = 64  # connections that wait to be accepted
GRACE = 0.5  # seconds for answers that are under way when the server ends


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens at `host`: at `port` or, where that is taken, at the next free one;
    None: from 8028 on.

    Raises:
        OSError: the host is not this machine's, or the port may not be used; says which.
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
    raise OSError(refusals[0] if refusals else f"can't listen at {host}: no port is free")


def is_here(listener: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def link(listener: socket.socket, token: str | None) -> str:
    """The link to the page."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:  # 0.0.0.0: by whatever name others know us
        host = _own_address()
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")


class Server(uvicorn.Server):
    """Uvicorn, which ends at once: streams that would go on for ever are told, and nobody waits for
    a client that is slow, or for a thread that measures.

    Args:
        ready: called when the first request could be answered.
    """

    def __init__(self, app: Starlette, ready: Callable[[], None]) -> None:
        self._closing: threading.Event = app.state.closing
        self._ready = ready
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # clients may leave at any time
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                loop="asyncio",
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody may say that he is another
                ws="none",
                lifespan="off",
                backlog=BACKLOG,
                timeout_keep_alive=int(WAITING),
                h11_max_incomplete_event_size=32 * 1024,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Ctrl-C, or SIGTERM; the second time nothing is waited for."""
        if self.should_exit:
            leave()
        self.end()

    def end(self) -> None:
        """As Ctrl-C does; from any thread."""
        self._closing.set()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers under way come to their end, but not for long."""
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
        await asyncio.sleep(0.05)  # what waited for a client learns that it is gone
        if state.tasks:  # a thread still works for them, and Python would wait for it
            leave()
        await super().shutdown(sockets)


def leave() -> None:
    """End this process now. (Files are written by rename: none is left half.)"""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # say, an interrupted flush() that goes on below us
            stream.flush()
    os._exit(0)


def _addresses(host: str) -> list[tuple[int, str]]:
    """(family, address) of what a host is called."""
    try:
        found = socket.getaddrinfo(host or "?", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise OSError(
            f"expected --host as an address or a name of this machine, received {host!r}: {reason}"
        ) from error
    return list(dict.fromkeys((int(entry[0]), str(entry[4][0])) for entry in found))


def _listen(family: int, address: str, port: int) -> socket.socket:
    # named TCP, or asyncio would not set TCP_NODELAY: every answer would wait 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it means that others may listen at the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_taken(error: OSError) -> bool:
    """Windows also says "no access" where another program listens."""
    return error.errno == errno.EADDRINUSE or (os.name == "nt" and error.errno == errno.EACCES)


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"expected --host as an address of this machine, received {host}, which is not"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used without more rights; name another one: --port"
    return f"can't listen at {host}, port {port}: {error.strerror or error}"


def _own_address() -> str:
    """The address of this machine in its network; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
