"""The training loop, readable top to bottom; then evaluation and prediction.

It knows a model by its public face, and callbacks by their five hooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from .batches import Samples, index_batches
from .callbacks.base import Callback, State
from .schedules import Constant
from .typing import Array

if TYPE_CHECKING:
    from .model import Sequential

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
) -> None:
    """Train `model` on `data`, from epoch `initial_epoch` until `epochs` or until asked to stop.

    Each step: take a batch, run it forward and backward, move the weights. Each epoch: run the
    validation samples, tell the callbacks. An epoch that is stopped in its midst is not
    validated and not reported by on_epoch_end.
    """
    steps = steps_per_epoch or -(-len(data) // batch_size)
    batches = index_batches(len(data), batch_size, model.rng if shuffle else None)
    state = State(
        model=model,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        num_samples=_samples_in(steps, len(data), batch_size),
    )
    begun: list[Callback] = []
    try:
        for callback in callbacks:
            begun.append(callback)
            callback.on_train_begin(state)
        for epoch in range(initial_epoch, epochs):
            state.epoch, state.seen, state.logs = epoch, 0, {}
            _tell(callbacks, "on_epoch_begin", state)
            means = Means()
            for step in range(steps):
                x, y, weight = data.take(next(batches))
                rate = model.optimizer.current_learning_rate
                state.batch_logs = train_step(model, x, y, weight)
                state.logs = means.add(state.batch_logs, len(x))
                state.step, state.seen = step, means.count
                _tell(callbacks, "on_batch_end", state)
                if state.stop:
                    break
            if state.stop and step < steps - 1:
                break
            if validation is not None:
                results = evaluate(model, validation, batch_size=batch_size)
                state.logs |= {f"val_{name}": value for name, value in results.items()}
            if not isinstance(model.optimizer.learning_rate, Constant):
                state.logs["learning_rate"] = rate  # of the epoch's last step
            _tell(callbacks, "on_epoch_end", state)
            if state.stop:
                break
    finally:
        with ExitStack() as stack:  # each of them ends, even if another one's end raises
            for callback in reversed(begun):
                stack.callback(callback.on_train_end, state)


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


def evaluate(model: Sequential, data: Samples, *, batch_size: int) -> Logs:
    """Loss and metrics over all of `data`, a batch at a time."""
    loss, means, penalty = model.loss, Means(), model.penalty()
    for start in range(0, len(data), batch_size):
        x, y, weight = data.take(slice(start, start + batch_size))
        targets = _targets(y)
        z = model.forward_body(x)
        losses = loss.per_sample(z, targets)
        value = float(np.mean(losses if weight is None else losses * weight)) + penalty
        means.add({"loss": value} | _metrics(model, model.finish(z), targets), len(x))
    return means.result()


def predict(model: Sequential, data: Samples, *, batch_size: int) -> Array:
    """The outputs (N, …) for all of `data`, a batch at a time."""
    outputs = np.empty((len(data), *model.output_shape), model.dtype)
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


def _tell(callbacks: Sequence[Callback], hook: str, state: State) -> None:
    for callback in callbacks:
        getattr(callback, hook)(state)
