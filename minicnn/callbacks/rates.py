"""LearningRateScheduler and ReduceLROnPlateau: a learning rate that callbacks change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .. import state_checks
from ..hooks import Callback, State
from ..schedules import Constant
from .improvement import Improvement
from .names import resolve


class _Rate(Callback):
    """What both share: the optimizer's rate, and its entry in the logs."""

    def on_train_begin(self, state: State) -> None:
        self._rate(state)

    def on_epoch_begin(self, state: State) -> None:
        self._note(state)  # for an epoch that is resumed after its last step

    def on_batch_end(self, state: State) -> None:
        if state.step + 1 == state.steps:
            self._note(state)  # already here, so that all hear of it at the epoch's end

    def _note(self, state: State) -> None:
        state.logs["learning_rate"] = self._rate(state)

    def _rate(self, state: State) -> float:
        schedule = state.model.optimizer.schedule
        if not isinstance(schedule, Constant):
            name = type(self).__name__
            raise ValueError(
                f"{name}: expected an optimizer with a constant learning rate, received "
                f"{schedule!r}, which sets the rate of every step itself; give it a number, or "
                f"leave out {name}"
            )
        return schedule.learning_rate

    def _set_rate(self, state: State, rate: float) -> None:
        if not 0 <= rate < math.inf:
            name = type(self).__name__
            raise ValueError(f"{name}: expected a learning rate >= 0, received {rate!r}")
        state.model.optimizer.learning_rate = float(rate)


class LearningRateScheduler(_Rate):
    """Asks `schedule(epoch, rate)` for the learning rate of each epoch, before it begins.

    Writes "learning_rate" into the logs of the epoch.

    Args:
        schedule: from the epoch, counted from 0, and the rate so far to the rate of the epoch.
            A rate that is to change from step to step belongs into the optimizer: schedules.py.

    Raises:
        ValueError: at the start of training, if the optimizer has a schedule of its own; or for a
            rate that is negative or not finite.
    """

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        self.schedule = schedule

    def on_epoch_begin(self, state: State) -> None:
        if state.done[1] == 0:  # else the epoch was begun before the run was resumed
            self._set_rate(state, self.schedule(state.epoch, self._rate(state)))
        super().on_epoch_begin(state)


class ReduceLROnPlateau(_Rate):
    """Multiplies the learning rate by `factor` when `monitor` has not improved for `patience`
    epochs, as Keras does. Writes "learning_rate", that of the epoch, into the logs.

    Args:
        monitor: a name in the logs of an epoch; `acc` and `val_acc` are aliases.
        factor: in [0, 1).
        patience: epochs without improvement to wait, >= 0 (0 and 1 do the same).
        mode: "min", "max", or "auto": by the name (accuracy: max, loss: min).
        min_delta: less than this is no improvement, in units of the metric, >= 0.
        cooldown: epochs after a reduction in which nothing is counted, >= 0.
        min_lr: the rate never falls below, >= 0.

    Attributes:
        best: the best value so far (NaN: none yet).
        wait: epochs since the last improvement, or reduction.
        resting: epochs of cooldown that are left.

    NaN is never an improvement. Every run starts anew.

    Raises:
        ValueError: an argument out of range; at the start of training, if the optimizer has a
            schedule; at the end of the first epoch, a metric that the logs lack.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: expected 0 <= factor < 1, received {factor}")
        for name, value in (("patience", patience), ("cooldown", cooldown), ("min_lr", min_lr)):
            if not value >= 0:
                raise ValueError(f"ReduceLROnPlateau: expected {name} >= 0, received {value}")
        self.factor, self.patience, self.cooldown = factor, patience, cooldown
        self.min_lr = min_lr
        self._improvement = Improvement(monitor, mode, min_delta, "ReduceLROnPlateau")
        self._forget()

    def _forget(self) -> None:
        self.best = math.nan
        self.wait = self.resting = 0

    def on_train_begin(self, state: State) -> None:
        super().on_train_begin(state)
        self._forget()

    @property
    def state_name(self) -> str:
        return f"{type(self).__name__}({resolve(self._improvement.monitor)})"

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "wait": self.wait, "resting": self.resting}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self.best = state_checks.number(saved, "best")
        self.wait, self.resting = (
            state_checks.whole(saved, "wait"),
            state_checks.whole(saved, "resting"),
        )

    def on_epoch_end(self, state: State) -> None:
        value = self._improvement.value(state.logs)
        if self.resting:
            self.resting -= 1
            self.wait = 0
        if self._improvement.beats(value, self.best):
            self.best, self.wait = value, 0
        elif not self.resting:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(state)

    def _reduce(self, state: State) -> None:
        rate = self._rate(state)
        if rate > self.min_lr:
            self._set_rate(state, max(rate * self.factor, self.min_lr))
            self.resting, self.wait = self.cooldown, 0
