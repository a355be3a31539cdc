"""What a trained network does with an image. Nothing here changes the model or its training.

    activations     the output of every layer
    saliency        the gradient of a class's score with respect to each pixel (one backward pass)
    occlusion       how much the answer changes when a square is covered (many forward passes)

`minicnn.plots` draws the results.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..batches import ArrayLike, samples
from ..layers import fuse
from ..model import DEFAULT_BATCH, Sequential
from ..network import Network, split_softmax
from ..state_checks import whole_number
from ..typing import Array
from .layer_copies import independent_copy, inference_copy

Images = ArrayLike | npt.ArrayLike
Classes = npt.ArrayLike | None


def activations(model: Network, x: Images) -> list[tuple[str, Array]]:
    """The output of every layer, as in inference.

    Args:
        x: (N, *input_shape).

    Returns:
        (label, output (N, …)) of each layer, in order. All N images are in memory at once.

    Raises:
        RuntimeError: the model is not built.
        ValueError, TypeError: x does not fit the model.
    """
    y, outputs = _inputs(model, x), []
    for layer in model.layers:
        y = independent_copy(layer).forward(y)
        outputs.append((layer.label, y))
    return outputs


def saliency(model: Network, x: Images, classes: Classes = None) -> Array:
    """∂s/∂x, where s is the class's score before the softmax: the logit.

    The probability saturates where the network is confident; the logit does not. Dropout is off
    and BatchNorm uses its moving averages, as in inference. The outputs of a model without a final
    softmax are the scores.

    Args:
        x: (N, *input_shape).
        classes: of each image, (N,) whole numbers, or one for all; None: the predicted classes.

    Returns:
        (N, *input_shape), the model's dtype: > 0 where a brighter pixel raises the score.

    Raises:
        RuntimeError: the model is not built.
        ValueError, TypeError: x or classes do not fit the model.

    Source: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps" (2014), section 3.
    """
    x = _inputs(model, x)
    wanted = _classes(model, classes, len(x))
    layers, _ = split_softmax([inference_copy(layer) for layer in model.layers])
    body = fuse(layers)  # the same kernels as in training: they are compiled already
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
    x: Images,
    size: int = 5,
    stride: int = 1,
    value: float = 0.0,
    classes: Classes = None,
    batch_size: int = DEFAULT_BATCH,
) -> Array:
    """How much the probability of the class drops when a square of the image is covered.

    The image is divided into blocks of stride×stride pixels. The square is centred on each block
    in turn and clipped at the edge of the image.

    Args:
        x: (N, H, W, C).
        size: of the square, pixels.
        stride: pixels between two squares; the number of predictions is N · H·W / stride².
        value: fills the square.
        classes: as in saliency.
        batch_size: covered images per prediction; bounds the memory.

    Returns:
        (N, ⌈H / stride⌉, ⌈W / stride⌉): p(x) - p(x covered), in [-1, 1] if the model ends in a
        softmax, else the drop of the output. > 0: this area supports the class.

    Raises:
        RuntimeError: the model is not built.
        ValueError, TypeError: an argument does not fit the model.

    Source: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks" (2014),
    section 4.2.
    """
    for name, count in (("size", size), ("stride", stride), ("batch_size", batch_size)):
        whole_number(name, count)
    x = _inputs(model, x)
    if x.ndim != 4:
        raise ValueError(f"occlusion: expected images (N, H, W, C), received {x.shape}")
    wanted = _classes(model, classes, len(x))
    before = model.predict(x, batch_size)
    chosen = before.argmax(axis=1) if wanted is None else wanted
    rows, columns = (_clipped_squares(length, size, stride) for length in x.shape[1:3])
    squares = [(row, column) for row in rows for column in columns]
    drops = np.empty((len(x), len(squares)), before.dtype)
    for image, k, p, drop in zip(x, chosen, before, drops, strict=True):
        for start in range(0, len(squares), batch_size):
            batch = squares[start : start + batch_size]
            covered = np.repeat(image[None], len(batch), axis=0)
            for copied, (row, column) in zip(covered, batch, strict=True):
                copied[row, column] = value
            after = model.predict(covered, batch_size)
            drop[start : start + len(batch)] = p[k] - after[:, k]
    return drops.reshape(len(x), len(rows), len(columns))


def _clipped_squares(length: int, size: int, stride: int) -> list[slice]:
    """The squares along one axis: each centred on a block."""
    firsts = (block + (stride - size) // 2 for block in range(0, length, stride))
    return [slice(max(first, 0), max(first + size, 0)) for first in firsts]


def _inputs(model: Network, x: Images) -> Array:
    if model.input_shape is None:
        raise RuntimeError(
            "the model has no weights yet: give Sequential an input_shape, or fit it"
        )
    return samples(x, None, model.input_shape, model.dtype).take(slice(None))[0]


def _classes(model: Network, classes: Classes, n: int) -> Array | None:
    """(N,) class indices, or None for the predicted ones."""
    if len(model.output_shape) != 1:
        raise ValueError(f"expected a model with outputs (classes,), received {model.output_shape}")
    if classes is None:
        return None
    array, count = np.asarray(classes), model.output_shape[0]
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        raise ValueError(
            f"expected classes as a whole number or ({n},) of them, one per image, "
            f"received {array.dtype} {array.shape}"
        )
    if array.size and not 0 <= array.min() <= array.max() < count:
        raise ValueError(f"expected classes in 0…{count - 1}, received {array.min()}…{array.max()}")
    return np.broadcast_to(array, (n,))
