"""What a trained network does with an image: what each layer makes of it, which pixels its answer
hangs on. Nothing here changes the model, nor what its training will draw or remember.

    activations     the output of every layer
    saliency        how the score of a class would move with each pixel (one pass backward)
    occlusion       how the answer suffers when a part of the image is covered (many passes forward)

`minicnn.plots` draws them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batches import samples
from ..kernels.window import whole
from ..layers import fuse
from ..model import DEFAULT_BATCH, Sequential
from ..network import split_softmax
from ..typing import Array
from .layer_copies import frozen, twin


def activations(model: Sequential, x: Any) -> list[tuple[str, Array]]:
    """The output of every layer of `model.layers`, as in inference.

    Args:
        x: (N, *input_shape).

    Returns:
        (label, output (N, …)) of each layer, in their order. All N images are kept in memory.

    Raises:
        RuntimeError: the model is not built.
        ValueError, TypeError: x does not fit the model; says how.
    """
    y, outputs = _inputs(model, x), []
    for layer in model.layers:
        y = twin(layer).forward(y)
        outputs.append((layer.label, y))
    return outputs


def saliency(model: Sequential, x: Any, classes: Any = None) -> Array:
    """∂s/∂x, where s is the class's score before the softmax: the logit.

    The logit and not the probability, which hardly moves where the network is sure. Dropout is
    left out and BatchNorm uses its moving averages, as in inference. A model that does not end in
    a softmax is taken to give scores.

    Args:
        x: (N, *input_shape).
        classes: the class of each image, (N,) whole numbers, or one for all; None: the predicted.

    Returns:
        (N, *input_shape), the model's dtype: > 0 where a brighter pixel speaks for the class.

    Raises:
        RuntimeError: the model is not built.
        ValueError, TypeError: x or classes do not fit the model; says how.

    Source: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps" (2014), section 3.
    """
    x = _inputs(model, x)
    wanted = _classes(model, classes, len(x))
    layers, _ = split_softmax([frozen(layer) for layer in model.layers])
    body = fuse(layers)  # as they are trained: with the kernels that are compiled already
    gradient = np.empty_like(x)
    for start in range(0, len(x), DEFAULT_BATCH):
        rows = slice(start, start + DEFAULT_BATCH)
        scores = x[rows]
        for layer in body:
            scores = layer.forward(scores, training=True)
        chosen = scores.argmax(axis=1) if wanted is None else wanted[rows]
        dy: Array | None = np.eye(scores.shape[1], dtype=x.dtype)[chosen]  # ∂s_k/∂s
        for layer in reversed(body):
            assert dy is not None
            dy = layer.backward(dy, need_dx=True)
        gradient[rows] = dy
    return gradient


def occlusion(
    model: Sequential,
    x: Any,
    size: int = 5,
    stride: int = 1,
    value: float = 0.0,
    classes: Any = None,
    batch_size: int = DEFAULT_BATCH,
) -> Array:
    """By how much the probability of the class drops when a square of the image is covered.

    The image is cut into blocks of stride×stride pixels; the square lies around the middle of one
    block after the other, and ends at the edge of the image.

    Args:
        x: (N, H, W, C).
        size: of the square, pixels.
        stride: pixels between two squares; the number of predictions is N · H·W / stride².
        value: what the square is filled with.
        classes: as in saliency.
        batch_size: covered images predicted at a time; bounds the memory.

    Returns:
        (N, ⌈H / stride⌉, ⌈W / stride⌉): p(x) - p(x covered), in [-1, 1] where the model ends in a
        softmax (else it is the drop of the output). > 0: what is there speaks for the class.

    Raises:
        RuntimeError: the model is not built.
        ValueError, TypeError: an argument does not fit the model; says how.

    Source: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks" (2014),
    section 4.2.
    """
    for name, count in (("size", size), ("stride", stride), ("batch_size", batch_size)):
        whole(name, count)
    x = _inputs(model, x)
    if x.ndim != 4:
        raise ValueError(f"occlusion: expected images (N, H, W, C), received {x.shape}")
    wanted = _classes(model, classes, len(x))
    before = model.predict(x, batch_size)
    chosen = before.argmax(axis=1) if wanted is None else wanted
    rows, columns = (_cuts(length, size, stride) for length in x.shape[1:3])
    squares = [(row, column) for row in rows for column in columns]
    drops = np.empty((len(x), len(squares)), before.dtype)
    for image, k, p, drop in zip(x, chosen, before, drops, strict=True):
        for start in range(0, len(squares), batch_size):
            part = squares[start : start + batch_size]
            covered = np.repeat(image[None], len(part), axis=0)
            for copied, (row, column) in zip(covered, part, strict=True):
                copied[row, column] = value
            after = model.predict(covered, batch_size)
            drop[start : start + len(part)] = p[k] - after[:, k]
    return drops.reshape(len(x), len(rows), len(columns))


def _cuts(length: int, size: int, stride: int) -> list[slice]:
    """Where the squares lie along one side: around the middle of block after block."""
    firsts = (block + (stride - size) // 2 for block in range(0, length, stride))
    return [slice(max(first, 0), max(first + size, 0)) for first in firsts]


def _inputs(model: Sequential, x: Any) -> Array:
    if model.input_shape is None:
        raise RuntimeError(
            "the model has no weights yet: give Sequential an input_shape, or fit it"
        )
    return samples(x, None, model.input_shape, model.dtype).take(slice(None))[0]


def _classes(model: Sequential, classes: Any, n: int) -> Array | None:
    """(N,) class indices, or None: the predicted ones."""
    if len(model.output_shape) != 1:
        raise ValueError(f"expected a model with outputs (classes,), received {model.output_shape}")
    if classes is None:
        return None
    array, count = np.asarray(classes), model.output_shape[0]
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        raise ValueError(
            f"expected classes as a whole number or ({n},) of them, one an image, "
            f"received {array.dtype} {array.shape}"
        )
    if array.size and not 0 <= array.min() <= array.max() < count:
        raise ValueError(f"expected classes in 0…{count - 1}, received {array.min()}…{array.max()}")
    return np.broadcast_to(array, (n,))
