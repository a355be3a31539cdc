"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .. import kernels
from ..kernels import prepared
from ..kernels.prepared import Operation
from ..state_checks import whole_number
from ..typing import Array, FloatDType, Shape
from .weighted import Weighted


@dataclass(eq=False)
class Dense(Weighted):
    """y = activation(x · w + b).

    Args:
        units: U, how many numbers come out.
        activation, use_bias, kernel_initializer, bias_initializer, l2: as in Conv2D.

    Shapes: (D,) → (U,); params w (D, U) and b (U,).
    """

    units: int

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("units", self.units)

    def infer(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(
                f"{self.label}: expected one axis (features), received {input_shape}; "
                "put a Flatten() before it"
            )
        return (self.units,)

    def weight_shape(self) -> Shape:
        return self.input_shape[0], self.units

    def forward(self, x: Array, training: bool = False) -> Array:
        """z = x · w + b; y = activation(z)."""
        z = kernels.dense(x, self.params["w"], self.params.get("b"))
        self.keep(training, x)
        return z if self.nonlinearity is None else self.nonlinearity.forward(z, training, out=z)

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        """dz = activation'(z) · dy; dx = dz · wᵀ, dw = xᵀ · dz, db = Σ_n dz."""
        (x,) = self.kept()
        dz = dy if self.nonlinearity is None else self.nonlinearity.backward(dy)
        dx, dw, db = kernels.dense_backward(dz, x, self.params["w"], need_dx=need_dx)
        self.assign_grads(w=dw, b=db)
        return dx

    def prepare(self, batch: int, dtype: FloatDType, relu: bool) -> Operation | None:
        shape = (batch, *self.input_shape)
        return prepared.dense(shape, self.weight_shape(), dtype, relu=relu)

    def flops(self) -> int:
        return 2 * prod(self.weight_shape())
