"""What a callback is: five hooks, each given the one state of the run; and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CallbackError
from .typing import Array

if TYPE_CHECKING:
    from .batches import Samples
    from .callbacks.pace import Pace
    from .model import Sequential


def _nothing(callback: Callback) -> bool:
    return False


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
    done: tuple[int, int] = (0, 0)
    """Whole epochs behind us, and steps of the next one: where a resumed run would go on."""
    resumed: bool = False
    """Whether the run goes on from a checkpoint."""
    resumed_from: Path | None = None
    """Its file."""
    remembers: Callable[[Callback], bool] = _nothing
    """Whether that file holds what a callback remembered; if not, the callback begins anew."""
    claimed: set[Path] = field(default_factory=set)
    """Folders that one callback of the run wants for itself."""
    logs: dict[str, float] = field(default_factory=dict)
    """After a batch: means over the epoch so far. After an epoch: those, and `val_…`."""
    batch_logs: dict[str, float] = field(default_factory=dict)
    """After a batch: the values of that batch alone."""
    stop: bool = False
    """Set it to end training after the current batch (or epoch)."""
    stop_reason: str = ""
    waited: float = 0.0
    """Seconds that training waited because somebody asked it to; not training time."""
    failed: bool = False
    """Whether an exception is ending the run: a step may be half taken."""
    validation: Samples | None = None
    """The validation samples, if there are any."""
    val_outputs: Array | None = None
    """At the end of an epoch: the model's outputs (N, …) for them, if a callback asked for it."""
    paces: list[Pace] = field(default_factory=list)
    """Of those callbacks that draw now and then: they share the time for it (see pace.py)."""
    capture: Callable[[], dict[str, Any]] = dict
    """All that a resumed run needs beside the weights, as of `done`; see resume.py. It refers to
    live arrays: write it, or copy it, before the hook returns."""


class Callback:
    """Override the hooks you need; each gets the run's `State`.

    A callback that remembers something from epoch to epoch forgets it in on_train_begin, and
    overrides get_state and set_state, so that a run that is resumed goes on as if it had never
    been interrupted.
    """

    runs_last = False
    """Told after all others (at the end of training before them): what it saves, they have seen."""
    needs_outputs = False
    """Fills State.val_outputs."""
    is_needed = False
    """A run that was saved with it can't go on without it."""

    @property
    def state_name(self) -> str:
        """Under which name a checkpoint has its state: that of its class, and of what else makes
        it the same callback (which file, which metric)."""
        return type(self).__name__

    def get_state(self) -> dict[str, Any]:
        """What is remembered, for a checkpoint: None, numbers, text, lists, dicts with text as
        keys, NumPy arrays of numbers."""
        return {}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        """Take back what get_state() returned; after on_train_begin, in a run that is resumed.

        Raises:
            ValueError: it is something else (stored.py has what it takes to say so).
        """

    def on_train_begin(self, state: State) -> None:
        """Before the first epoch."""

    def on_train_end(self, state: State) -> None:
        """After the last epoch; also when training stops early or a batch raises."""

    def on_epoch_begin(self, state: State) -> None:
        """Before an epoch's first batch. In a run that is resumed in the midst of an epoch, before
        the first batch from there on; `state.done[1]` is then not 0. Setting `state.stop` ends
        the run before that batch."""

    def on_epoch_end(self, state: State) -> None:
        """After validation: `state.logs` holds the epoch's means and `val_…`."""

    def on_batch_end(self, state: State) -> None:
        """After the weights moved."""


def tell(callback: Callback, hook: str, state: State) -> None:
    """Call `hook`.

    Raises:
        CallbackError: it raised something that does not say which callback it came from.
    """
    try:
        getattr(callback, hook)(state)
    except Exception as error:
        name = type(callback).__name__
        if name in str(error) or isinstance(error, CallbackError):
            raise
        raise CallbackError(f"{name}.{hook}: {type(error).__name__}: {error}") from error


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
