"""Ctrl-C as a polite request."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from ..hooks import Callback, State


class StopOnInterrupt(Callback):
    """The first Ctrl-C stops training after the current batch; a second one ends it at once.

    `interrupted` tells afterwards whether it happened. Signals reach only the main thread, so
    elsewhere this callback does nothing.

    Args:
        say: called with a line for the user once training stops.
    """

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self.say = say
        self.interrupted = False
        self._previous: Any = None

    def on_train_begin(self, state: State) -> None:
        self.interrupted = False
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)

    def on_batch_end(self, state: State) -> None:
        if self.interrupted and not state.stop:
            state.stop, state.stop_reason = True, "interrupted by Ctrl-C"
            self.say("\nStopping here; what was learnt will be saved. (Ctrl-C again: quit at once)")

    def on_epoch_end(self, state: State) -> None:
        self.on_batch_end(state)  # it may have come while validating

    def on_train_end(self, state: State) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _handle(self, number: int, frame: Any) -> None:
        self.interrupted = True  # no more: printing in a handler may cut into another print
        signal.signal(signal.SIGINT, signal.default_int_handler)
