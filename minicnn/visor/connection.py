"""What a client may take its time for.

Uvicorn counts the seconds between requests only, and anew with every byte: who sends nothing at
all, a byte a second, or does not take the answer, could keep a connection for ever, and with some
hundred of them all that there are. Here each may keep one so long:

    WAITING   seconds without a request that is being answered: until its whole head is there
    STUCK     seconds in which nothing can be sent, since the client takes nothing
    (and requests.SECONDS until the whole body is there)

Where MOST connections are open, a new one takes the place of that which has waited longest.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

WAITING = 20.0
STUCK = 20.0
MOST = 128  # a browser opens six; some systems allow a process 256 files


class Connection(H11Protocol):
    """Uvicorn's connection, with those limits."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self.since = 0.0  # by the loop's clock: when it began to wait

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST:
            others = [c for c in self.connections if c is not self and isinstance(c, Connection)]
            idle = [c for c in others if not c.answering]
            leaving = min(idle, key=lambda c: c.since, default=self)
            leaving.drop()
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.answering:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # which may begin with the next request
        if not self.answering:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(STUCK, self.drop)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()
        if self._stuck is not None:
            self._stuck.cancel()

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP; maybe in the body of a request that is being answered."""
        if self.answering:
            self.cycle.disconnected = True  # it gets this answer, and no other
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # the other has begun
            self.drop()

    def drop(self) -> None:
        """End it at once, whatever is not yet sent."""
        self.connections.discard(self)
        if self.transport is not None:
            self.transport.abort()

    def _wait(self) -> None:
        """Also where it is closing: that ends when the client has taken everything."""
        self._stop_waiting()
        self.since = self.loop.time()
        self._waiting = self.loop.call_later(WAITING, self.drop)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
