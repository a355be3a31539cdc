"""Times the steps of training."""

from __future__ import annotations

import time
from collections.abc import Mapping

from .. import state_checks
from ..hooks import Callback, State


class Stopwatch(Callback):
    """Seconds spent on batches (without validation and drawing at epoch ends) and images trained.
    A resumed run includes the time before its checkpoint. Pauses don't count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0
        self.epochs = 0
        self._begun, self._seen = 0.0, 0
        self._waited = 0.0
        self._start, self._earlier = time.perf_counter(), 0.0

    def get_state(self) -> dict[str, object]:
        return {
            "seconds": self.seconds,
            "images": self.images,
            "epochs": self.epochs,
            "total_seconds": self.total_seconds,
        }

    def set_state(self, saved: Mapping[str, object]) -> None:
        self.seconds = state_checks.number(saved, "seconds")
        self.images = state_checks.whole(saved, "images")
        self.epochs = state_checks.whole(saved, "epochs")
        self._earlier = state_checks.number(saved, "total_seconds")

    def on_train_begin(self, state: State) -> None:
        self._start = time.perf_counter()
        self._waited = 0.0

    def on_epoch_begin(self, state: State) -> None:
        self._begun, self._seen = time.perf_counter(), state.seen
        self._waited = state.drawing.paused_seconds

    def on_batch_end(self, state: State) -> None:
        now = time.perf_counter()
        self.seconds += now - self._begun - (state.drawing.paused_seconds - self._waited)
        self._begun, self._waited = now, state.drawing.paused_seconds
        self.images += state.seen - self._seen
        self._seen = state.seen

    def on_epoch_end(self, state: State) -> None:
        self.epochs, self._waited = state.epoch + 1, state.drawing.paused_seconds

    @property
    def total_seconds(self) -> float:
        """Since training began, without pauses; with the time before a resumed run's checkpoint."""
        return self._earlier + time.perf_counter() - self._start - self._waited

    @property
    def images_per_second(self) -> float:
        """Over all batches so far; 0 before the first."""
        return self.images / self.seconds if self.seconds else 0.0
