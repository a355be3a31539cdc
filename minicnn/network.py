"""Network: a list of layers as one function, forward and backward, and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .layers import Layer, LinearPart, Softmax, Stage, Weighted, fuse
from .optimizers import Parameter
from .typing import Array, DType, Shape


class Network:
    """A plain list of layers, run one after the other. `Sequential` adds how to train and use it.

    Args:
        layers: run one after the other.
        input_shape: of one sample, e.g. (28, 28, 1); None: taken from the first data seen.
        seed: of the weights, the shuffling and the dropout; None: different every time.
        dtype: float32 or float64, of weights and arithmetic.
        name: for tables.

    Raises:
        TypeError: something in the list is no layer.
        ValueError: the layers do not fit together; the message says which and why.
    """

    def __init__(
        self,
        layers: Iterable[Layer] = (),
        input_shape: Shape | None = None,
        *,
        seed: int | None = None,
        dtype: DType = "float32",
        name: str = "sequential",
    ) -> None:
        self.name, self.seed, self.dtype = name, seed, np.dtype(dtype)
        if self.dtype not in (np.dtype("float32"), np.dtype("float64")):
            raise TypeError(f"expected dtype float32 or float64, received {self.dtype}")
        self.class_names: list[str] | None = None
        """What the outputs stand for; saved with the model, used by those who show results."""
        self.preparation: dict[str, str] | None = None
        """How pictures are made ready for it, as MnistData.preparation of what it was trained on
        says; None: as MNIST was. Saved with the model."""
        self.layers: list[Layer] = []
        self.input_shape: Shape | None = None
        weights, shuffling, augmenting = np.random.SeedSequence(seed).spawn(3)
        self._weights_rng = np.random.default_rng(weights)
        self.rng = np.random.default_rng(shuffling)
        """Draws the order of the samples in fit()."""
        self.augment_rng = np.random.default_rng(augmenting)
        """Draws how fit() changes the images, where it is told to."""
        self._softmax_in_loss, self._fused = False, True
        self._body: list[Layer] = self.layers
        self._head: Softmax | None = None
        for layer in layers:
            self.add(layer)
        if input_shape is not None:
            self.build(input_shape)

    # ---- structure ----

    def add(self, layer: Layer) -> None:
        """Append a layer to a model that is not built yet."""
        if not isinstance(layer, Layer):
            raise TypeError(f"expected a layer, received {layer!r}")
        if self.built:
            raise RuntimeError("the model is built already; give all layers to Sequential([...])")
        if any(layer is other for other in self.layers):
            raise ValueError(f"{layer.label} is in the list twice; make a second one")
        self.layers.append(layer)

    def build(self, input_shape: Shape, *, draw_weights: bool = True) -> None:
        """Create all parameters for samples of `input_shape` (draw_weights=False: placeholders)."""
        if not self.layers:
            raise ValueError("expected at least one layer, received none")
        shape = tuple(int(size) for size in input_shape)
        if not shape or min(shape) < 1:
            raise ValueError(f"expected input_shape of sizes >= 1, received {input_shape!r}")
        if self.built or any(layer.built for layer in self.layers):
            raise RuntimeError(
                "built already: building again would throw the weights away; make new layers"
            )
        self.input_shape = shape
        for index, layer in enumerate(self.layers):
            try:
                layer.build(shape, self._weights_rng, self.dtype, draw_weights=draw_weights)
            except ValueError as error:
                self.input_shape = None
                for built in self.layers:
                    built.built = False
                raise ValueError(f"layer {index}: {error}") from None
            shape = layer.output_shape
        self._split()

    @property
    def built(self) -> bool:
        """Whether the parameters exist."""
        return self.input_shape is not None

    @property
    def output_shape(self) -> Shape:
        """Of one sample."""
        return self.layers[-1].output_shape

    @property
    def num_params(self) -> int:
        """How many numbers are trained."""
        return sum(layer.num_params for layer in self.layers)

    def tensors(self) -> dict[str, tuple[dict[str, Array], str]]:
        """Every parameter and state array, by its name: (the dict that holds it, its key there)."""
        return {
            f"{index}.{type(layer).__name__}.{key}": (held, key)
            for index, layer in enumerate(self.layers)
            for held in (layer.params, layer.state)
            for key in held
        }

    def parameters(self) -> list[Parameter]:
        """(name, weight, gradient) of everything that is trained."""
        return [
            (f"{index}.{type(layer).__name__}.{key}", w, layer.grads[key])
            for index, layer in enumerate(self.layers)
            for key, w in layer.params.items()
        ]

    def generators(self) -> dict[str, np.random.Generator]:
        """Whatever draws random numbers while training, by name."""
        found = {"order": self.rng, "augmentation": self.augment_rng}
        for index, layer in enumerate(self.layers):
            if (rng := getattr(layer, "rng", None)) is not None:
                found[f"{index}.{type(layer).__name__}"] = rng
        return found

    def get_weights(self) -> list[Array]:
        """Copies of all parameters and state arrays, in the order of the layers."""
        return [held[key].copy() for held, key in self.tensors().values()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Put back what get_weights() returned.

        Raises:
            ValueError: another number of arrays, or another shape.
        """
        tensors = self.tensors()
        if len(weights) != len(tensors):
            raise ValueError(f"expected {len(tensors)} arrays, received {len(weights)}")
        for (name, (held, key)), new in zip(tensors.items(), weights, strict=True):
            if np.shape(new) != held[key].shape:
                raise ValueError(f"{name}: expected {held[key].shape}, received {np.shape(new)}")
        for (held, key), new in zip(tensors.values(), weights, strict=True):
            held[key][...] = new

    # ---- arithmetic ----

    def forward(self, x: Array, training: bool = False) -> Array:
        """The outputs (N, …) for x (N, *input_shape)."""
        if self._head is not None:
            return self._head.f(self._run(x, training)[0])
        return self.forward_body(x, training)

    __call__ = forward

    def forward_body(self, x: Array, training: bool = False) -> Array:
        """Forward up to what the loss takes: the logits, where a final softmax is the loss's."""
        x, kept = self._run(x, training)
        # a stage will write there again; what the caller is given stays as it is
        return x if kept is None or not np.may_share_memory(x, kept) else x.copy()

    def _run(self, x: Array, training: bool) -> tuple[Array, Array | None]:
        """(the outputs of the body, the memory that its last stage will write to again)."""
        kept = None
        for stage in self._body:
            x = stage.forward(x, training)
            if isinstance(stage, Stage):
                kept = x
        return x, kept

    def finish(self, z: Array) -> Array:
        """From what the loss takes to the outputs."""
        return z if self._head is None else self._head.f(z)

    def backward_body(self, dz: Array, need_dx: bool = False) -> Array | None:
        """Backward from the gradient by what the loss takes; fills the grads of all layers.

        Returns:
            The gradient by x if need_dx, else None; layers before the first one with parameters
            are then left out.
        """
        trained = (i for i, s in enumerate(self._body) if any(part.params for part in s.parts))
        first = 0 if need_dx else next(trained, 0)
        dy: Array | None = dz
        for index, stage in reversed(list(enumerate(self._body))):
            if dy is not None and index >= first:
                dy = stage.backward(dy, need_dx=need_dx or index > first)
        # a stage will write there again
        return dy.copy() if need_dx and dy is not None else None

    def penalty(self) -> float:
        """What all regularizers add to the loss."""
        return sum(layer.penalty() for layer in self.layers)

    def ends_in_softmax(self) -> bool:
        """Whether the outputs are those of a softmax."""
        return bool(self.layers) and split_softmax(self.layers)[1] is not None

    @property
    def softmax_in_loss(self) -> bool:
        """Whether a final softmax is left to the loss, which takes the logits before it."""
        return self._softmax_in_loss

    @softmax_in_loss.setter
    def softmax_in_loss(self, wanted: bool) -> None:
        self._softmax_in_loss = wanted
        self._split()

    @property
    def fused(self) -> bool:
        """Whether layers are run as stages where they can be (see layers/stages.py)."""
        return self._fused

    @fused.setter
    def fused(self, wanted: bool) -> None:
        self._fused = wanted
        self._split()

    @property
    def stages(self) -> list[Layer]:
        """What is run, up to what the loss takes: layers, and stages in the place of several."""
        return list(self._body if self.built else self.layers)

    def _split(self) -> None:
        body, head = split_softmax(self.layers) if self._softmax_in_loss else (self.layers, None)
        self._body, self._head = fuse(body) if self._fused and self.built else body, head


def split_softmax(layers: list[Layer]) -> tuple[list[Layer], Softmax | None]:
    """The layers without a softmax at their end (a layer, or a layer's activation), and it."""
    *before, last = layers
    if isinstance(last, Softmax):
        return before, last
    if isinstance(last, Weighted) and isinstance(last.nonlinearity, Softmax):
        return [*before, LinearPart(last)], last.nonlinearity
    return layers, None
