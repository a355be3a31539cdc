"""History: the logs of every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .. import state_checks
from ..hooks import Callback, State


class History(Callback):
    """Keeps the logs of every epoch.

    Attributes:
        history: lists of equal length: `"epoch"` (finished epochs, so counted from 1) and one
            for every name in the logs (`"loss"`, `"accuracy"`, `"val_loss"`, …); NaN for an
            epoch without a value of that name.
        epoch: the same epochs as `State.epoch` counts them, from 0 (Keras: `History.epoch`).

    Every training run starts with empty ones.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {"epoch": []}
        self.epoch: list[int] = []

    def on_train_begin(self, state: State) -> None:
        # New objects: an earlier run's history does not change.
        self.history = {"epoch": []}
        self.epoch = []

    def get_state(self) -> dict[str, object]:
        return {"history": self.history, "epoch": self.epoch}

    def set_state(self, saved: Mapping[str, object]) -> None:
        epoch, history = state_checks.numbers(saved, "epoch"), state_checks.table(saved, "history")
        self.history = {name: state_checks.numbers(history, name, len(epoch)) for name in history}
        self.epoch = [state_checks.whole({"epoch": value}, "epoch") for value in epoch]

    def on_epoch_end(self, state: State) -> None:
        row = {**state.logs, "epoch": state.epoch + 1}
        earlier = len(self.epoch)
        for name in row:
            self.history.setdefault(name, [math.nan] * earlier)
        for name, values in self.history.items():
            values.append(row.get(name, math.nan))
        self.epoch.append(state.epoch)
