"""One number through a function: an activation, a batch normalization, a softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...layers import Activation, BatchNorm, LeakyReLU
from ...typing import Array
from ..layer_copies import Affine


@dataclass(frozen=True)
class Function:
    """y = f(x) of one number, and dx = f'(x) · dy."""

    name: str  # "relu", "leaky_relu", "sigmoid", "tanh", "batch_norm"
    numbers: dict[str, float]  # its constants by name
    x: float
    y: float
    slope: float  # f'(x) as the layer defines it: 0 at the kink of ReLU
    dy: float
    dx: float


@dataclass(frozen=True)
class Probabilities:
    """p = e^z / Σ e^z over the classes (the largest z is subtracted first)."""

    z: Array  # (K,)
    exponentials: Array  # (K,): e^(z - max z)
    total: float
    p: Array  # (K,)
    dz: Array  # (K,); at the end of the network, with cross-entropy: p - onehot(target)


NAMES = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}


def activation(layer: Activation, x: Array, y: Array, dy: Array, dx: Array) -> Function | None:
    """A number x of an activation's input, all arrays (). None if the output depends on other
    numbers too (softmax), or if the class is not one of minicnn's."""
    name = NAMES.get(type(layer).__name__)
    if name is None:
        return None
    numbers = {"slope": layer.slope} if isinstance(layer, LeakyReLU) else {}
    slope = layer.df(np.ones((), y.dtype), y)
    return Function(name, numbers, float(x), float(y), float(slope), float(dy), float(dx))


def normalization(
    layer: BatchNorm, channel: int, x: Array, y: Array, dy: Array, dx: Array
) -> Function:
    """A number x of a BatchNorm's input, in channel `channel`."""
    numbers = {
        "gamma": float(layer.params["gamma"][channel]),
        "beta": float(layer.params["beta"][channel]),
        "mean": float(layer.state["moving_mean"][channel]),
        "variance": float(layer.state["moving_variance"][channel]),
        "epsilon": layer.epsilon,
    }
    slope = float(Affine(layer).slope[channel])
    return Function("batch_norm", numbers, float(x), float(y), slope, float(dy), float(dx))


def probabilities(z: Array, p: Array, dz: Array) -> Probabilities:
    """The softmax of z (K,), as the layer `Softmax` computes it."""
    exponentials = np.exp(z.astype(np.float64) - z.max())
    return Probabilities(z, exponentials, float(exponentials.sum()), p, dz)
