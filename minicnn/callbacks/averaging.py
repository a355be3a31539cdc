"""SwapEMA: averaged weights, which are measured, saved and kept in place of the last ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import state_checks
from ..hooks import Callback, State
from ..typing import Array


class SwapEMA(Callback):
    """Keeps an exponential moving average of the weights, and puts it into the model for
    validation, for all that callbacks do at an epoch's end, and for good when training ends.

    After each batch t = 1, 2, …, for every parameter and state array w of the model (the moving
    statistics of BatchNorm are averaged alike, so that they fit the averaged weights):

        ema ← ema + (1 - d)·(w - ema),  d = min(decay, (1 + t) / (10 + t))

    The first batch's weights are where ema begins. The ramp of d lets it look back over about a
    tenth of the batches so far at first, and at 1 / (1 - decay) of them later: in short runs, too,
    it has forgotten the first, poor weights, with which Adam's bias correction would still weigh
    it down.

    Training itself goes on with its own weights, which come back when the next epoch begins: they
    are, to the bit, those of a run without averaging. Training can be resumed to the bit, too.

    Put it before EarlyStopping in the list, whose best weights are then averaged ones, and are
    what the model keeps. It costs three passes over the weights a batch.

    Source: Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992); the
    ramp is that of TensorFlow's ExponentialMovingAverage (`num_updates`). Keras has it as
    SwapEMAWeights, without a ramp.

    Args:
        decay: in [0, 1); with 0.999 it averages over about the last thousand batches of a
            long run.

    Raises:
        ValueError: another decay.
    """

    is_needed = True  # else training would go on with the averaged weights

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"SwapEMA: expected 0 <= decay < 1, received {decay!r}")
        self.decay = decay
        self._forget()

    def _forget(self) -> None:
        self._t = 0
        self._ema: dict[str, Array] = {}
        self._training: dict[str, Array] | None = None
        """The weights of training, while the model has the averaged ones."""
        self._room: dict[str, Array] = {}
        self._expected: dict[str, Array] = {}  # the model's weights, for set_state

    def on_train_begin(self, state: State) -> None:
        self._forget()
        self._expected = _weights(state)

    def get_state(self) -> dict[str, Any]:
        return {"t": self._t, "ema": self._ema, "training": self._training}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self._ema = self._like_weights(saved, "ema") if saved["ema"] else {}
        self._training = None
        if saved["training"] is not None:
            self._training = self._like_weights(saved, "training")
        self._t = state_checks.whole(saved, "t")

    def _like_weights(self, saved: Mapping[str, Any], name: str) -> dict[str, Array]:
        """The arrays under `name`, copied, if there is one of its shape for each weight."""
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
        if state.done[1] < state.steps:  # else a run is resumed between last batch and validation
            self._put_training_weights_back(state)

    def on_batch_end(self, state: State) -> None:
        self._follow(_weights(state))
        if state.step + 1 == state.steps:
            self._put_average_in(state)

    def on_train_end(self, state: State) -> None:
        if self._t:
            self._put_average_in(state)
        self._training = None

    def _follow(self, weights: Mapping[str, Array]) -> None:
        self._t += 1
        if not self._ema:
            self._ema = {name: np.zeros_like(w) for name, w in weights.items()}
        if not self._room:
            self._room = {name: np.empty_like(w) for name, w in weights.items()}
        decay = min(self.decay, (1 + self._t) / (10 + self._t)) if self._t > 1 else 0.0
        for name, w in weights.items():
            ema, change = self._ema[name], self._room[name]
            np.subtract(w, ema, out=change)
            change *= ema.dtype.type(1 - decay)
            ema += change

    def _put_average_in(self, state: State) -> None:
        if self._training is not None:
            return  # it is there
        weights = _weights(state)
        self._training = _copies(weights)
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


def _copies(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}
