"""What a training run is made of at a given moment: taken down for a checkpoint, and put back.

A run that is resumed does, to the bit, what it would have done without the interruption. So all
that the next step depends on is here: weights, the optimizer's memory and schedule, every random
generator, the place in the pass over the samples, the epoch's means so far, and what the callbacks
remember.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from . import state_checks
from .batches import Batches
from .errors import ModelError
from .hooks import Callback, State
from .saving import model_file

if TYPE_CHECKING:
    from .saving.checkpoints import Checkpoint


class Stateful(Protocol):
    """What can be taken down and put back."""

    def get_state(self) -> dict[str, Any]: ...

    def set_state(self, saved: Mapping[str, Any]) -> None: ...


class Run:
    """The parts of a run; fit makes one."""

    def __init__(
        self, state: State, batches: Batches, means: Stateful, callbacks: Sequence[Callback]
    ) -> None:
        self.state, self.batches, self.means = state, batches, means
        self.callbacks = dict(_named(callbacks))

    def capture(self) -> dict[str, Any]:
        """All but the weights, as of `state.done`. Its arrays are not copied."""
        model = self.state.model
        return {
            "done": self.state.done,
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

    def remembered_by(self, checkpoint: Checkpoint) -> Callable[[Callback], bool]:
        """What State.remembers is in a run that goes on from `checkpoint`."""
        saved = checkpoint.training["callbacks"]
        known = [callback for name, callback in self.callbacks.items() if name in saved]
        return lambda callback: any(callback is one for one in known)

    def check(self, checkpoint: Checkpoint) -> None:
        """See whether this run could go on from `checkpoint`; changes nothing.

        Raises:
            ModelError: it is of another model, or of a run over other samples or batches; names
                the file, the field, what was expected and what came.
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
        """Go back to where `checkpoint`, which was checked, was made. A callback that it does not
        know begins anew.

        Raises:
            ModelError: something in it cannot be used; some parts are put back by then.
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
        self.state.done = checkpoint.done

    def _setup(self) -> dict[str, Any]:
        return {
            "samples": self.batches.n,
            "batch_size": self.batches.batch_size,
            "steps": self.state.steps,
            "shuffle": self.batches.rng is not None,
        }


@contextmanager
def _named_in_errors(path: Path, part: str) -> Iterator[None]:
    """Say which part of which file it was that could not be used."""
    try:
        yield
    # what set_state (a callback may have its own) raises when it is given something else
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = str(error) if isinstance(error, ValueError) else repr(error)
        raise ModelError(f"{path}: training: {part}: {what}") from error


def _essence(config: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for a run to go on: not names, nor the seed, which has been used, nor the
    learning rate, which the optimizer's state has."""
    kept = {key: config.get(key, _MISSING) for key in ("input_shape", "dtype", "layers", "compile")}
    compiled = kept["compile"]
    if isinstance(compiled, Mapping) and isinstance(compiled.get("optimizer"), Mapping):
        optimizer = {k: v for k, v in compiled["optimizer"].items() if k != "learning_rate"}
        kept["compile"] = {**compiled, "optimizer": optimizer}
    return kept


_MISSING = "nothing"


def _differences(field: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """(field, ours, theirs) of every place where two configurations differ."""
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
    """Each with its name; the second of one name is called …#2."""
    count: dict[str, int] = {}
    for callback in callbacks:
        name = callback.state_name
        count[name] = count.get(name, 0) + 1
        yield (name if count[name] == 1 else f"{name}#{count[name]}"), callback
