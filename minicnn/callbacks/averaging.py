"""SwapEMA: averaged weights, which are validated, saved and kept instead of the last ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import state_checks
from ..hooks import Callback, State
from ..typing import Array


class SwapEMA(Callback):
    """Keeps an exponential moving average of the weights. The model has it during validation and
    the callbacks' work at an epoch's end, and after training.

    After each batch t = 1, 2, …, for every parameter and state array w of the model (with the
    moving statistics of BatchNorm, which must fit the averaged weights):

        ema ← ema + (1 - d)·(w - ema),  d = min(decay, (1 + t) / (10 + t))

    ema starts with the first batch's weights. Because of the ramp of d it averages over about a
    tenth of the batches so far at first, and over 1 / (1 - decay) batches later: even in a short
    run, the first, poor weights have little influence.

    Training continues with its own weights, which are put back before the next epoch: they are, to
    the bit, those of a run without averaging.

    Put it before EarlyStopping in the list: the best weights, which the model keeps, are then
    averaged ones. It costs three passes over the weights a batch.

    Source: Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992); the
    ramp is that of TensorFlow's ExponentialMovingAverage (`num_updates`). Keras has it as
    SwapEMAWeights, without a ramp.

    Args:
        decay: in [0, 1); 0.999 averages over about the last thousand batches of a long run.

    Raises:
        ValueError: another decay.
    """

    is_needed = True  # without it, training would continue with the averaged weights

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"SwapEMA: expected 0 <= decay < 1, received {decay!r}")
        self.decay = decay
        self._reset()

    def _reset(self) -> None:
        self._t = 0
        self._ema: dict[str, Array] = {}
        self._training: dict[str, Array] | None = None
        """The training weights, while the model has the averaged ones."""
        self._buffers: dict[str, Array] = {}
        self._expected: dict[str, Array] = {}  # the model's weights, for set_state

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._expected = _weights(state)

    def get_state(self) -> dict[str, object]:
        return {"t": self._t, "ema": self._ema, "training": self._training}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self._ema = self._like_weights(saved, "ema") if saved["ema"] else {}
        self._training = None
        if saved["training"] is not None:
            self._training = self._like_weights(saved, "training")
        self._t = state_checks.whole(saved, "t")

    def _like_weights(self, saved: Mapping[str, object], name: str) -> dict[str, Array]:
        """Copies of the saved arrays under `name`; ValueError if they don't fit the weights."""
        arrays = state_checks.table(saved, name)
        if arrays.keys() != self._expected.keys():
            raise ValueError(
                f"{name}: expected {', '.join(self._expected)}, received {', '.join(arrays)}"
            )
        return {
            key: state_checks.like(arrays[key], w, f"{name}.{key}").copy()
            for key, w in self._expected.items()
        }

    def on_epoch_begin(self, state: State) -> None:
        # An epoch that is resumed after its last batch is validated with the average.
        if state.resume.done[1] < state.steps:
            self._put_training_weights_back(state)

    def on_batch_end(self, state: State) -> None:
        self._update(_weights(state))
        if state.step + 1 == state.steps:
            self._put_average_in(state)

    def on_train_end(self, state: State) -> None:
        if self._t:
            self._put_average_in(state)
        self._training = None

    def _update(self, weights: Mapping[str, Array]) -> None:
        self._t += 1
        if not self._ema:
            self._ema = {name: np.zeros_like(w) for name, w in weights.items()}
        if not self._buffers:
            self._buffers = {name: np.empty_like(w) for name, w in weights.items()}
        decay = min(self.decay, (1 + self._t) / (10 + self._t)) if self._t > 1 else 0.0
        for name, w in weights.items():
            ema, change = self._ema[name], self._buffers[name]
            np.subtract(w, ema, out=change)
            change *= ema.dtype.type(1 - decay)
            ema += change

    def _put_average_in(self, state: State) -> None:
        if self._training is not None:
            return  # the model has it already
        weights = _weights(state)
        self._training = {name: w.copy() for name, w in weights.items()}
        for name, w in weights.items():
            w[...] = self._ema[name]

    def _put_training_weights_back(self, state: State) -> None:
        if self._training is None:
            return
        for name, w in _weights(state).items():
            w[...] = self._training[name]
        self._training = None


def _weights(state: State) -> dict[str, Array]:
    """Every parameter and state array of the model, by name; not copied."""
    return {name: held[key] for name, (held, key) in state.model.tensors().items()}
