"""What the next training step depends on: captured for a checkpoint, and restored from one.

A resumed run does, to the bit, what it would have done without the interruption. So everything that
the next step depends on is here: weights, the optimizer's state and schedule, every random
generator, the position in the pass over the samples, the epoch's means so far, and the state of the
callbacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from . import state_checks
from .batches import Batches
from .errors import ModelError
from .hooks import Callback, State, call_hook
from .saving import model_file
from .saving.checkpoints import Checkpoint


class Stateful(Protocol):
    """Something whose state can be captured and restored."""

    def get_state(self) -> dict[str, object]: ...

    def set_state(self, saved: Mapping[str, object]) -> None: ...


class Session:
    """A training run: its callbacks, called in order, and its state. Use it as `with Session(…):`.

    Entering checks the checkpoint (if there is one), calls on_train_begin and restores the run.
    Leaving calls on_train_end of every callback that began, even if another one's end raises.

    Raises:
        ModelError: the checkpoint is damaged, or of another model or run.
    """

    def __init__(
        self,
        state: State,
        batches: Batches,
        means: Stateful,
        callbacks: Sequence[Callback],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.state, self.batches, self.means = state, batches, means
        self.ordered = sorted(callbacks, key=lambda callback: callback.runs_last)
        self.callbacks = dict(_named(self.ordered))
        self.checkpoint = checkpoint
        self.begun: list[Callback] = []
        state.resume.capture = self.capture

    def __enter__(self) -> Session:
        checkpoint, resume = self.checkpoint, self.state.resume
        if checkpoint is not None:
            self.check(checkpoint)
            saved = checkpoint.training["callbacks"]
            restored = {id(callback) for name, callback in self.callbacks.items() if name in saved}
            resume.resumed, resume.path = True, checkpoint.path
            resume.has_state_of = lambda callback: id(callback) in restored
        try:
            for callback in self.ordered:
                self.begun.append(callback)
                call_hook(callback, "on_train_begin", self.state)
            if checkpoint is not None:
                self.restore(checkpoint)
        except BaseException:
            self._end(failed=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(failed=error is not None)

    def _end(self, failed: bool) -> None:
        self.state.resume.failed = failed
        # callbacks that run last end first: they save the run before others change the weights
        self.begun.sort(key=lambda callback: not callback.runs_last)
        with ExitStack() as stack:  # calls all, even if one raises; the last one pushed first
            for callback in reversed(self.begun):
                stack.callback(call_hook, callback, "on_train_end", self.state)

    def call(self, hook: str) -> None:
        """Call this hook of every callback, in order."""
        for callback in self.ordered:
            call_hook(callback, hook, self.state)

    @property
    def needs_outputs(self) -> bool:
        """Whether a callback needs the outputs for the validation samples."""
        return any(callback.needs_outputs for callback in self.ordered)

    def capture(self) -> dict[str, object]:
        """Everything but the weights, as of `state.resume.done`. Its arrays are not copied."""
        model = self.state.model
        return {
            "done": self.state.resume.done,
            "setup": self._setup(),
            "optimizer": model.optimizer.get_state(),
            "batches": self.batches.get_state(),
            "generators": {
                name: rng.bit_generator.state for name, rng in model.generators().items()
            },
            "means": self.means.get_state(),
            "callbacks": {name: callback.get_state() for name, callback in self.callbacks.items()},
            "needed": [name for name, callback in self.callbacks.items() if callback.is_needed],
        }

    def check(self, checkpoint: Checkpoint) -> None:
        """Check that this run can continue from `checkpoint`; changes nothing.

        Raises:
            ModelError: it is of another model, or of a run with other samples or batches; names
                the file, the field, what was expected and what was received.
        """
        model, path = self.state.model, checkpoint.path
        expected = {"model": _essence(model_file.config(model)), "setup": self._setup()}
        received = {"model": _essence(checkpoint.model), "setup": checkpoint.training["setup"]}
        for field, ours, theirs in _differences("", expected, received):
            raise ModelError(
                f"{path}: {field}: expected {state_checks.shown(ours)}, as this run has it, "
                f"received {state_checks.shown(theirs)}; resume with the model, data and batch "
                "size that the checkpoint was made with, or take its weights alone: "
                "Sequential.load()"
            )
        model_file.check_tensors(model, checkpoint.tensors, path)
        with _named_in_errors(path, "needed"):
            for name in state_checks.rows(checkpoint.training, "needed"):
                if name not in self.callbacks:
                    raise ValueError(
                        f"expected the callback {state_checks.shown(name)}, with which the "
                        "checkpoint was made, received a run without it"
                    )
        with _named_in_errors(path, "done"):
            state_checks.whole({"steps": checkpoint.done[1]}, "steps", 0, self.state.steps)
        with _named_in_errors(path, "generators"):
            for name, rng in model.generators().items():
                state_checks.generator(checkpoint.training["generators"], name, rng)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the run from a checked `checkpoint`. A callback without state there starts
        afresh.

        Raises:
            ModelError: an entry cannot be used; some state is restored by then.
        """
        model, saved, path = self.state.model, checkpoint.training, checkpoint.path
        for name, callback in self.callbacks.items():
            if name in saved["callbacks"]:
                with _named_in_errors(path, f"callbacks.{name}"):
                    callback.set_state(state_checks.table(saved["callbacks"], name))
        with _named_in_errors(path, "means"):
            self.means.set_state(saved["means"])
        with _named_in_errors(path, "optimizer"):
            model.optimizer.set_state(saved["optimizer"], model_file.tensors_of(model))
        with _named_in_errors(path, "batches"):
            self.batches.set_state(saved["batches"])  # redraws the order, so generators come after
        for name, rng in model.generators().items():
            rng.bit_generator.state = saved["generators"][name]
        for name, (held, key) in model.tensors().items():
            held[key][...] = checkpoint.tensors[name]
        self.state.resume.done = checkpoint.done

    def _setup(self) -> dict[str, object]:
        return {
            "samples": self.batches.n,
            "batch_size": self.batches.batch_size,
            "steps": self.state.steps,
            "shuffle": self.batches.rng is not None,
        }


