"""The training loop, readable top to bottom; then evaluation and prediction.

It uses a network by its public names, and callbacks by their five hooks (hooks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import state_checks
from .augmentation import Augmentation
from .batches import Batches, Samples
from .hooks import Callback, Drawing, Resume, State
from .network import Network
from .run_state import Session
from .saving.checkpoints import Checkpoint
from .schedules import Constant
from .typing import Array

Logs = dict[str, float]


def fit(
    model: Network,
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
    """Train `model` on `data`, from epoch `initial_epoch` until `epochs` or until `state.stop`.

    Each step: take a batch, run it forward and backward, update the weights. Each epoch: run the
    validation samples, call the callbacks. An epoch that is stopped half-way is not validated,
    and on_epoch_end is not called. With a checkpoint, training continues from there as if it had
    never been interrupted (run_state.py).

    Raises:
        ModelError: the checkpoint is damaged, or of another model or run. If the model, the
            samples or the batch size differ, nothing has changed yet.
    """
    steps = steps_per_epoch or -(-len(data) // batch_size)
    batches = Batches(len(data), batch_size, model.rng if shuffle else None)
    means = Means()
    state = State(
        model=model,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        num_samples=_samples_in(steps, len(data), batch_size),
        resume=Resume(done=(initial_epoch, 0)),
        drawing=Drawing(validation=validation),
    )
    with Session(state, batches, means, callbacks, checkpoint) as session:
        while state.resume.done[0] < epochs and not state.stop:
            state.epoch, first = state.resume.done
            if first == 0:
                means.clear()
            state.seen, state.logs = means.count, means.result()
            session.call("on_epoch_begin")
            if state.stop:
                return
            for step in range(first, steps):
                x, y, weight = data.take(next(batches))
                if augmentation is not None:
                    x = augmentation(x, model.augment_rng)
                state.batch_logs = train_step(model, x, y, weight)
                state.logs = means.add(state.batch_logs, len(x))
                state.step, state.seen = step, means.count
                state.resume.done = state.epoch, step + 1
                session.call("on_batch_end")
                if state.stop and step < steps - 1:
                    return
            _end_epoch(state, session)


def _end_epoch(state: State, session: Session) -> None:
    """Validate, complete the epoch's logs, and call on_epoch_end."""
    model, drawing = state.model, state.drawing
    if drawing.validation is not None:
        if session.needs_outputs:
            drawing.val_outputs = _empty_outputs(model, drawing.validation)
        results = evaluate(
            model, drawing.validation, batch_size=state.batch_size, outputs=drawing.val_outputs
        )
        state.logs |= {f"val_{name}": value for name, value in results.items()}
    schedule = model.optimizer.schedule
    if not isinstance(schedule, Constant):
        state.logs["learning_rate"] = schedule(model.optimizer.iterations - 1)  # the last step's
    state.resume.done = (state.epoch + 1, 0)
    session.call("on_epoch_end")
    drawing.val_outputs = None


def train_step(model: Network, x: Array, y: Array | None, weight: Array | None = None) -> Logs:
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
    z = model.forward_logits(x, training=True)
    losses, dz = loss.with_gradient(z, targets)
    scale = np.full(len(x), 1 / len(x), z.dtype) if weight is None else weight / len(x)
    model.backward_logits(dz * scale.reshape(-1, *[1] * (z.ndim - 1)))
    values = {"loss": float(np.dot(losses, scale)) + model.penalty()}
    optimizer.step(model.parameters())
    return values | _metrics(model, model.apply_head(z), targets)


def evaluate(
    model: Network, data: Samples, *, batch_size: int, outputs: Array | None = None
) -> Logs:
    """Loss and metrics over all of `data`, a batch at a time.

    Args:
        outputs: (N, …): the model's outputs are written there.
    """
    loss, means, penalty = model.loss, Means(), model.penalty()
    for start in range(0, len(data), batch_size):
        x, true, weight = data.take(slice(start, start + batch_size))
        targets = _targets(true)
        z = model.forward_logits(x)
        losses = loss.per_sample(z, targets)
        value = float(np.mean(losses if weight is None else losses * weight)) + penalty
        y = model.apply_head(z)
        if outputs is not None:
            outputs[start : start + len(x)] = y
        means.add({"loss": value} | _metrics(model, y, targets), len(x))
    return means.result()


def predict(model: Network, data: Samples, *, batch_size: int) -> Array:
    """The outputs (N, …) for all of `data`, a batch at a time."""
    outputs = _empty_outputs(model, data)
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
        """Start again."""
        self.totals, self.count = {}, 0

    def get_state(self) -> dict[str, object]:
        """For a checkpoint."""
        return {"totals": self.totals, "count": self.count}

    def set_state(self, saved: Mapping[str, object]) -> None:
        """Restore what get_state() returned; ValueError if it is something else."""
        totals = state_checks.table(saved, "totals")
        self.totals = {name: state_checks.number(totals, name) for name in totals}
        self.count = state_checks.whole(saved, "count", minimum=1 if totals else 0)


def _samples_in(steps: int, n: int, batch_size: int) -> int:
    """How many samples `steps` batches hold, from the beginning of a pass over n samples."""
    passes, rest = divmod(steps, -(-n // batch_size))
    return passes * n + min(rest * batch_size, n)


def _metrics(model: Network, outputs: Array, targets: Array) -> Logs:
    return {m.name: float(m.per_sample(outputs, targets).mean()) for m in model.metrics}


def _targets(y: Array | None) -> Array:
    if y is None:
        raise ValueError("training and evaluation need targets: pass y")
    return y


def _empty_outputs(model: Network, data: Samples) -> Array:
    return np.empty((len(data), *model.output_shape), model.dtype)
