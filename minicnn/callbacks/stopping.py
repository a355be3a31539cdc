"""EarlyStopping, TerminateOnNaN, StopOnInterrupt: they end a run before its last epoch."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType

from .. import state_checks
from ..hooks import Callback, State
from ..network import Network
from ..typing import Array
from .improvement import Improvement, resolve


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved for `patience` epochs, and restores the best weights.

    Args:
        monitor: a name in the logs of an epoch; `acc` and `val_acc` are aliases.
        patience: epochs without improvement before it stops, >= 1.
        min_delta: the smallest improvement, in units of the metric, >= 0.
        mode: "min", "max", or "auto": by the name (accuracy: max, loss: min).
        restore_best_weights: at the end of training, for whatever reason, the model gets the
            weights of its best epoch; False: it keeps the last ones.
        baseline: an epoch that is not better than this value counts as one without improvement.
        start_from_epoch: how many epochs are ignored at first.

    Attributes:
        best: the best value so far (NaN: none yet).
        best_epoch: its epoch, counted from 0 (-1: none yet).
        wait: epochs since the last improvement.

    NaN is never an improvement. It never stops after the first epoch, as in Keras. Every run
    starts afresh. A resumed run that this callback had stopped stops again, unless `patience` is
    longer now.

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
        self._improvement = Improvement(monitor, mode, min_delta, type(self).__name__)
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.baseline = baseline
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self) -> None:
        self.best = math.nan
        self.best_epoch = -1
        self.wait = 0
        self._best_weights: list[Array] | None = None
        self._model: Network | None = None

    @property
    def state_name(self) -> str:
        return self._improvement.state_name

    def get_state(self) -> dict[str, object]:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "wait": self.wait,
            "best_weights": self._best_weights,
        }

    def set_state(self, saved: Mapping[str, object]) -> None:
        weights = None
        if saved.get("best_weights") is not None:
            assert self._model is not None
            own, weights = self._model.get_weights(), state_checks.rows(saved, "best_weights")
            if len(weights) != len(own):
                raise ValueError(f"expected {len(own)} best_weights, received {len(weights)}")
            for index, expected in enumerate(own):
                state_checks.like(weights[index], expected, f"best_weights {index}")
        self.best = state_checks.number(saved, "best")
        self.best_epoch = state_checks.whole(saved, "best_epoch", minimum=-1)
        self.wait, self._best_weights = state_checks.whole(saved, "wait"), weights

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._model = state.model

    def on_epoch_begin(self, state: State) -> None:
        self._stop_if_due(state, ended=state.epoch)  # in a resumed run

    def on_epoch_end(self, state: State) -> None:
        value = self._improvement.value(state.logs)
        if state.epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._improvement.beats(value, self.best):
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best_weights:
                self._best_weights = state.model.get_weights()
            if self.baseline is None or self._improvement.beats(value, self.baseline):
                self.wait = 0
        self._stop_if_due(state, ended=state.epoch + 1)

    def _stop_if_due(self, state: State, ended: int) -> None:
        if self.wait >= self.patience and ended > 1 and not state.stop:
            state.stop, state.stop_reason = True, self._reason()

    def _reason(self) -> str:
        name = resolve(self.monitor)
        epochs = "epoch" if self.patience == 1 else "epochs"
        if self.best_epoch < 0:
            return f"{name} has been NaN for {self.patience} {epochs}"
        best = f"(best: {self.best:.4g} in epoch {self.best_epoch + 1})"
        if self.baseline is not None and not self._improvement.beats(self.best, self.baseline):
            missed = f"has not beaten {self.baseline:.4g} in"
        else:
            missed = "has not improved for"
        return f"{name} {missed} {self.patience} {epochs} {best}"

    def on_train_end(self, state: State) -> None:
        self._model = None
        if self._best_weights is None:
            return
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