@contextmanager
def _named_in_errors(path: Path, part: str) -> Iterator[None]:
    """Name the file and the entry in errors."""
    try:
        yield
    # what a set_state, perhaps a user's own, raises for unusable values
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = str(error) if isinstance(error, ValueError) else repr(error)
        raise ModelError(f"{path}: training: {part}: {what}") from error


def _essence(config: Mapping[str, object]) -> dict[str, object]:
    """What must be equal to continue a run: not names, nor the seed, which has been used, nor the
    learning rate, which is in the optimizer's state."""
    kept = {key: config.get(key, _MISSING) for key in ("input_shape", "dtype", "layers", "compile")}
    compiled = kept["compile"]
    if isinstance(compiled, Mapping) and isinstance(compiled.get("optimizer"), Mapping):
        optimizer = {k: v for k, v in compiled["optimizer"].items() if k != "learning_rate"}
        kept["compile"] = {**compiled, "optimizer": optimizer}
    return kept


_MISSING = "nothing"


def _differences(field: str, ours: object, theirs: object) -> Iterator[tuple[str, object, object]]:
    """(field, ours, theirs) wherever two configurations differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            inner = f"{field}.{key}" if field else str(key)
            yield from _differences(inner, ours.get(key, _MISSING), theirs.get(key, _MISSING))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(f"{field}[{index}]", one, other)
    elif ours != theirs:
        yield field, ours, theirs


def _named(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    """Each with its name; a second one of the same name is called …#2."""
    count: dict[str, int] = {}
    for callback in callbacks:
        name = callback.state_name
        count[name] = count.get(name, 0) + 1
        yield (name if count[name] == 1 else f"{name}#{count[name]}"), callback
