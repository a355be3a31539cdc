"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..typing import Array, DType, Shape
from .base import Layer


@dataclass(eq=False)
class Dropout(Layer):
    """In training, zero each number with probability `rate` and scale the others by 1/(1 - rate),
    which keeps the mean; otherwise do nothing.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting" (2014), section 4 and, for scaling while training, section 10.
    """

    rate: float
    rng: np.random.Generator | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"expected 0 <= rate < 1, received {self.rate!r}")

    def build(
        self,
        input_shape: Shape,
        rng: np.random.Generator | None,
        dtype: DType = "float32",
        *,
        draw_weights: bool = True,
    ) -> None:
        super().build(input_shape, rng, dtype, draw_weights=draw_weights)
        # its own generator: drawing masks must not change what another layer draws
        self.rng = np.random.default_rng() if rng is None else rng.spawn(1)[0]

    def forward(self, x: Array, training: bool = False) -> Array:
        if not training or self.rate == 0:
            self.keep(training)
            return x
        assert self.rng is not None
        kept = self.rng.random(x.shape, dtype=np.float32) >= self.rate
        mask = kept * x.dtype.type(1 / (1 - self.rate))
        self.keep(training, mask)
        return x * mask

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        mask = self.kept()
        return dy * mask[0] if mask else dy
