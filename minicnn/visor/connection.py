"""Time limits for clients.

Uvicorn's only limit is on the time between requests, and every byte resets it. A client that sends
nothing, sends a byte a second or does not read the answer could hold its connection forever, and a
hundred such clients could hold all connections. The limits here:

    IDLE_SECONDS    without a request: until the whole head of a request has arrived
    STALL_SECONDS   in which nothing can be sent because the client does not read
    (requests.BODY_SECONDS until the whole body has arrived)

When MAX_CONNECTIONS are open, a new one replaces the one that has been idle longest.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

IDLE_SECONDS = 20.0
STALL_SECONDS = 20.0
MAX_CONNECTIONS = 128  # a browser opens six; some systems allow 256 open files per process


class Connection(H11Protocol):
    """Uvicorn's connection with these limits."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._idle_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0  # on the loop's clock

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            others = [c for c in self.connections if c is not self and isinstance(c, Connection)]
            idle = [c for c in others if not c.answering]
            oldest = min(idle, key=lambda c: c.idle_since, default=self)
            oldest.drop()
        self._start_idle_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.answering:
            self._stop_idle_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # may start the next request
        if not self.answering:
            self._start_idle_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(STALL_SECONDS, self.drop)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_idle_timer()
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """The data is not HTTP; it may follow the body of a request that is being answered."""
        if self.answering:
            self.cycle.disconnected = True  # no answer but this one
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # the other answer has started
            self.drop()

    def drop(self) -> None:
        """Close the connection now, even if data is unsent."""
        self.connections.discard(self)
        if self.transport is not None:
            self.transport.abort()

    def _start_idle_timer(self) -> None:
        """Also while the connection closes: it is open until the client has read everything."""
        self._stop_idle_timer()
        self.idle_since = self.loop.time()
        self._idle_timer = self.loop.call_later(IDLE_SECONDS, self.drop)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
