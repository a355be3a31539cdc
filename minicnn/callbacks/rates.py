"""LearningRateScheduler and ReduceLROnPlateau: callbacks that change the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from .. import state_checks
from ..hooks import Callback, State
from ..schedules import Constant
from .improvement import Improvement


class _Rate(Callback):
    """Base: the optimizer's rate, and its entry in the logs."""

    def on_train_begin(self, state: State) -> None:
        self._rate(state)

    def on_epoch_begin(self, state: State) -> None:
        self._log(state)  # for an epoch that is resumed after its last step

    def on_batch_end(self, state: State) -> None:
        if state.step + 1 == state.steps:
            self._log(state)  # before any callback's on_epoch_end

    def _log(self, state: State) -> None:
        state.logs["learning_rate"] = self._rate(state)

    def _rate(self, state: State) -> float:
        schedule = state.model.optimizer.schedule
        if not isinstance(schedule, Constant):
            name = type(self).__name__
            raise ValueError(
                f"{name}: expected an optimizer with a constant learning rate, received "
                f"{schedule!r}, which sets the rate of every step; give it a number, or omit "
                f"{name}"
            )
        return schedule.learning_rate

    def _set_rate(self, state: State, rate: float) -> None:
        if not 0 <= rate < math.inf:
            name = type(self).__name__
            raise ValueError(f"{name}: expected a learning rate >= 0, received {rate!r}")
        state.model.optimizer.learning_rate = float(rate)


class LearningRateScheduler(_Rate):
    """Sets the learning rate before each epoch to `schedule(epoch, rate)`.

    Writes "learning_rate" into the logs of the epoch.

    Args:
        schedule: a function of the epoch (from 0) and the rate so far that returns the new rate.
            (For a rate that changes with every step, give the optimizer one of schedules.py.)

    Raises:
        ValueError: at the start of training, if the optimizer has a schedule of its own; or for a
            rate that is negative or not finite.
    """

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        self.schedule = schedule

    def on_epoch_begin(self, state: State) -> None:
        if state.resume.done[1] == 0:  # not in an epoch that was begun before the run was resumed
            self._set_rate(state, self.schedule(state.epoch, self._rate(state)))
        super().on_epoch_begin(state)


class ReduceLROnPlateau(_Rate):
    """Multiplies the learning rate by `factor` when `monitor` has not improved for `patience`
    epochs, as Keras does. Writes "learning_rate", that of the epoch, into the logs.

    Args:
        monitor: a name in the logs of an epoch; `acc` and `val_acc` are aliases.
        factor: in [0, 1).
        patience: epochs without improvement before a reduction, >= 0 (0 and 1 do the same).
        mode: "min", "max", or "auto": by the name (accuracy: max, loss: min).
        min_delta: the smallest improvement, in units of the metric, >= 0.
        cooldown: epochs after a reduction that are not counted, >= 0.
        min_lr: the smallest rate, >= 0.

    Attributes:
        best: the best value so far (NaN: none yet).
        wait: epochs since the last improvement or reduction.
        resting: remaining epochs of the cooldown.

    NaN is never an improvement. Every run starts afresh.

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
        self._improvement = Improvement(monitor, mode, min_delta, type(self).__name__)
        self._reset()

    def _reset(self) -> None:
        self.best = math.nan
        self.wait = self.resting = 0

    def on_train_begin(self, state: State) -> None:
        super().on_train_begin(state)
        self._reset()

    @property
    def state_name(self) -> str:
        return self._improvement.state_name

    def get_state(self) -> dict[str, object]:
        return {"best": self.best, "wait": self.wait, "resting": self.resting}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self.best = state_checks.number(saved, "best")
        self.wait = state_checks.whole(saved, "wait")
        self.resting = state_checks.whole(saved, "resting")

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
