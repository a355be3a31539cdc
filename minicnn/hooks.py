"""What a callback is: five hooks, each called with the one `State` of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .batches import Samples
from .errors import CallbackError
from .network import Network
from .typing import Array


def _has_no_state(callback: Callback) -> bool:
    return False


@dataclass
class Resume:
    """Where a resumed run continues, and from what: for callbacks that save."""

    done: tuple[int, int] = (0, 0)
    """(finished epochs, finished steps of the next epoch)."""
    resumed: bool = False
    """Whether the run continues from a checkpoint."""
    path: Path | None = None
    """The file of that checkpoint."""
    has_state_of: Callable[[Callback], bool] = _has_no_state
    """Whether that file holds the state of a callback; a callback without one starts afresh."""
    capture: Callable[[], dict[str, object]] = dict
    """Everything that a resumed run needs beside the weights, as of `done` (run_state.py). The
    result refers to live arrays: write or copy it before the hook returns."""
    claimed_folders: set[Path] = field(default_factory=set)
    """Folders that one callback of the run uses alone."""
    failed: bool = False
    """Whether an exception ends the run: the last step may be incomplete."""


class Throttle(Protocol):
    """What limits how much time a drawing callback takes (callbacks/throttle.py)."""

    def due(self) -> bool: ...

    def working(self) -> AbstractContextManager[None]: ...


@dataclass
class Drawing:
    """What callbacks need that draw."""

    validation: Samples | None = None
    """The validation samples, if there are any."""
    val_outputs: Array | None = None
    """At the end of an epoch: the network's outputs (N, …) for them, if a callback needs them."""
    throttles: list[Throttle] = field(default_factory=list)
    """Those of all drawing callbacks of the run: they share the time for drawing."""
    paused_seconds: float = 0.0
    """How long training was paused on request; this is not training time."""


@dataclass
class State:
    """Where a training run stands. Callbacks read it, and may set `stop`."""

    model: Network
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
    resume: Resume = field(default_factory=Resume)
    drawing: Drawing = field(default_factory=Drawing)


class Callback:
    """Override the hooks you need; each gets the run's `State`.

    A callback with state of its own resets it in on_train_begin, and overrides get_state and
    set_state, so that a resumed run continues as if it had never been interrupted.
    """

    runs_last = False
    """Called after all others (at the end of training before them): it saves what they did."""
    needs_outputs = False
    """Fills State.drawing.val_outputs."""
    is_needed = False
    """A run that was saved with this callback cannot be resumed without it."""

    @property
    def state_name(self) -> str:
        """The name of its state in a checkpoint: the class, and what else identifies the callback
        (which file, which metric)."""
        return type(self).__name__

    def get_state(self) -> dict[str, object]:
        """Its state for a checkpoint: None, numbers, text, lists, dicts with text keys, NumPy
        arrays of numbers."""
        return {}

    def set_state(self, saved: Mapping[str, object]) -> None:
        """Restore what get_state() returned. In a resumed run, called after on_train_begin.

        Raises:
            ValueError: `saved` is something else (state_checks.py has the checks).
        """

    def on_train_begin(self, state: State) -> None:
        """Before the first epoch."""

    def on_train_end(self, state: State) -> None:
        """After the last epoch; also when training stops early or a batch raises."""

    def on_epoch_begin(self, state: State) -> None:
        """Before an epoch's first batch. If a run is resumed within an epoch, before the first
        remaining batch; `state.resume.done[1]` is then not 0. Setting `state.stop` ends the run
        before that batch."""

    def on_epoch_end(self, state: State) -> None:
        """After validation: `state.logs` holds the epoch's means and `val_…`."""

    def on_batch_end(self, state: State) -> None:
        """After the weights were updated."""


def call_hook(callback: Callback, hook: str, state: State) -> None:
    """Call the method named `hook`.

    Raises:
        CallbackError: it raised an error that does not name the callback.
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
