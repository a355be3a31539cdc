"""StopOnInterrupt: Ctrl-C ends training after the current batch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from ..hooks import Callback, State


class StopOnInterrupt(Callback):
    """The first Ctrl-C stops training after the current batch; a second one ends it at once.

    `interrupted` says afterwards whether it happened. Outside the main thread, which alone receives
    signals, this callback does nothing.

    Args:
        say: called with a line for the user when training stops.
    """

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self.say = say
        self.interrupted = False
        self._previous: Callable[[int, FrameType | None], object] | int | None = None

    def on_train_begin(self, state: State) -> None:
        self.interrupted = False
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)

    def on_batch_end(self, state: State) -> None:
        if self.interrupted and not state.stop:
            state.stop, state.stop_reason = True, "interrupted by Ctrl-C"
            self.say("\nStopping; the weights so far will be saved. (Ctrl-C again: quit at once)")

    def on_epoch_end(self, state: State) -> None:
        self.on_batch_end(state)  # it may have come during validation

    def on_train_end(self, state: State) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True  # don't print here: a handler may interrupt another print
        signal.signal(signal.SIGINT, signal.default_int_handler)
