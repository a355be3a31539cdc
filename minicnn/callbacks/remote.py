"""RemoteControl: another thread has training wait, go on, or stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..hooks import Callback, State

LOOK_AGAIN = 0.1  # seconds, while waiting


class RemoteControl(Callback):
    """Its methods may be called from any thread at any time; training obeys after the batch that
    it is in. What is asked while nothing trains holds for the next run, but for `stop`.

    Time that training waits is added to State.waited, and counts for no speed.

    Args:
        tell: called with "pause" and the state when training begins to wait, with "continue" when
            it goes on.
        give_up: while training waits, asked ten times a second whether it has to go on all the
            same (after Ctrl-C, say).
    """

    def __init__(
        self,
        tell: Callable[[str, State], None] | None = None,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self.tell, self.give_up = tell, give_up
        self._go = threading.Event()
        self._go.set()
        self._reason = ""

    def pause(self) -> None:
        """Wait until go_on() or stop()."""
        self._go.clear()

    def go_on(self) -> None:
        """Wait no longer."""
        self._go.set()

    def stop(self, reason: str) -> None:
        """End training; `reason` becomes State.stop_reason."""
        self._reason = reason
        self._go.set()

    def on_train_begin(self, state: State) -> None:
        self._reason = ""

    def on_batch_end(self, state: State) -> None:
        if not self._go.is_set():
            self._wait(state)
        if self._reason and not state.stop:
            state.stop, state.stop_reason = True, self._reason

    def on_epoch_end(self, state: State) -> None:
        self.on_batch_end(state)  # it may have been asked while validating

    def _wait(self, state: State) -> None:
        since, waited = time.perf_counter(), state.waited
        if self.tell:
            self.tell("pause", state)
        while not self._go.wait(LOOK_AGAIN) and not self.give_up():
            state.waited = waited + time.perf_counter() - since
        self._go.set()
        state.waited = waited + time.perf_counter() - since
        if self.tell:
            self.tell("continue", state)
