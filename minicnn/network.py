"""Network: layers in a row, forward and backward, and how they are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from . import losses, optimizers
from .layers import Layer, Softmax, Stage, Weighted, fuse, without_activation
from .losses import Loss
from .metrics import Metric
from .metrics import get as get_metric
from .optimizers import Optimizer, Parameter
from .typing import Array, DType, Shape

T = TypeVar("T")


class Network:
    """Layers that run one after the other. `Sequential` adds Keras's methods to it.

    Args:
        layers: in the order in which they run.
        input_shape: of one sample, e.g. (28, 28, 1); None: taken from the first data seen.
        seed: of the weights, the shuffling and the dropout; None: different every time.
        dtype: float32 or float64, of weights and arithmetic.
        name: for tables.

    Raises:
        TypeError: an item of the list is not a layer.
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
        """What the outputs stand for; saved with the model, for those who show results."""
        self.preparation: dict[str, str] | None = None
        """How pictures are prepared for the network, as in MnistData.preparation of its training
        data; None: MNIST preprocessing. Saved with the model."""
        self.layers: list[Layer] = []
        self.input_shape: Shape | None = None
        weights, shuffling, augmenting = np.random.SeedSequence(seed).spawn(3)
        self._weights_rng = np.random.default_rng(weights)
        self.rng = np.random.default_rng(shuffling)
        """Draws the order of the samples in fit()."""
        self.augment_rng = np.random.default_rng(augmenting)
        """Draws how fit() changes the images, with augmentation."""
        self._loss: Loss | None = None
        self._optimizer: Optimizer | None = None
        self._metrics: list[Metric] = []
        self._softmax_in_loss, self._fused = False, True
        self._body: list[Layer] = self.layers
        self._head: Softmax | None = None
        for layer in layers:
            self.add(layer)
        if input_shape is not None:
            self.build(input_shape)

    # ---- structure ----

    def add(self, layer: Layer) -> None:
        """Append a layer to a network that is neither compiled nor built yet."""
        if not isinstance(layer, Layer):
            raise TypeError(f"expected a layer, received {layer!r}")
        if self._loss is not None:
            raise RuntimeError("compile() comes after the last add(): it looks at the last layer")
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
        """Every parameter and state array by name: (the dict that holds it, its key there)."""
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
        """Every random generator used in training, by name."""
        found = {"order": self.rng, "augmentation": self.augment_rng}
        for index, layer in enumerate(self.layers):
            if (rng := getattr(layer, "rng", None)) is not None:
                found[f"{index}.{type(layer).__name__}"] = rng
        return found

    def get_weights(self) -> list[Array]:
        """Copies of all parameters and state arrays, in the order of the layers."""
        return [held[key].copy() for held, key in self.tensors().values()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Restore what get_weights() returned.

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

    # ---- training ----

    def compile(
        self,
        optimizer: object = "adam",
        loss: object = "categorical_crossentropy",
        metrics: Iterable[object] | str | None = None,
    ) -> None:
        """Choose how to train: names ("adam", "accuracy", …) or objects.

        Raises:
            ValueError: an unknown name (the message lists the known ones); a cross-entropy for a
                network that does not end in softmax, or one from logits for a network that does;
                an optimizer object that has trained another network. The network then stays as it
                was.
        """
        new_loss, new_optimizer = losses.get(loss), optimizers.get(optimizer)
        if new_optimizer.iterations and new_optimizer.owner is not self:
            raise ValueError("this optimizer object has trained another model; make a new one")
        self._check_softmax(new_loss)
        names = [metrics] if isinstance(metrics, str) else metrics or ()
        new_metrics = [get_metric(name) for name in names if name != "loss"]
        new_optimizer.owner = self
        self._optimizer, self._metrics, self._loss = new_optimizer, new_metrics, new_loss
        self.softmax_in_loss = new_loss.takes_logits

    @property
    def loss(self) -> Loss:
        """The loss given to compile(); RuntimeError before."""
        return _compiled(self._loss)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer given to compile(); RuntimeError before."""
        return _compiled(self._optimizer)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics given to compile()."""
        return self._metrics

    def _check_softmax(self, loss: Loss) -> None:
        if not loss.takes_logits:
            return
        from_logits = getattr(loss, "from_logits", False)
        name = type(loss).__name__
        if self.ends_in_softmax() and from_logits:
            raise ValueError(
                f"{name}(from_logits=True) is for a model without softmax at its end; this one "
                "has one: drop from_logits (the loss takes the logits anyway)"
            )
        if not self.ends_in_softmax() and not from_logits:
            raise ValueError(
                f"{name} needs a model that ends in softmax: give its last layer "
                f'activation="softmax", or use losses.{name}(from_logits=True)'
            )

    # ---- arithmetic ----

    def forward(self, x: Array, training: bool = False) -> Array:
        """The outputs (N, …) for x (N, *input_shape)."""
        if self._head is not None:
            return self._head.f(self._run(x, training)[0])
        return self.forward_logits(x, training)

    __call__ = forward

    def forward_logits(self, x: Array, training: bool = False) -> Array:
        """Forward up to the loss: the logits, if the loss includes the final softmax."""
        x, buffer = self._run(x, training)
        # the next call overwrites a stage's buffer; the caller keeps a copy
        return x if buffer is None or not np.may_share_memory(x, buffer) else x.copy()

    def _run(self, x: Array, training: bool) -> tuple[Array, Array | None]:
        """(the outputs of the body, the buffer that its last stage overwrites in the next call)."""
        buffer = None
        for stage in self._body:
            x = stage.forward(x, training)
            if isinstance(stage, Stage):
                buffer = x
        return x, buffer

    def apply_head(self, z: Array) -> Array:
        """The outputs, given what forward_logits() returned."""
        return z if self._head is None else self._head.f(z)

    def backward_logits(self, dz: Array, need_dx: bool = False) -> Array | None:
        """Backward from dz, the gradient of what forward_logits() returned; fills all grads.

        Returns:
            The gradient of x if need_dx, else None; layers before the first one with parameters
            are then left out.
        """
        trained = (i for i, stage in enumerate(self._body) if stage.num_params)
        first = 0 if need_dx else next(trained, 0)
        dy: Array | None = dz
        for index, stage in reversed(list(enumerate(self._body))):
            if dy is not None and index >= first:
                dy = stage.backward(dy, need_dx=need_dx or index > first)
        # the next call overwrites a stage's buffer
        return dy.copy() if need_dx and dy is not None else None

    def penalty(self) -> float:
        """What all regularizers add to the loss."""
        return sum(layer.penalty() for layer in self.layers if layer.l2)

    def ends_in_softmax(self) -> bool:
        """Whether the outputs are those of a softmax."""
        return bool(self.layers) and split_softmax(self.layers)[1] is not None

    @property
    def softmax_in_loss(self) -> bool:
        """Whether the loss includes the final softmax, and takes the logits before it."""
        return self._softmax_in_loss

    @softmax_in_loss.setter
    def softmax_in_loss(self, wanted: bool) -> None:
        self._softmax_in_loss = wanted
        self._split()

    @property
    def fused(self) -> bool:
        """Whether several layers run as one stage where they can (layers/stages.py)."""
        return self._fused

    @fused.setter
    def fused(self, wanted: bool) -> None:
        self._fused = wanted
        self._split()

    @property
    def stages(self) -> list[Layer]:
        """What runs before the loss: layers, and stages that replace several of them."""
        return list(self._body if self.built else self.layers)

    def _split(self) -> None:
        body, head = split_softmax(self.layers) if self._softmax_in_loss else (self.layers, None)
        self._body, self._head = fuse(body) if self._fused and self.built else body, head


def split_softmax(layers: list[Layer]) -> tuple[list[Layer], Softmax | None]:
    """(the layers without their final softmax, that softmax: a layer or a layer's activation)."""
    *before, last = layers
    if isinstance(last, Softmax):
        return before, last
    if isinstance(last, Weighted) and isinstance(last.nonlinearity, Softmax):
        return [*before, without_activation(last)], last.nonlinearity
    return layers, None


def _compiled(given: T | None) -> T:
    if given is None:
        raise RuntimeError(
            'call model.compile(optimizer="adam", loss="categorical_crossentropy", '
            'metrics=["accuracy"]) first'
        )
    return given
