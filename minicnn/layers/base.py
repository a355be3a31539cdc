"""What every layer is: it builds once, then runs forward and backward."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from threading import get_ident

import numpy as np

from ..initializers import Initializer
from ..kernels.memory import aligned
from ..typing import Array, DType, FloatDType, Shape


@dataclass(eq=False)
class Layer:
    """The contract. A subclass overrides `infer` (and `add_params`), `forward`, `backward`.

    Shapes of layers leave out the batch axis; arrays have it first. `params` and `grads` have
    equal keys; `backward` assigns grads, it does not add to them. `state` holds what is saved but
    not trained. forward(training=True) keeps what one backward needs, and that backward drops it.
    """

    name: str | None = field(default=None, kw_only=True)

    input_shape: Shape = field(default=(), init=False, repr=False)
    output_shape: Shape = field(default=(), init=False, repr=False)
    params: dict[str, Array] = field(default_factory=dict, init=False, repr=False)
    grads: dict[str, Array] = field(default_factory=dict, init=False, repr=False)
    state: dict[str, Array] = field(default_factory=dict, init=False, repr=False)
    l2: float = field(default=0.0, init=False, repr=False)
    """Adds l2 · Σ w² to the loss; layers without weights leave it 0."""
    built: bool = field(default=False, init=False, repr=False)
    _kept: dict[int, tuple[Array, ...]] = field(default_factory=dict, init=False, repr=False)
    """By thread: one may predict while another trains."""

    def build(
        self,
        input_shape: Shape,
        rng: np.random.Generator | None,
        dtype: DType = "float32",
        *,
        draw_weights: bool = True,
    ) -> None:
        """Work out the output shape and create the parameters.

        Args:
            input_shape: without the batch axis.
            rng: draws the weights, and masks and the like later.
            draw_weights: False, or no rng, makes placeholders that take no memory, for loading
                a model.

        Raises:
            ValueError: the layer cannot take this shape.
        """
        self.input_shape = tuple(input_shape)
        self.output_shape = self.infer(self.input_shape)
        self.params, self.grads, self.state = {}, {}, {}
        self.add_params(rng if draw_weights else None, np.dtype(dtype))
        self.built = True

    def infer(self, input_shape: Shape) -> Shape:
        """The output shape for this input shape; raises ValueError where there is none."""
        return input_shape

    def add_params(self, rng: np.random.Generator | None, dtype: FloatDType) -> None:
        """Create `params` (and `state`) with `draw`; layers without parameters inherit this."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """y for x; with training=True, keep what backward needs."""
        raise TypeError(f"{type(self).__name__} has no forward(): override it")

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        """Assign grads and return dx (None if need_dx is False and dx is not free)."""
        raise TypeError(f"{type(self).__name__} has no backward(): override it")

    def penalty(self) -> float:
        """What regularization adds to the loss: l2 · Σ w², as in Keras."""
        return self.l2 * float(np.sum(np.square(self.params["w"]))) if self.l2 else 0.0

    def assign_grads(self, **grads: Array) -> None:
        """Set `grads`, an array for each parameter; adds the penalty's gradient, 2 · l2 · w."""
        if self.l2:
            grads["w"] += grads["w"].dtype.type(2 * self.l2) * self.params["w"]
        self.grads.update((key, grads[key]) for key in self.params)

    def flops(self) -> int:
        """Floating-point operations of forward for one image; a multiply-add counts as two."""
        return 0

    def patch_size(self) -> int:
        """Numbers in the patch matrix of one image (convolutions only)."""
        return 0

    @property
    def label(self) -> str:
        """The layer's name in messages and tables."""
        return self.name or type(self).__name__

    @property
    def num_params(self) -> int:
        """How many numbers are trained."""
        return sum(prod(p.shape) for p in self.params.values())

    @staticmethod
    def draw(
        initializer: Initializer,
        shape: Shape,
        rng: np.random.Generator | None,
        dtype: FloatDType,
    ) -> Array:
        """A new parameter; without a generator, a read-only placeholder of that shape."""
        if rng is None:
            return np.broadcast_to(np.zeros((), dtype), shape)
        parameter = aligned(shape, dtype)
        parameter[...] = initializer(shape, rng, dtype)
        return parameter

    def keep(self, training: bool, *arrays: Array) -> None:
        """Keep `arrays` for backward if training."""
        if training:
            self._kept[get_ident()] = arrays
        else:
            self._kept.pop(get_ident(), None)

    def kept(self) -> tuple[Array, ...]:
        """What forward kept, once.

        Raises:
            RuntimeError: no forward(training=True) since the last backward.
        """
        arrays = self._kept.pop(get_ident(), None)
        if arrays is None:
            raise RuntimeError(
                f"{self.label}.backward() needs forward(x, training=True) first; "
                "each forward serves one backward"
            )
        return arrays


def expect_image(layer: Layer, input_shape: Shape) -> tuple[int, int, int]:
    """`input_shape` as (H, W, C).

    Raises:
        ValueError: it has another number of axes; says which layer, and what would help.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"{layer.label}: expected images (H, W, channels), received {input_shape}; "
            "grey images need a last axis of 1: x.reshape(-1, H, W, 1)"
        )
    return input_shape[0], input_shape[1], input_shape[2]
