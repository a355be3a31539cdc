"""Statistics of every layer of a network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..kernels import use_backend
from ..layers import Layer, ReLU
from ..network import Network
from ..strict_json import number
from ..typing import Array
from .array_stats import DIGITS, dead_share, measure
from .stats_file import LayerStatistics


def measure_layers(network: Network, images: Array | None) -> list[LayerStatistics]:
    """A row for each layer, as stats_file.py describes them; without images, no activations."""
    found: list[LayerStatistics] = [
        {
            "weights": {name: measure(w) for name, w in layer.params.items()},
            "gradients": {n: measure(layer.grads[n]) for n in layer.params if n in layer.grads},
            "activations": None,
            "dead": None,
        }
        for layer in network.layers
    ]
    if images is not None:
        for row, layer, y in zip(found, network.layers, _outputs(network, images), strict=True):
            row["activations"] = measure(y)
            if _ends_in_relu(layer):
                row["dead"] = number(dead_share(y), DIGITS)
    return found


def _outputs(network: Network, images: Array) -> Iterator[Array]:
    """The outputs of each layer in inference, which changes neither layers nor generators."""
    x = images
    # With Numba, single layers and a few images would need kernels that training never compiles.
    # Diverged networks are measured too, so warnings of NaN are off.
    with use_backend("numpy"), np.errstate(all="ignore"):
        for layer in network.layers:
            x = layer.forward(x)
            yield x


def _ends_in_relu(layer: Layer) -> bool:
    return type(getattr(layer, "nonlinearity", None) or layer) is ReLU
