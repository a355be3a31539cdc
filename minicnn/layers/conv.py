"""The convolution layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TypedDict

from .. import kernels
from ..kernels import prepared
from ..kernels.prepared import Operation
from ..kernels.window import IntOrPair, Padding, Window, make_window, pair
from ..state_checks import whole_number
from ..typing import Array, FloatDType, Shape
from .base import expect_image
from .weighted import Weighted


class Geometry(TypedDict):
    """How the window moves, as the kernels take it."""

    stride: IntOrPair
    padding: Padding
    dilation: IntOrPair


@dataclass(eq=False)
class Conv2D(Weighted):
    """y = activation(conv2d(x, w) + b).

    Args:
        filters: F, the number of output channels.
        kernel_size, strides, dilation_rate: pixels, an int or a pair (vertical, horizontal).
        padding: "valid", "same", an int, or ((top, bottom), (left, right)).
        activation: a name, a layer or None.
        use_bias: whether there is a b.
        kernel_initializer, bias_initializer: names or initializers.
        l2: adds l2 · Σ w² to the loss.

    Shapes: (H, W, C) → (OH, OW, F); params w (KH, KW, C, F) and b (F,).
    """

    filters: int
    kernel_size: IntOrPair
    strides: IntOrPair = 1
    padding: Padding = "valid"
    dilation_rate: IntOrPair = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("filters", self.filters)
        self.kernel_size = pair("kernel_size", self.kernel_size)
        self.strides = pair("strides", self.strides)
        self.dilation_rate = pair("dilation_rate", self.dilation_rate)

    def infer(self, input_shape: Shape) -> Shape:
        H, W, _ = expect_image(self, input_shape)
        try:
            win = self.window(H, W)
        except ValueError as error:
            raise ValueError(f"{self.label}: {error}") from None
        return win.OH, win.OW, self.filters

    def window(self, H: int, W: int) -> Window:
        """The window over an image of H×W pixels."""
        return make_window(H, W, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def weight_shape(self) -> Shape:
        assert isinstance(self.kernel_size, tuple)
        return (*self.kernel_size, self.input_shape[2], self.filters)

    @property
    def geometry(self) -> Geometry:
        """How the window moves, as the kernels take it."""
        return {"stride": self.strides, "padding": self.padding, "dilation": self.dilation_rate}

    def forward(self, x: Array, training: bool = False) -> Array:
        """z[n, oh, ow, f] = b[f] + Σ_ijc x[n, oh·SH + i·DH, ow·SW + j·DW, c] · w[i, j, c, f] of
        the padded x; y = activation(z)."""
        z = kernels.conv2d(x, self.params["w"], self.params.get("b"), **self.geometry)
        self.keep(training, x)
        return z if self.nonlinearity is None else self.nonlinearity.forward(z, training, out=z)

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        """dz = activation'(z) · dy. Each product x·w of the forward sum adds dz·w to the dx of its
        x and dz·x to the dw of its w; db = Σ dz."""
        (x,) = self.kept()
        dz = dy if self.nonlinearity is None else self.nonlinearity.backward(dy)
        dx, dw, db = kernels.conv2d_backward(
            dz, x, self.params["w"], **self.geometry, need_dx=need_dx
        )
        self.assign_grads(w=dw, b=db)
        return dx

    def prepare(self, batch: int, dtype: FloatDType, relu: bool) -> Operation | None:
        shape = (batch, *self.input_shape)
        return prepared.conv2d(shape, self.weight_shape(), dtype, **self.geometry, relu=relu)

    def flops(self) -> int:
        return 2 * self.patch_size() * self.filters

    def patch_size(self) -> int:
        return prod(self.output_shape[:2]) * prod(self.weight_shape()[:3])
