"""The primitives of a training step, one by one: patches, products, pooling, updates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from minicnn import Sequential, architectures, kernels, layers, losses, optimizers
from minicnn.typing import Array

from .agreement import check_alike

Calls = dict[str, Callable[[], object]]


def primitives(model: str, batch: int) -> dict[str, Calls]:
    """For each primitive, a call for each backend, on arrays of the same size.

    The size is that of the network's second convolution at this batch size. The optimizer updates
    all parameters of the network; the gather takes images of 28×28 pixels.

    Raises:
        Disagreement: the backends compute different results.
    """
    rng = np.random.default_rng(0)
    net = Sequential(architectures.TABLE[model](10), (28, 28, 1), seed=0)
    conv = [layer for layer in net.layers if isinstance(layer, layers.Conv2D)][1]
    H, W, C = conv.input_shape
    OH, OW, F = conv.output_shape
    kernel = conv.params["w"].shape[:2]
    x = rng.standard_normal((batch, H, W, C), np.float32)
    w = conv.params["w"].reshape(-1, F)
    y = rng.standard_normal((batch, OH, OW, F), np.float32)
    cols = kernels.im2col(x, kernel, backend="numpy")
    z = rng.standard_normal((batch, 10), np.float32)
    q = np.eye(10, dtype=np.float32)[rng.integers(0, 10, batch)]
    pixels = rng.integers(0, 256, (4 * batch, 784), np.uint8)
    order = rng.permutation(4 * batch)[:batch]
    pooled, argmax = kernels.max_pool2d(y, 2, backend="numpy")
    each: dict[str, Callable[[], object]] = {
        "im2col": partial(kernels.im2col, x, kernel),
        "matrix product": partial(kernels.dense, cols, w),
        "matrix product, gradient by the weights": partial(
            kernels.dense_backward, y.reshape(-1, F), cols, w, need_dx=False
        ),
        "col2im": partial(kernels.col2im, cols, x.shape, kernel),
        "max-pooling": partial(kernels.max_pool2d, y, 2),
        "max-pooling, backward": partial(kernels.max_pool2d_backward, pooled, argmax, y.shape, 2),
        "ReLU, backward": partial(kernels.relu_backward, y, y),
        "softmax and cross-entropy": partial(losses.softmax_crossentropy, z, q),
        "gather and scale a batch": partial(kernels.take_scaled, pixels, order),
    }
    backends = [name for name in kernels.available_backends() if name != "reference"]
    found: dict[str, Calls] = {
        part: {f"minicnn {name}": _on(name, call) for name in backends}
        for part, call in each.items()
    }
    for part, calls in found.items():
        _check(part, calls)
    return found | {"Adam": {f"minicnn {name}": adam(net, name) for name in backends}}


def adam(net: Sequential, backend: str) -> Callable[[], object]:
    """A call that updates copies of all parameters of `net` by one step of Adam."""
    rng = np.random.default_rng(0)
    parameters = [
        (name, held[key].copy(), rng.standard_normal(held[key].shape, np.float32))
        for name, (held, key) in net.tensors().items()
    ]
    optimizer = optimizers.Adam(1e-3)

    return _on(backend, partial(optimizer.step, parameters))


def _on(backend: str, call: Callable[[], object]) -> Callable[[], object]:
    """The call, computed by that backend."""

    def run() -> object:
        with kernels.use_backend(backend):
            return call()

    return run


def _check(part: str, calls: Calls) -> None:
    results = {name: _arrays(call()) for name, call in calls.items()}
    first, *others = results
    for other in others:
        check_alike(f"{part}: {first} and {other}", results[first], results[other], 1e-4)


def _arrays(result: object) -> dict[str, Array]:
    parts = result if isinstance(result, tuple) else (result,)
    return {str(k): part for k, part in enumerate(parts) if isinstance(part, np.ndarray)}
