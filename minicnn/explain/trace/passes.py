"""One image forward through all layers, and the gradient of its loss backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import kernels
from ...kernels.window import Window, pool_window
from ...layers import AvgPool2D, Conv2D, Layer, MaxPool2D, Softmax, Weighted
from ...losses import CategoricalCrossentropy
from ...model import Sequential
from ...typing import Array, Shape
from ..layer_copies import frozen

GRADIENT = CategoricalCrossentropy(from_logits=True)


@dataclass(frozen=True)
class Pass:
    """What one layer did. Arrays have no batch axis; those by something have its shape."""

    layer: Layer  # of the model
    x: Array  # its input
    z: Array | None  # before the layer's own activation; None: it has none
    y: Array  # its output
    dy: Array | None  # ∂L/∂y; None at the final softmax: the loss goes back to its logits at once
    dz: Array | None  # ∂L/∂z, where the layer is Conv2D or Dense; without activation it is dy
    dx: Array  # ∂L/∂x: the dy of the layer before
    dw: Array | None  # ∂L/∂w, where the layer is Conv2D or Dense
    db: Array | None  # ∂L/∂b, where it has a bias
    argmax: Array | None  # of MaxPool2D: the tap i·KW + j that won, for each y

    @property
    def window(self) -> Window | None:
        """The geometry of a convolution or a pooling; None for other layers."""
        if isinstance(self.layer, Conv2D):
            return self.layer.window(*self.x.shape[:2])
        if isinstance(self.layer, MaxPool2D | AvgPool2D):
            layer, (H, W, _) = self.layer, self.x.shape
            return pool_window(H, W, layer.pool_size, layer.strides, layer.padding)
        return None


@dataclass(frozen=True)
class Trace:
    """What a network did with one image."""

    passes: list[Pass]  # one a layer
    probabilities: Array  # (classes,)
    target: int  # the class that the loss is about
    loss: float  # -log probabilities[target]

    @property
    def predicted(self) -> int:
        """The class of the largest probability."""
        return int(self.probabilities.argmax())


def run(model: Sequential, image: Any, target: int | None = None) -> Trace:
    """Forward as in inference (no dropout, moving averages), backward from -log p[target].

    Args:
        image: of model.input_shape, or that with a batch axis of 1 before it.
        target: the class that the image is to be; None: the one the network takes it for.

    Raises:
        RuntimeError: the model is not built.
        ValueError: image or target don't fit; says how.
    """
    x = _image(image, model)
    parts, done, y = [frozen(layer) for layer in model.layers], [], x
    for part in parts:
        done.append(_forward(part, y))
        y = done[-1][2]
    last = done[-1]
    before = _logits(parts[-1], *last)
    loss, dz, target = _loss(before, target)
    back: list[dict[str, Any]] = []
    dy = dz
    for index in reversed(range(len(parts))):
        from_loss = index == len(parts) - 1 and before is not last[2]
        back.append(_backward(parts[index], dy, from_loss))
        dy = back[-1]["dx"][None]
    passes = [
        Pass(layer, x[0], None if z is None else z[0], y[0], argmax=argmax, **gradients)
        for layer, (x, z, y, argmax), gradients in zip(
            model.layers, done, reversed(back), strict=True
        )
    ]
    return Trace(passes, kernels.softmax(before)[0], target, loss)


def _image(image: Any, model: Sequential) -> Array:
    if model.input_shape is None:
        raise RuntimeError("the model has no weights yet: give Sequential an input_shape")
    x = np.asarray(image, model.dtype)
    if x.shape not in (model.input_shape, (1, *model.input_shape)):
        raise ValueError(f"expected one image {model.input_shape}, received {x.shape}")
    return np.ascontiguousarray(x.reshape(1, *model.input_shape))


def _forward(part: Layer, x: Array) -> tuple[Array, Array | None, Array, Array | None]:
    """(x, z, y, argmax) of a layer; what its backward needs is kept in it."""
    if isinstance(part, Weighted):
        z = part.linear(x, True)
        if part.nonlinearity is None:
            return x, None, z, None
        return x, z, part.nonlinearity.forward(z, training=True), None
    y = part.forward(x, training=True)
    return x, None, y, _winners(part, x)


def _winners(part: Layer, x: Array) -> Array | None:
    if not isinstance(part, MaxPool2D):
        return None
    options: dict[str, Any] = {"stride": part.strides, "padding": part.padding}
    return kernels.max_pool2d(x, part.pool_size, **options)[1][0]


def _logits(part: Layer, x: Array, z: Array | None, y: Array, argmax: Array | None) -> Array:
    """What the final softmax is given; without one, the outputs."""
    if isinstance(part, Softmax):
        return x
    if isinstance(part, Weighted) and isinstance(part.nonlinearity, Softmax):
        assert z is not None
        return z
    return y


def _loss(logits: Array, target: int | None) -> tuple[float, Array, int]:
    """(L, ∂L/∂logits, the class)."""
    classes: Shape = logits.shape[1:]
    if len(classes) != 1:
        raise ValueError(f"expected a model with outputs (classes,), received {classes}")
    if target is None:
        target = int(logits.argmax())
    if not 0 <= target < classes[0]:
        raise ValueError(f"expected a class in 0…{classes[0] - 1}, received {target}")
    onehot = np.eye(classes[0], dtype=logits.dtype)[[target]]
    losses, dz = GRADIENT.with_gradient(logits, onehot)
    return float(losses[0]), dz, target


def _backward(part: Layer, dy: Array, from_loss: bool) -> dict[str, Any]:
    """The gradients of a layer. from_loss: dy is that by the logits, the softmax's own input."""
    found: dict[str, Any] = {"dy": None if from_loss else dy[0], "dw": None, "db": None}
    dx: Array | None
    if isinstance(part, Weighted):
        dz = dy
        if part.nonlinearity is not None and not from_loss:
            dz = part.nonlinearity.backward(dy)
        dx, found["dw"], db = part.linear_backward(dz, need_dx=True)
        found["db"] = db if part.use_bias else None
        found["dz"] = dz[0]
    else:
        dx = dy if from_loss else part.backward(dy, need_dx=True)
        found["dz"] = None
    assert dx is not None
    return found | {"dx": dx[0]}
