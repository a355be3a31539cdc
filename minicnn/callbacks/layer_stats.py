"""LayerStats: weights, gradients and activations of every layer, epoch by epoch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import state_checks
from ..atomic_file import atomic_path
from ..errors import RunWarning
from ..hooks import Callback, State
from ..kernels import use_backend
from ..layer_stats import stats_file
from ..layer_stats.array_stats import DIGITS, dead_share, measure
from ..strict_json import from_json, number, to_json
from ..typing import Array
from .health import findings
from .lines import Complaint
from .pace import Pace

MOST_TIME = 0.01  # of a run


class LayerStats(Callback):
    """Measures every layer at the end of each epoch, and warns, once a layer and kind, of what
    looks ill: dead ReLUs, gradients that explode or vanish, numbers that are not finite.

    Of weights, gradients (of the epoch's last batch, as the optimizer left them) and activations
    (the outputs for a fixed probe of images, in inference): mean, spread, norm, extremes, zeros and
    a histogram; see measures.py. It changes nothing: neither weights nor any generator.

    Where measuring takes more than 1 % of the time, epochs are left out, but not the last one; if a
    run is stopped within an epoch, the one before may be: the weights have moved since.
    Averaged weights (SwapEMA) are measured as averaged.

    Args:
        path: a .json file (see stats_file.py, and read_layer_stats), written at the end and, at a
            pace, in between. If it can't be written, a RunWarning says so once and training goes
            on. None: the numbers are kept in memory alone.
        probe: how many validation samples to take, spread evenly over them (without validation
            data no activations are measured); or the samples themselves (n, *input_shape).

    Attributes:
        epochs: what was measured, as "epochs" in the file.

    Raises:
        ValueError: another suffix, or no probe; at the start of training, a probe of a shape that
            does not fit the model.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, probe: int | Array = 32) -> None:
        self.path = None if path is None else Path(path)
        if self.path is not None and self.path.suffix != ".json":
            raise ValueError(f"LayerStats: expected a path that ends in .json, received {path}")
        count = probe if isinstance(probe, int) else len(probe)
        if count < 1:
            raise ValueError(f"LayerStats: expected a probe of >= 1 images, received {count}")
        self.probe = probe
        self._pace, self._complaint = Pace(0, MOST_TIME), Complaint("LayerStats")
        self._writing = Pace()
        self._forget()

    def _forget(self) -> None:
        self.epochs: list[dict[str, Any]] = []
        self._texts: list[str] = []  # the same as JSON
        self._told: set[tuple[int, str]] = set()
        self._images: Array | None = None
        self._skipped: int | None = None

    def on_train_begin(self, state: State) -> None:
        self._forget()
        self._complaint.begin()
        self._images = self._find_images(state)
        self._pace.begin()
        self._writing.begin()

    def get_state(self) -> dict[str, Any]:
        told = [[index, kind] for index, kind in sorted(self._told)]
        return {"epochs": _packed(self._texts), "told": told}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self._texts = _unpacked(saved["epochs"])
        self.epochs = [from_json(text) for text in self._texts]
        self._told = {(int(index), str(kind)) for index, kind in state_checks.rows(saved, "told")}

    def on_epoch_end(self, state: State) -> None:
        last = state.stop or state.epoch + 1 == state.epochs
        if last or self._pace.due():
            with self._pace.working():
                self._measure(state)
        else:
            self._skipped = state.epoch

    def on_train_end(self, state: State) -> None:
        if self._skipped == state.epoch and not state.failed and not state.done[1]:
            self._measure(state)  # another callback has made it the last epoch
        self._write(state)

    def _measure(self, state: State) -> None:
        self._skipped = None
        layers = measure_layers(state, self._images)
        self.epochs.append({"epoch": state.epoch + 1, "layers": layers})
        self._texts.append(to_json(self.epochs[-1]))
        for index, kind, text in findings(layers):
            if (index, kind) not in self._told:
                self._told.add((index, kind))
                label = f"layer {index} ({state.model.layers[index].label})"
                message = f"LayerStats: epoch {state.epoch + 1}: {label}: {text}"
                warnings.warn(message, RunWarning, stacklevel=2)
        if self._writing.due():
            self._write(state)

    def _write(self, state: State) -> None:
        if self.path is None or not self._texts:
            return
        layers = [
            {
                "name": layer.label,
                "kind": type(layer).__name__,
                "output_shape": list(layer.output_shape),
            }
            for layer in state.model.layers
        ]
        probe = 0 if self._images is None else len(self._images)
        with self._writing.working(), self._complaint.instead_of_error(self.path):
            text = stats_file.to_text(layers, probe, self._texts)
            with atomic_path(self.path) as temporary:
                temporary.write_text(text, encoding="utf-8")

    def _find_images(self, state: State) -> Array | None:
        model = state.model
        if isinstance(self.probe, int):
            if state.validation is None:
                return None
            count = len(state.validation)
            rows = np.linspace(0, count - 1, min(self.probe, count)).astype(np.intp)
            return state.validation.take(rows)[0]
        images = np.ascontiguousarray(self.probe, dtype=model.dtype)
        if images.shape[1:] != model.input_shape:
            raise ValueError(
                f"LayerStats: expected a probe (n, *{model.input_shape}), received {images.shape}"
            )
        return images


def measure_layers(state: State, images: Array | None) -> list[dict[str, Any]]:
    """What is measured of each layer, as strict JSON can hold it (see stats_file.py)."""
    found: list[dict[str, Any]] = []
    for layer in state.model.layers:
        grads = {name: layer.grads[name] for name in layer.params if name in layer.grads}
        found.append(
            {
                "weights": {name: measure(w) for name, w in layer.params.items()},
                "gradients": {name: measure(g) for name, g in grads.items()},
                "activations": None,
                "dead": None,
            }
        )
    if images is not None:
        for index, y in enumerate(_outputs(state, images)):
            found[index]["activations"] = measure(y)
            if _ends_in_relu(state.model.layers[index]):
                found[index]["dead"] = number(dead_share(y), DIGITS)
    return found


def _outputs(state: State, images: Array) -> Iterator[Array]:
    """The outputs of each layer in inference: nothing is kept for a backward, no moving statistics
    follow, and dropout draws nothing."""
    x = images
    # Layer by layer and a few images at a time Numba would have to compile kernels that training
    # never needs; and a network that has gone wrong is still to be measured.
    with use_backend("numpy"), np.errstate(all="ignore"):
        for layer in state.model.layers:
            x = layer.forward(x)
            yield x


def _packed(texts: list[str]) -> Array:
    """Lines of text as bytes: a checkpoint keeps an array beside its head, which may not grow."""
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _unpacked(packed: Any) -> list[str]:
    """The lines again; ValueError if it is something else."""
    if not isinstance(packed, np.ndarray) or packed.dtype != np.uint8:
        raise ValueError(f"expected epochs as bytes, received {state_checks.shown(packed)}")
    return packed.tobytes().decode().splitlines()


def _ends_in_relu(layer: Any) -> bool:
    return type(getattr(layer, "nonlinearity", None) or layer).__name__ == "ReLU"
