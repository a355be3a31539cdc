"""One image forward through all layers, and the gradient of its loss backward."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ... import kernels
from ...kernels.window import Window, pool_window
from ...layers import AvgPool2D, Conv2D, Layer, MaxPool2D, Softmax, Weighted, without_activation
from ...losses import CategoricalCrossentropy
from ...network import Network
from ...typing import Array
from ..layer_copies import inference_copy

LOSS = CategoricalCrossentropy(from_logits=True)
NOT_YET = np.zeros(0)  # in a Pass, until run() has gone backward


@dataclass
class Pass:
    """What one layer computed. Arrays have no batch axis."""

    layer: Layer  # of the model
    x: Array  # its input
    z: Array | None  # before the layer's own activation; None: it has none
    y: Array  # its output
    argmax: Array | None = None  # of MaxPool2D: the winning tap i·KW + j of each y
    dy: Array | None = None  # ∂L/∂y; None at the final softmax: the loss differentiates its logits
    dz: Array | None = None  # ∂L/∂z of Conv2D and Dense; without activation it is dy
    dx: Array = field(default_factory=lambda: NOT_YET)  # ∂L/∂x: the dy of the layer before
    dw: Array | None = None  # ∂L/∂w of Conv2D and Dense
    db: Array | None = None  # ∂L/∂b, if the layer has a bias

    @property
    def window(self) -> Window | None:
        """The geometry of a convolution or a pooling; None for other layers."""
        if isinstance(self.layer, Conv2D):
            return self.layer.window(*self.x.shape[:2])
        if isinstance(self.layer, MaxPool2D | AvgPool2D):
            layer, (H, W, _) = self.layer, self.x.shape
            return pool_window(H, W, layer.pool_size, layer.strides, layer.padding)
        return None

    def taps(self, row: int, column: int) -> tuple[int, int, Array, tuple[Array, ...]]:
        """The window of output (row, column): (top, left in the input, inside, index).

        `inside` (KH, KW) bool is False on padding; x[index] is (KH, KW, C), with any pixels on
        padding.
        """
        win = self.window
        assert win is not None
        rows = row * win.SH - win.top + np.arange(win.KH) * win.DH
        columns = column * win.SW - win.left + np.arange(win.KW) * win.DW
        H, W, _ = self.x.shape
        inside = ((rows >= 0) & (rows < H))[:, None] & ((columns >= 0) & (columns < W))
        index = np.ix_(rows.clip(0, H - 1), columns.clip(0, W - 1))
        return int(rows[0]), int(columns[0]), inside, index


@dataclass(frozen=True)
class Trace:
    """What a network computed for one image."""

    passes: list[Pass]  # one per layer
    probabilities: Array  # (classes,)
    target: int  # the class in the loss
    loss: float  # -log probabilities[target]

    @property
    def predicted(self) -> int:
        """The class with the largest probability."""
        return int(self.probabilities.argmax())


def run(model: Network, image: npt.ArrayLike, target: int | None = None) -> Trace:
    """Forward as in inference (no dropout, moving averages), backward from -log p[target].

    Args:
        image: of model.input_shape, with or without a batch axis of 1 before it.
        target: the class in the loss; None: the predicted class.

    Raises:
        RuntimeError: the model is not built.
        ValueError: image or target does not fit the model.
    """
    y = _image(image, model)
    steps, passes = [_Step(layer) for layer in model.layers], []
    for step in steps:
        passes.append(step.forward(y))
        y = step.y
    last = steps[-1]
    logits, ends_in_softmax = last.logits()
    loss, dz, target = _loss(logits, target)
    dy = dz
    for step, done in zip(reversed(steps), reversed(passes), strict=True):
        dy = step.backward(done, dy, from_logits=step is last and ends_in_softmax)
    return Trace(passes, Softmax().f(logits)[0], target, loss)


def _image(image: npt.ArrayLike, model: Network) -> Array:
    if model.input_shape is None:
        raise RuntimeError("the model has no weights yet: give Sequential an input_shape")
    x = np.asarray(image, model.dtype)
    if x.shape not in (model.input_shape, (1, *model.input_shape)):
        raise ValueError(f"expected one image {model.input_shape}, received {x.shape}")
    return np.ascontiguousarray(x.reshape(1, *model.input_shape))


def _loss(logits: Array, target: int | None) -> tuple[float, Array, int]:
    """(L, ∂L/∂logits, the class)."""
    classes = logits.shape[1:]
    if len(classes) != 1:
        raise ValueError(f"expected a model with outputs (classes,), received {classes}")
    if target is None:
        target = int(logits.argmax())
    if not 0 <= target < classes[0]:
        raise ValueError(f"expected a class in 0…{classes[0] - 1}, received {target}")
    onehot = np.eye(classes[0], dtype=logits.dtype)[[target]]
    losses, dz = LOSS.with_gradient(logits, onehot)
    return float(losses[0]), dz, target


class _Step:
    """A copy of one layer, split before its activation. Arrays have a batch axis."""

    def __init__(self, layer: Layer) -> None:
        self.original = layer
        copied = inference_copy(layer)
        copied.l2 = 0.0  # no penalty in the gradients
        self.linear, self.activation = copied, None
        if isinstance(copied, Weighted):
            self.linear, self.activation = without_activation(copied), copied.nonlinearity
        self.x = self.z = self.y = NOT_YET

    def forward(self, x: Array) -> Pass:
        self.x = x
        self.z = self.y = self.linear.forward(x, training=True)
        if self.activation is not None:
            self.y = self.activation.forward(self.z, training=True)
        z = None if self.activation is None else self.z[0]
        argmax = None
        if isinstance(self.linear, MaxPool2D):
            pool = self.linear
            found = kernels.max_pool2d(x, pool.pool_size, stride=pool.strides, padding=pool.padding)
            argmax = found[1][0]
        return Pass(self.original, x[0], z, self.y[0], argmax)

    def logits(self) -> tuple[Array, bool]:
        """(the input of a final softmax, True); without a softmax (the outputs, False)."""
        if isinstance(self.linear, Softmax):
            return self.x, True
        is_softmax = isinstance(self.activation, Softmax)
        return (self.z, True) if is_softmax else (self.y, False)

    def backward(self, done: Pass, dy: Array, from_logits: bool) -> Array:
        """Fill in the gradients of `done`; returns dx.

        from_logits: dy is the gradient of the final softmax's input.
        """
        done.dy = None if from_logits else dy[0]
        dx: Array | None
        if isinstance(self.linear, Softmax) and from_logits:
            dx = dy
        else:
            dz = dy
            if self.activation is not None and not from_logits:
                dz = self.activation.backward(dy)
            dx = self.linear.backward(dz, need_dx=True)
            if isinstance(self.linear, Weighted):
                grads = self.linear.grads
                done.dz, done.dw, done.db = dz[0], grads["w"], grads.get("b")
        assert dx is not None
        done.dx = dx[0]
        return dx
