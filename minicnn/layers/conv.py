"""The convolution layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import prepared
from ..kernels.window import IntOrPair, Padding, Window, make_window, pair, whole
from ..typing import Array, Shape
from .base import expect_image
from .weighted import Weighted


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
        whole("filters", self.filters)
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
    def geometry(self) -> dict[str, Any]:
        """The window, as the kernels take it."""
        return {"stride": self.strides, "padding": self.padding, "dilation": self.dilation_rate}

    def linear(self, x: Array, training: bool) -> Array:
        self.keep(training, x)
        return kernels.conv2d(x, self.params["w"], self.params.get("b"), **self.geometry)

    def linear_backward(self, dy: Array, need_dx: bool) -> tuple[Array | None, Array, Array]:
        (x,) = self.kept()
        return kernels.conv2d_backward(dy, x, self.params["w"], **self.geometry, need_dx=need_dx)

    def prepare(self, batch: int, dtype: np.dtype[Any], relu: bool) -> Any:
        shape = (batch, *self.input_shape)
        return prepared.conv2d(shape, self.weight_shape(), dtype, **self.geometry, relu=relu)

    def flops(self) -> int:
        return 2 * self.patch_size() * self.filters

    def patch_size(self) -> int:
        return prod(self.output_shape[:2]) * prod(self.weight_shape()[:3])
