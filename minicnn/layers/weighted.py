"""What Conv2D and Dense share: weights, bias, activation, L2 penalty."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import initializers
from ..initializers import Initializer
from ..typing import Array, Shape
from . import activation as activations
from .activation import Activation
from .base import Layer


@dataclass(eq=False)
class Weighted(Layer):
    """activation(linear(x)), where linear has weights `w` and a bias `b`.

    A subclass overrides `weight_shape`, `linear` and `linear_backward`.
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
            self.nonlinearity = deepcopy(activation)  # one object may be given to several layers
        self.kernel_initializer = initializers.get(self.kernel_initializer)
        self.bias_initializer = initializers.get(self.bias_initializer)
        if not self.l2 >= 0:
            raise ValueError(f"expected l2 >= 0, received {self.l2!r}")

    def weight_shape(self) -> Shape:
        """The shape of w; its last axis is that of b."""
        raise TypeError(f"{type(self).__name__} has no weight_shape(): override it")

    def linear(self, x: Array, training: bool) -> Array:
        """What the weights do to x, before the activation."""
        raise TypeError(f"{type(self).__name__} has no linear(): override it")

    def linear_backward(self, dy: Array, need_dx: bool) -> tuple[Array | None, Array, Array]:
        """dx, dw, db of `linear`."""
        raise TypeError(f"{type(self).__name__} has no linear_backward(): override it")

    def add_params(self, rng: np.random.Generator | None, dtype: np.dtype[Any]) -> None:
        shape = self.weight_shape()
        w, b = initializers.get(self.kernel_initializer), initializers.get(self.bias_initializer)
        self.params["w"] = self.draw(w, shape, rng, dtype)
        if self.use_bias:
            self.params["b"] = self.draw(b, shape[-1:], rng, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        y = self.linear(x, training)
        return y if self.nonlinearity is None else self.nonlinearity.forward(y, training, out=y)

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        self.expect_forward()
        if self.nonlinearity is not None:
            dy = self.nonlinearity.backward(dy)
        return self.backward_from_linear(dy, need_dx)

    def prepare(self, batch: int, dtype: np.dtype[Any], relu: bool) -> Any:
        """`linear` (with relu: and the ReLU of it) prepared for a batch, or None where there is
        nothing to prepare; see kernels/prepared.py."""
        return None

    def backward_from_linear(self, dy: Array, need_dx: bool = True) -> Array | None:
        """backward, given the gradient by the linear part's output."""
        dx, dw, db = self.linear_backward(dy, need_dx)
        self.set_grads(dw, db)
        return dx

    def set_grads(self, dw: Array, db: Array) -> None:
        """Assign the gradients; adds the L2 gradient."""
        if self.l2:
            dw += dw.dtype.type(2 * self.l2) * self.params["w"]
        self.grads = {"w": dw, "b": db} if self.use_bias else {"w": dw}

    def penalty(self) -> float:
        """l2 · Σ w², as in Keras."""
        return self.l2 * float(np.sum(np.square(self.params["w"]))) if self.l2 else 0.0


class LinearPart(Layer):
    """A Weighted layer without its activation, sharing its parameters: for a loss on logits."""

    def __init__(self, layer: Weighted) -> None:
        super().__init__(name=layer.label)
        self.layer = layer
        self.input_shape, self.output_shape = layer.input_shape, layer.output_shape

    @property
    def parts(self) -> tuple[Layer, ...]:
        return (self.layer,)

    def forward(self, x: Array, training: bool = False) -> Array:
        return self.layer.linear(x, training)

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        return self.layer.backward_from_linear(dy, need_dx)
