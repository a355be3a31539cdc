"""The training loop, readable top to bottom; then evaluation and prediction.

It knows a model by its public face, and callbacks by their five hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from . import state_checks
from .batches import Batches, Samples
from .hooks import Callback, State, tell
from .run_state import Run
from .schedules import Constant
from .typing import Array

if TYPE_CHECKING:
    from .augmentation import Augmentation
    from .model import Sequential
    from .saving.checkpoints import Checkpoint

Logs = dict[str, float]


def fit(
    model: Sequential,
    data: Samples,
    *,
    batch_size: int,
    epochs: int,
    validation: Samples | None = None,
    shuffle: bool = True,
    callbacks: Sequence[Callback] = (),
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    augmentation: Augmentation | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `model` on `data`, from epoch `initial_epoch` until `epochs` or until asked to stop.

    Each step: take a batch, run it forward and backward, move the weights. Each epoch: run the
    validation samples, tell the callbacks. An epoch that is stopped in its midst is not
    validated and not reported by on_epoch_end. With a checkpoint, it goes on from there as if
    it had never been interrupted (see resume.py).

    Raises:
        ModelError: the checkpoint is damaged, or of another model or run. Another model, other
            samples or another batch size show before the callbacks hear of the run: nothing has
            changed then.
    """
    steps = steps_per_epoch or -(-len(data) // batch_size)
    batches = Batches(len(data), batch_size, model.rng if shuffle else None)
    means, watchers = Means(), sorted(callbacks, key=lambda callback: callback.runs_last)
    state = State(
        model=model,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        num_samples=_samples_in(steps, len(data), batch_size),
        done=(initial_epoch, 0),
        resumed=checkpoint is not None,
        resumed_from=checkpoint.path if checkpoint else None,
        validation=validation,
    )
    run = Run(state, batches, means, watchers)
    state.capture = run.capture
    if checkpoint is not None:
        run.check(checkpoint)
        state.remembers = run.remembered_by(checkpoint)
    begun: list[Callback] = []
    try:
        for callback in watchers:
            begun.append(callback)
            tell(callback, "on_train_begin", state)
        if checkpoint is not None:
            run.restore(checkpoint)
        while state.done[0] < epochs and not state.stop:
            _epoch(state, data, batches, means, watchers, augmentation)
    except BaseException:
        state.failed = True
        raise
    finally:
        begun.sort(key=lambda callback: not callback.runs_last)  # what saves, saves the run as is
        with ExitStack() as stack:  # each of them ends, even if another one's end raises
            for callback in reversed(begun):  # (a stack runs the last one first)
                stack.callback(tell, callback, "on_train_end", state)


def _epoch(
    state: State,
    data: Samples,
    batches: Batches,
    means: Means,
    callbacks: Sequence[Callback],
    augmentation: Augmentation | None,
) -> None:
    """One epoch, or what is left of one."""
    model = state.model
    state.epoch, first = state.done
    if not first:
        means.clear()
    state.seen, state.logs = means.count, means.result()
    for callback in callbacks:
        tell(callback, "on_epoch_begin", state)
    if state.stop:
        return
    for step in range(first, state.steps):
        x, y, weight = data.take(next(batches))
        if augmentation is not None:
            x = augmentation(x, model.augment_rng)
        state.batch_logs = train_step(model, x, y, weight)
        state.logs = means.add(state.batch_logs, len(x))
        state.step, state.seen, state.done = step, means.count, (state.epoch, step + 1)
        for callback in callbacks:
            tell(callback, "on_batch_end", state)
        if state.stop and step < state.steps - 1:
            return
    if state.validation is not None:
        wanted = any(callback.needs_outputs for callback in callbacks)
        state.val_outputs = _room(model, state.validation) if wanted else None
        results = evaluate(
            model, state.validation, batch_size=state.batch_size, outputs=state.val_outputs
        )
        state.logs |= {f"val_{name}": value for name, value in results.items()}
    schedule = model.optimizer.schedule
    if not isinstance(schedule, Constant):
        state.logs["learning_rate"] = schedule(model.optimizer.iterations - 1)  # the last step's
    state.done = (state.epoch + 1, 0)
    for callback in callbacks:
        tell(callback, "on_epoch_end", state)
    state.val_outputs = None


def train_step(model: Sequential, x: Array, y: Array | None, weight: Array | None = None) -> Logs:
    """One step on one batch: forward, loss, backward, update.

    The loss is (1/N) Σ_n weight_n · loss_n + penalties, so each sample's gradient is scaled by
    weight_n / N.

    Returns:
        The batch's loss and metrics, from before the update.

    Raises:
        RuntimeError: the optimizer was compiled into another model since.
    """
    loss, optimizer = model.loss, model.optimizer
    if optimizer.owner is not model:
        raise RuntimeError("this model's optimizer object was given to another; compile again")
    targets = _targets(y)
    z = model.forward_body(x, training=True)
    losses, dz = loss.with_gradient(z, targets)
    scale = np.full(len(x), 1 / len(x), z.dtype) if weight is None else weight / len(x)
    model.backward_body(dz * scale.reshape(-1, *[1] * (z.ndim - 1)))
    values = {"loss": float(np.dot(losses, scale)) + model.penalty()}
    optimizer.step(model.parameters())
    return values | _metrics(model, model.finish(z), targets)


def evaluate(
    model: Sequential, data: Samples, *, batch_size: int, outputs: Array | None = None
) -> Logs:
    """Loss and metrics over all of `data`, a batch at a time.

    Args:
        outputs: (N, …): the model's outputs are written there.
    """
    loss, means, penalty = model.loss, Means(), model.penalty()
    for start in range(0, len(data), batch_size):
        x, true, weight = data.take(slice(start, start + batch_size))
        targets = _targets(true)
        z = model.forward_body(x)
        losses = loss.per_sample(z, targets)
        value = float(np.mean(losses if weight is None else losses * weight)) + penalty
        y = model.finish(z)
        if outputs is not None:
            outputs[start : start + len(x)] = y
        means.add({"loss": value} | _metrics(model, y, targets), len(x))
    return means.result()


def predict(model: Sequential, data: Samples, *, batch_size: int) -> Array:
    """The outputs (N, …) for all of `data`, a batch at a time."""
    outputs = _room(model, data)
    for start in range(0, len(data), batch_size):
        rows = slice(start, start + batch_size)
        outputs[rows] = model.forward(data.take(rows)[0])
    return outputs


class Means:
    """Running means over the samples of an epoch."""

    def __init__(self) -> None:
        self.totals: Logs = {}
        self.count = 0

    def add(self, values: Logs, n: int) -> Logs:
        """Add the means of a batch of n samples; return the means so far."""
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value * n
        self.count += n
        return self.result()

    def result(self) -> Logs:
        """The means so far."""
        return {name: total / self.count for name, total in self.totals.items()}

    def clear(self) -> None:
        """Begin anew."""
        self.totals, self.count = {}, 0

    def get_state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"totals": self.totals, "count": self.count}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        """Take back what get_state() returned; ValueError if it is something else."""
        totals = state_checks.table(saved, "totals")
        self.totals = {name: state_checks.number(totals, name) for name in totals}
        self.count = state_checks.whole(saved, "count", minimum=1 if totals else 0)


def _samples_in(steps: int, n: int, batch_size: int) -> int:
    """How many samples `steps` batches hold, from the beginning of a pass over n samples."""
    passes, rest = divmod(steps, -(-n // batch_size))
    return passes * n + min(rest * batch_size, n)


def _metrics(model: Sequential, outputs: Array, targets: Array) -> Logs:
    return {m.name: float(m.per_sample(outputs, targets).mean()) for m in model.metrics}


def _targets(y: Array | None) -> Array:
    if y is None:
        raise ValueError("training and evaluation need targets: pass y")
    return y


def _room(model: Sequential, data: Samples) -> Array:
    return np.empty((len(data), *model.output_shape), model.dtype)
