"""RemoteControl: another thread pauses, continues or stops training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..hooks import Callback, State

POLL_SECONDS = 0.1  # between two calls of give_up


class RemoteControl(Callback):
    """Its methods may be called from any thread at any time; they take effect after the current
    batch. pause() before a run pauses it after its first batch; stop() before a run has no effect.

    The time of pauses is added to State.drawing.paused_seconds.

    Args:
        tell: called with "pause" and the state when a pause begins, with "continue" when it ends.
        give_up: called ten times a second during a pause; True ends it (after Ctrl-C, say).
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
        """Pause until go_on() or stop()."""
        self._go.clear()

    def go_on(self) -> None:
        self._go.set()

    def stop(self, reason: str) -> None:
        """End training; `reason` becomes State.stop_reason."""
        self._reason = reason
        self._go.set()

    def on_train_begin(self, state: State) -> None:
        self._reason = ""

    def on_batch_end(self, state: State) -> None:
        if not self._go.is_set():
            self._pause(state)
        if self._reason and not state.stop:
            state.stop, state.stop_reason = True, self._reason

    def on_epoch_end(self, state: State) -> None:
        self.on_batch_end(state)  # it may have been called during validation

    def _pause(self, state: State) -> None:
        begin, earlier = time.perf_counter(), state.drawing.paused_seconds
        if self.tell:
            self.tell("pause", state)
        while not self._go.wait(POLL_SECONDS) and not self.give_up():
            state.drawing.paused_seconds = earlier + time.perf_counter() - begin
        self._go.set()
        state.drawing.paused_seconds = earlier + time.perf_counter() - begin
        if self.tell:
            self.tell("continue", state)
