"""What Conv2D and Dense share: the arguments that describe weights, bias and activation."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass, field

import numpy as np

from .. import initializers
from ..initializers import Initializer
from ..kernels.prepared import Operation
from ..typing import FloatDType, Shape
from . import activation as activations
from .activation import Activation
from .base import Layer


@dataclass(eq=False)
class Weighted(Layer):
    """Base of layers with weights `w` and a bias `b`: y = activation(z), z linear in x and w.

    A subclass overrides `weight_shape`, `forward` and `backward`.
    """

    activation: Activation | str | None = field(default=None, kw_only=True)
    use_bias: bool = field(default=True, kw_only=True)
    kernel_initializer: Initializer | str = field(default="glorot_uniform", kw_only=True)
    bias_initializer: Initializer | str = field(default="zeros", kw_only=True)
    l2: float = field(default=0.0, kw_only=True)

    nonlinearity: Activation | None = field(default=None, init=False, repr=False)
    """The activation as a layer."""

    def __post_init__(self) -> None:
        self.activation = activation = activations.get(self.activation)
        if activation is not None:
            self.nonlinearity = deepcopy(activation)  # several layers may be given one object
        self.kernel_initializer = initializers.get(self.kernel_initializer)
        self.bias_initializer = initializers.get(self.bias_initializer)
        if not self.l2 >= 0:
            raise ValueError(f"expected l2 >= 0, received {self.l2!r}")

    def weight_shape(self) -> Shape:
        """The shape of w; its last axis is that of b."""
        raise TypeError(f"{type(self).__name__} has no weight_shape(): override it")

    def add_params(self, rng: np.random.Generator | None, dtype: FloatDType) -> None:
        shape = self.weight_shape()
        w, b = initializers.get(self.kernel_initializer), initializers.get(self.bias_initializer)
        self.params["w"] = self.draw(w, shape, rng, dtype)
        if self.use_bias:
            self.params["b"] = self.draw(b, shape[-1:], rng, dtype)

    def prepare(self, batch: int, dtype: FloatDType, relu: bool) -> Operation | None:
        """z (with relu: max(z, 0)) as an operation prepared for a batch, or None if this backend
        prepares nothing; see kernels/prepared.py."""
        return None


def without_activation(layer: Weighted) -> Weighted:
    """A copy of `layer` that gives z instead of activation(z); it shares params and grads."""
    linear = copy(layer)
    linear.activation = linear.nonlinearity = None
    return linear
