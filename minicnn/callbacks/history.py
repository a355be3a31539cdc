"""History: what the logs said, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import state_checks
from ..hooks import Callback, State


class History(Callback):
    """Keeps the logs of every epoch.

    Attributes:
        history: lists of equal length: `"epoch"` (finished epochs, so counted from 1) and one
            for every name in the logs (`"loss"`, `"accuracy"`, `"val_loss"`, …). NaN stands
            where an epoch had no value of that name.
        epoch: the same epochs as `State.epoch` counts them, from 0 (Keras: `History.epoch`).

    Both start empty with every training run.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {"epoch": []}
        self.epoch: list[int] = []

    def on_train_begin(self, state: State) -> None:
        # New objects: a history handed out earlier stays what it was.
        self.history = {"epoch": []}
        self.epoch = []

    def get_state(self) -> dict[str, Any]:
        return {"history": self.history, "epoch": self.epoch}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        epoch, history = state_checks.numbers(saved, "epoch"), state_checks.table(saved, "history")
        self.history = {name: state_checks.numbers(history, name, len(epoch)) for name in history}
        self.epoch = epoch

    def on_epoch_end(self, state: State) -> None:
        row = {**state.logs, "epoch": state.epoch + 1}
        earlier = len(self.epoch)
        for name in row:
            self.history.setdefault(name, [math.nan] * earlier)
        for name, values in self.history.items():
            values.append(row.get(name, math.nan))
        self.epoch.append(state.epoch)
