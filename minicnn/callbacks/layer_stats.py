"""LayerStats: statistics of every layer's weights, gradients and activations in each epoch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import state_checks
from ..atomic_file import atomic_path
from ..errors import RunWarning
from ..hooks import Callback, State
from ..layer_stats import stats_file
from ..layer_stats.network_stats import measure_layers
from ..layer_stats.problems import problems
from ..strict_json import from_json, to_json
from ..typing import Array
from .lines import WarnOnce
from .throttle import Throttle

MAX_SHARE = 0.01  # of a run's time, for measuring


class LayerStats(Callback):
    """Measures every layer at the end of each epoch, and warns, once a layer and kind, of problems:
    dead ReLUs, exploding or vanishing gradients, NaN or infinity.

    It measures weights, gradients (of the epoch's last batch, after clipping) and activations (the
    outputs for a fixed probe of images, in inference): mean, standard deviation, norm, minimum,
    maximum, zeros and a histogram; see array_stats.py. It changes neither weights nor generators.

    If measuring takes more than 1 % of the time, epochs are skipped, except the last one. (If a run
    stops within an epoch, the one before stays skipped.) Averaged weights (SwapEMA) are measured as
    averaged.

    Args:
        path: a .json file (see stats_file.py, and read_layer_stats), written at the end, and now
            and then during training. If it can't be written, one RunWarning is issued and training
            continues. None: the numbers are only kept in memory.
        probe: how many validation samples to take, evenly spaced (without validation data no
            activations are measured); or the samples themselves (n, *input_shape).

    Attributes:
        epochs: the measurements, as "epochs" in the file.

    Raises:
        ValueError: another suffix, or an empty probe; at the start of training, a probe whose
            shape does not fit the model.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, probe: int | Array = 32) -> None:
        self.path = None if path is None else Path(path)
        if self.path is not None and self.path.suffix != ".json":
            raise ValueError(f"LayerStats: expected a path that ends in .json, received {path}")
        count = probe if isinstance(probe, int) else len(probe)
        if count < 1:
            raise ValueError(f"LayerStats: expected a probe of >= 1 images, received {count}")
        self.probe = probe
        self._throttle, self._warning = Throttle(0, MAX_SHARE), WarnOnce("LayerStats")
        self._writing = Throttle()
        self._reset()

    def _reset(self) -> None:
        self.epochs: list[stats_file.Epoch] = []
        self._texts: list[str] = []  # the same as JSON
        self._warned: set[tuple[int, str]] = set()
        self._images: Array | None = None
        self._skipped: int | None = None

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._warning.begin()
        self._images = self._find_images(state)
        self._throttle.begin()
        self._writing.begin()

    def get_state(self) -> dict[str, object]:
        warned = [[index, kind] for index, kind in sorted(self._warned)]
        return {"epochs": _to_bytes(self._texts), "told": warned}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self._texts = _from_bytes(saved["epochs"])
        self.epochs = [from_json(text) for text in self._texts]
        self._warned = {(int(index), str(kind)) for index, kind in state_checks.rows(saved, "told")}

    def on_epoch_end(self, state: State) -> None:
        last = state.stop or state.epoch + 1 == state.epochs
        if last or self._throttle.due():
            with self._throttle.working():
                self._measure(state)
        else:
            self._skipped = state.epoch

    def on_train_end(self, state: State) -> None:
        if self._skipped == state.epoch and not state.resume.failed and not state.resume.done[1]:
            self._measure(state)  # a later callback ended the run
        self._write(state)

    def _measure(self, state: State) -> None:
        self._skipped = None
        layers = measure_layers(state.model, self._images)
        self.epochs.append({"epoch": state.epoch + 1, "layers": layers})
        self._texts.append(to_json(self.epochs[-1]))
        for index, kind, text in problems(layers):
            if (index, kind) not in self._warned:
                self._warned.add((index, kind))
                label = f"layer {index} ({state.model.layers[index].label})"
                message = f"LayerStats: epoch {state.epoch + 1}: {label}: {text}"
                warnings.warn(message, RunWarning, stacklevel=2)
        if self._writing.due():
            self._write(state)

    def _write(self, state: State) -> None:
        if self.path is None or not self._texts:
            return
        probe = 0 if self._images is None else len(self._images)
        with self._writing.working(), self._warning.instead_of_error(self.path):
            text = stats_file.to_text(state.model.layers, probe, self._texts)
            with atomic_path(self.path) as temporary:
                temporary.write_text(text, encoding="utf-8")

    def _find_images(self, state: State) -> Array | None:
        model = state.model
        if isinstance(self.probe, int):
            if state.drawing.validation is None:
                return None
            count = len(state.drawing.validation)
            rows = np.linspace(0, count - 1, min(self.probe, count)).astype(np.intp)
            return state.drawing.validation.take(rows)[0]
        images = np.ascontiguousarray(self.probe, dtype=model.dtype)
        if images.shape[1:] != model.input_shape:
            raise ValueError(
                f"LayerStats: expected a probe (n, *{model.input_shape}), received {images.shape}"
            )
        return images


def _to_bytes(texts: list[str]) -> Array:
    """Lines as bytes: a checkpoint stores arrays outside its header, whose size is limited."""
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _from_bytes(saved: object) -> list[str]:
    if not isinstance(saved, np.ndarray) or saved.dtype != np.uint8:
        raise ValueError(f"expected epochs as bytes, received {state_checks.shown(saved)}")
    return saved.tobytes().decode().splitlines()
