"""A training run without a network: it calls the hooks as fit does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from minicnn.callbacks import Callback, State

Logs = Mapping[str, float]


class FakeModel:
    """Its one weight counts the batches it has seen."""

    def __init__(self) -> None:
        self.weights = [np.zeros(3), np.zeros((2, 2))]

    def get_weights(self) -> list[np.ndarray]:
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weights = [np.array(w) for w in weights]


@pytest.fixture
def new_state() -> Callable[..., State]:
    def make(epochs: int = 3, steps: int = 4) -> State:
        samples = 8 * steps - 3  # the last batch is smaller
        return State(FakeModel(), epochs, steps, 8, samples)  # type: ignore[arg-type]

    return make


@pytest.fixture
def drive(new_state: Callable[..., State]) -> Callable[..., State]:
    """drive(callbacks, [logs of each epoch], …): a run that stops as fit does."""

    def run(
        callbacks: Sequence[Callback],
        epochs: Sequence[Logs],
        *,
        steps: int = 4,
        losses: Mapping[tuple[int, int], float] | None = None,
        fail_at: tuple[int, int] | None = None,
        error: BaseException | None = None,
    ) -> State:
        state = new_state(epochs=len(epochs), steps=steps)
        model = state.model
        call(callbacks, "on_train_begin", state)
        try:
            for state.epoch, logs in enumerate(epochs):
                train = {k: v for k, v in logs.items() if not k.startswith("val_")}
                state.seen = 0
                call(callbacks, "on_epoch_begin", state)
                for state.step in range(steps):
                    state.seen = min((state.step + 1) * state.batch_size, state.num_samples)
                    if (state.epoch, state.step) == fail_at:
                        raise error or RuntimeError("the batch failed")
                    model.weights[0] += 1
                    state.resume.done = state.epoch, state.step + 1
                    state.logs = dict(train)
                    state.batch_logs = dict(train)
                    if losses and (state.epoch, state.step) in losses:
                        state.batch_logs["loss"] = losses[state.epoch, state.step]
                    call(callbacks, "on_batch_end", state)
                    if state.stop:
                        return state
                state.logs, state.resume.done = dict(logs), (state.epoch + 1, 0)
                call(callbacks, "on_epoch_end", state)
                if state.stop:
                    return state
        finally:
            call(callbacks, "on_train_end", state)
        return state

    return run


def call(callbacks: Sequence[Callback], hook: str, state: State) -> None:
    for callback in callbacks:
        getattr(callback, hook)(state)
