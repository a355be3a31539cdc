"""How weights begin. Each initializer is called with (shape, rng, dtype) and returns an array.

Fans, for weights (…, C, F): fan_in = taps*C is how many numbers meet in one output, fan_out =
taps*F how many outputs one input reaches (taps = KH*KW; 1 for a dense layer).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np

from .registry import lookup
from .typing import Array, DType, Shape


class Initializer:
    """Base: a function of (shape, rng, dtype)."""

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: DType = "float32") -> Array:
        """A new array of `shape`; random ones are drawn in float64, so that dtypes agree."""
        return np.asarray(self.draw(shape, rng), dtype=dtype)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        """The float64 values."""
        raise TypeError(f"{type(self).__name__} does not say what it draws: override draw()")


@dataclass
class Zeros(Initializer):
    """All 0: the usual start of biases."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.zeros(shape)


@dataclass
class Ones(Initializer):
    """All 1: the usual start of BatchNorm's scale."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.ones(shape)


@dataclass
class GlorotUniform(Initializer):
    """Uniform in ±√(6 / (fan_in + fan_out)): keeps variance alike forward and backward.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), equation 16.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        limit = sqrt(6 / sum(fans(shape)))
        return rng.uniform(-limit, limit, shape)


@dataclass
class GlorotNormal(Initializer):
    """Normal with variance 2 / (fan_in + fan_out). Source: as GlorotUniform, equation 12."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.normal(0, sqrt(2 / sum(fans(shape))), shape)


@dataclass
class LecunNormal(Initializer):
    """Normal with variance 1 / fan_in: what comes out varies as much as what went in.

    Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.6. TensorFlow.js's
    "varianceScaling" is this one, but for cutting off the normal's tails.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.normal(0, sqrt(1 / fans(shape)[0]), shape)


@dataclass
class HeUniform(Initializer):
    """Uniform in ±√(6 / fan_in): variance 2 / fan_in, as HeNormal."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        limit = sqrt(6 / fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


@dataclass
class HeNormal(Initializer):
    """Normal with variance 2 / fan_in: makes up for the half that ReLU cuts off.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015), section 2.2, equation 10.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.normal(0, sqrt(2 / fans(shape)[0]), shape)


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of weights (…, in, out); a vector counts as both.

    Raises:
        ValueError: no axes.
    """
    if not shape:
        raise ValueError("expected a shape with at least one axis, received ()")
    if len(shape) == 1:
        return shape[0], shape[0]
    taps = prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]


TABLE: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "lecun_normal": LecunNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
}


def get(initializer: Any) -> Initializer:
    """An initializer from a name, a saved configuration or an instance."""
    return lookup("initializer", initializer, TABLE, Initializer)
