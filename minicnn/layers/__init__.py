"""The layers; each file holds one kind."""

from __future__ import annotations

from ..registry import lookup
from .activation import Activation, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .dropout import Dropout
from .norm import BatchNorm
from .pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from .reshape import Flatten, Reshape
from .stages import ConvReLUPool, Prepared, Stage, fuse
from .weighted import Weighted, without_activation

__all__ = [
    "Activation",
    "AvgPool2D",
    "BatchNorm",
    "Conv2D",
    "ConvReLUPool",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "Prepared",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Stage",
    "Tanh",
    "Weighted",
    "fuse",
    "get",
    "without_activation",
]

TABLE: dict[str, type[Layer]] = {
    "avg_pool2d": AvgPool2D,
    "batch_norm": BatchNorm,
    "conv2d": Conv2D,
    "dense": Dense,
    "dropout": Dropout,
    "flatten": Flatten,
    "global_avg_pool2d": GlobalAvgPool2D,
    "leaky_relu": LeakyReLU,
    "max_pool2d": MaxPool2D,
    "relu": ReLU,
    "reshape": Reshape,
    "sigmoid": Sigmoid,
    "softmax": Softmax,
    "tanh": Tanh,
}


def get(layer: object) -> Layer:
    """A layer from a saved configuration, a name or an instance."""
    return lookup("layer", layer, TABLE, Layer)
