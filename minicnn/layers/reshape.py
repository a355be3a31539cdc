"""Layers that only change the shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..typing import Array, Shape
from .base import Layer


@dataclass(eq=False)
class _NewShape(Layer):
    """Base: the same numbers in memory order, with another shape."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(training)
        return x.reshape(len(x), *self.output_shape)

    def backward(self, dy: Array, need_dx: bool = True) -> Array:
        self.kept()
        return dy.reshape(len(dy), *self.input_shape)


@dataclass(eq=False)
class Flatten(_NewShape):
    """All of an image in one row: (H, W, C) → (H*W*C,)."""

    def infer(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)


@dataclass(eq=False)
class Reshape(_NewShape):
    """Another shape for the same numbers, e.g. Reshape((28, 28, 1)); one size may be -1."""

    target_shape: Shape

    def __post_init__(self) -> None:
        self.target_shape = tuple(int(size) for size in self.target_shape)
        known = [size for size in self.target_shape if size != -1]
        if len(known) < len(self.target_shape) - 1 or any(size < 1 for size in known):
            raise ValueError(
                "expected target_shape of sizes >= 1, at most one of them -1, "
                f"received {self.target_shape}"
            )

    def infer(self, input_shape: Shape) -> Shape:
        total, known = prod(input_shape), prod(s for s in self.target_shape if s != -1)
        shape = tuple(total // known if size == -1 else size for size in self.target_shape)
        if prod(shape) != total:
            raise ValueError(
                f"{self.label}: expected {total} numbers in {self.target_shape}, "
                f"as the input {input_shape} has"
            )
        return shape
