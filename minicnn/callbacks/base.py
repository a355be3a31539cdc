"""What a callback is: five hooks, each given the one state of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Sequential


@dataclass
class State:
    """Where a training run stands. Callbacks read it, and may set `stop`."""

    model: Sequential
    epochs: int  # the epoch to stop before (Keras: `epochs`)
    steps: int  # batches an epoch
    batch_size: int
    num_samples: int  # training samples an epoch
    epoch: int = 0  # 0-based
    step: int = 0  # 0-based, within the epoch
    seen: int = 0  # samples trained on so far in the epoch
    logs: dict[str, float] = field(default_factory=dict)
    """After a batch: means over the epoch so far. After an epoch: those, and `val_…`."""
    batch_logs: dict[str, float] = field(default_factory=dict)
    """After a batch: the values of that batch alone."""
    stop: bool = False
    """Set it to end training after the current batch (or epoch)."""
    stop_reason: str = ""


class Callback:
    """Override the hooks you need; each gets the run's `State`."""

    def on_train_begin(self, state: State) -> None:
        """Before the first epoch."""

    def on_train_end(self, state: State) -> None:
        """After the last epoch; also when training stops early or a batch raises."""

    def on_epoch_begin(self, state: State) -> None:
        """Before an epoch's first batch."""

    def on_epoch_end(self, state: State) -> None:
        """After validation: `state.logs` holds the epoch's means and `val_…`."""

    def on_batch_end(self, state: State) -> None:
        """After the weights moved."""


Hook = Callable[[State], None]


class LambdaCallback(Callback):
    """A callback from plain functions: `LambdaCallback(on_epoch_end=lambda s: print(s.logs))`."""

    def __init__(
        self,
        *,
        on_train_begin: Hook | None = None,
        on_train_end: Hook | None = None,
        on_epoch_begin: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_batch_end: Hook | None = None,
    ) -> None:
        hooks = {
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_end": on_batch_end,
        }
        for name, hook in hooks.items():
            if hook is not None:
                setattr(self, name, hook)
