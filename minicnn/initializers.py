"""Initial weights. Each initializer is called with (shape, rng, dtype) and returns an array.

For weights (KH, KW, C, F): fan_in = KH*KW*C is the number of inputs of one output, fan_out =
KH*KW*F the number of outputs of one input. For a dense layer, KH*KW is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

from .registry import lookup
from .typing import Array, DType, Shape


class Initializer:
    """Base: a function of (shape, rng, dtype)."""

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DType = "float32") -> Array:
        """A new array of `shape`. Random numbers are drawn in float64: all dtypes get the same."""
        return np.asarray(self.draw(shape, rng), dtype=dtype)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        """The float64 values."""
        raise TypeError(f"{type(self).__name__} has no values: override draw()")


@dataclass
class Zeros(Initializer):
    """All 0: the default for biases."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.zeros(shape)


@dataclass
class Ones(Initializer):
    """All 1: the default for the scale of BatchNorm."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.ones(shape)


@dataclass
class GlorotUniform(Initializer):
    """Uniform in ±√(6 / (fan_in + fan_out)): keeps the variance in both passes.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), equation 16.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        limit = sqrt(6 / sum(fans(shape)))
        return rng.uniform(-limit, limit, shape)


@dataclass
class GlorotNormal(Initializer):
    """Normal with variance 2 / (fan_in + fan_out). Source: see GlorotUniform; equation 12."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.normal(0, sqrt(2 / sum(fans(shape))), shape)


@dataclass
class LecunNormal(Initializer):
    """Normal with variance 1 / fan_in: outputs have the variance of the inputs.

    Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.6. In
    TensorFlow.js, "varianceScaling" is the same with a truncated normal distribution.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.normal(0, sqrt(1 / fans(shape)[0]), shape)


@dataclass
class HeUniform(Initializer):
    """Uniform in ±√(6 / fan_in): variance 2 / fan_in, like HeNormal."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        limit = sqrt(6 / fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


@dataclass
class HeNormal(Initializer):
    """Normal with variance 2 / fan_in: compensates for ReLU, which sets half of its inputs to 0.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015), section 2.2, equation 10.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.normal(0, sqrt(2 / fans(shape)[0]), shape)


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of weights (…, in, out); for a vector, its length twice.

    Raises:
        ValueError: no axes.
    """
    if not shape:
        raise ValueError("expected a shape with at least one axis, received ()")
    if len(shape) == 1:
        return shape[0], shape[0]
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


TABLE: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "lecun_normal": LecunNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
}


def get(initializer: object) -> Initializer:
    """An initializer from a name, a saved configuration or an instance."""
    return lookup("initializer", initializer, TABLE, Initializer)
