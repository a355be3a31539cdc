"""EarlyStopping and TerminateOnNaN: when to end a run before its last epoch."""

from __future__ import annotations

import math

import numpy as np

from ..metrics import rises
from .base import Callback, State
from .names import find

_MODES = ("auto", "min", "max")


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved for `patience` epochs, and puts the best weights back.

    Args:
        monitor: a name in the logs of an epoch; `acc` and `val_acc` are aliases.
        patience: epochs without improvement to wait, >= 1.
        min_delta: less than this is no improvement, in units of the metric, >= 0.
        mode: "min", "max", or "auto": by the name (accuracy: max, loss: min).
        restore_best_weights: when training ends, for whatever reason, the model gets the
            weights of its best epoch; without it, it keeps the last ones.
        baseline: a value to beat; an epoch that doesn't beat it uses up patience too.
        start_from_epoch: epochs to ignore at first, neither waited for nor remembered.

    Attributes:
        best: the best value so far (NaN: none yet).
        best_epoch: its epoch, counted from 0 (-1: none yet).
        wait: epochs since the last improvement.

    NaN is never an improvement. Every run starts anew.

    Raises:
        ValueError: an argument out of range, or, at the end of the first epoch, a metric
            that the logs lack; the message lists what they have.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best_weights: bool = True,
        baseline: float | None = None,
        start_from_epoch: int = 0,
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: expected patience >= 1, received {patience}")
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: expected min_delta >= 0, received {min_delta}")
        if mode not in _MODES:
            raise ValueError(f"EarlyStopping: expected mode in {_MODES}, received {mode!r}")
        more_is_better = rises(monitor) if mode == "auto" else mode == "max"
        if more_is_better is None:
            raise ValueError(
                f"EarlyStopping: {monitor!r} doesn't tell which way is better; "
                'say mode="min" or mode="max"'
            )
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.baseline = baseline
        self.start_from_epoch = start_from_epoch
        self._sign = 1.0 if more_is_better else -1.0
        self._forget()

    def _forget(self) -> None:
        self.best = math.nan
        self.best_epoch = -1
        self.wait = 0
        self._best_weights: list[np.ndarray] | None = None

    def _beats(self, value: float, other: float) -> bool:
        # Written so that a NaN `value` never beats and a NaN `other` (none yet) always loses.
        if math.isnan(value) or math.isnan(other):
            return not math.isnan(value)
        return self._sign * (value - other) > self.min_delta

    def on_train_begin(self, state: State) -> None:
        self._forget()

    def on_epoch_end(self, state: State) -> None:
        name = find(self.monitor, state.logs, "EarlyStopping")
        if state.epoch < self.start_from_epoch:
            return
        value = float(state.logs[name])
        self.wait += 1
        if self._beats(value, self.best):
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best_weights:
                self._best_weights = state.model.get_weights()
            if self.baseline is None or self._beats(value, self.baseline):
                self.wait = 0
        if self.wait >= self.patience and not state.stop:
            state.stop = True
            state.stop_reason = self._reason(name)

    def _reason(self, name: str) -> str:
        epochs = "epoch" if self.patience == 1 else "epochs"
        if self.best_epoch < 0:
            return f"{name} has been NaN for {self.patience} {epochs}"
        return (
            f"{name} has not improved for {self.patience} {epochs} "
            f"(best: {self.best:.4g} in epoch {self.best_epoch + 1})"
        )

    def on_train_end(self, state: State) -> None:
        if self._best_weights is None:
            return
        # Weights have moved since the best epoch if another one began, whether or not it ended.
        state.model.set_weights(self._best_weights)
        self._best_weights = None


class TerminateOnNaN(Callback):
    """Stops at the first batch whose loss is NaN or infinite."""

    def on_batch_end(self, state: State) -> None:
        loss = state.batch_logs["loss"]
        if not math.isfinite(loss) and not state.stop:
            state.stop = True
            state.stop_reason = (
                f"the loss became {loss} in epoch {state.epoch + 1}, step {state.step + 1}; "
                "a smaller learning rate or clipped gradients may help"
            )
