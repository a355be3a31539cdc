"""Losses: how wrong the outputs are, for each sample, and the gradient with respect to the outputs.

Every loss is a pair of functions of the same (outputs, targets): `per_sample` gives (N,) values,
`gradient` their derivative with respect to the outputs. fit.py applies weights and takes the mean
over the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from . import kernels
from .registry import lookup
from .typing import Array


class Loss:
    """Base. `takes_logits`: the loss includes the network's final softmax (Network.compile)."""

    takes_logits = False

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        """(N,): the loss of each sample."""
        raise TypeError(f"{type(self).__name__} has no value: override per_sample()")

    def gradient(self, outputs: Array, targets: Array) -> Array:
        """∂ per_sample / ∂ outputs, sample by sample; the shape of outputs."""
        raise TypeError(f"{type(self).__name__} has no gradient: override gradient()")

    def with_gradient(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """(per_sample, gradient), which may share work."""
        return self.per_sample(outputs, targets), self.gradient(outputs, targets)


@dataclass
class CategoricalCrossentropy(Loss):
    """-Σ_k q_k · log softmax(z)_k for logits z and one-hot targets; the gradient is softmax(z) - q.

    Softmax and logarithm are computed together (softmax_crossentropy below), so that neither
    overflows. Label smoothing makes q = (1 - ε) · onehot + ε / K.

    Source: Szegedy et al., "Rethinking the Inception Architecture" (2016), section 7, for the
    smoothing.

    Args:
        label_smoothing: ε in [0, 1).
        from_logits: the model has no softmax at its end, its outputs are z themselves.

    Shapes: outputs (N, …, K), targets the same, one-hot or any distribution over K.
    """

    label_smoothing: float = 0.0
    from_logits: bool = False

    takes_logits = True

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"expected 0 <= label_smoothing < 1, received {self.label_smoothing}")

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        return self.with_gradient(outputs, targets)[0]

    def gradient(self, outputs: Array, targets: Array) -> Array:
        return self.with_gradient(outputs, targets)[1]

    def with_gradient(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        q = self.distribution(outputs, targets)
        rows = (-1, outputs.shape[-1])
        losses, dz = softmax_crossentropy(outputs.reshape(rows), q.reshape(rows))
        losses, dz = losses.reshape(outputs.shape[:-1]), dz.reshape(outputs.shape)
        # a sample's loss is the mean over its positions (one, unless outputs have more axes)
        positions = prod(outputs.shape[1:-1])
        if positions == 1:
            return losses.reshape(len(losses)), dz
        return losses.mean(axis=tuple(range(1, losses.ndim))), dz / dz.dtype.type(positions)

    def distribution(self, outputs: Array, targets: Array) -> Array:
        """q, smoothed, in the dtype of outputs.

        Raises:
            ValueError: targets have another shape than outputs.
        """
        if targets.shape != outputs.shape:
            raise ValueError(
                f"expected one-hot targets of shape {outputs.shape}, received {targets.shape}; "
                "whole-number labels go with loss='sparse_categorical_crossentropy'"
            )
        q = targets.astype(outputs.dtype, copy=False)
        if self.label_smoothing:
            real = outputs.dtype.type
            q = q * real(1 - self.label_smoothing) + real(self.label_smoothing / q.shape[-1])
        return q


@dataclass
class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """The same with whole-number targets: the index of the true class, (N, …) or (N, …, 1)."""

    def distribution(self, outputs: Array, targets: Array) -> Array:
        if targets.shape == (*outputs.shape[:-1], 1):
            targets = targets[..., 0]
        if targets.shape != outputs.shape[:-1] or targets.dtype.kind not in "iu":
            raise ValueError(
                f"expected whole-number targets of shape {outputs.shape[:-1]}, received "
                f"{targets.dtype} {targets.shape}; one-hot labels go with "
                "loss='categorical_crossentropy'"
            )
        classes = outputs.shape[-1]
        if targets.size and not 0 <= targets.min() <= targets.max() < classes:
            raise ValueError(
                f"expected targets in 0…{classes - 1}, received {targets.min()}…{targets.max()}"
            )
        onehot = np.zeros(outputs.shape, outputs.dtype)
        np.put_along_axis(onehot, targets[..., None].astype(np.intp), 1, axis=-1)
        return super().distribution(outputs, onehot)


def softmax_crossentropy(z: Array, q: Array) -> tuple[Array, Array]:
    """losses_n = -Σ_k q_nk · log softmax(z_n)_k, and dz = softmax(z) · Σ_k q_k - q.

    log softmax(z) = z - max z - log Σ e^(z - max z): never the logarithm of a zero.

    Args:
        z: (N, K) logits.
        q: (N, K), the wanted distribution, of the same dtype.

    Returns:
        losses: (N,); dz: (N, K).
    """
    if kernels.current_backend() == "numba":
        return kernels.softmax_crossentropy(z, q)  # the same, compiled
    shifted = z - z.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=-1, keepdims=True)
    losses = np.sum(q * (np.log(total) - shifted), axis=-1)
    return losses, e / total * q.sum(axis=-1, keepdims=True) - q


@dataclass
class MeanSquaredError(Loss):
    """mean_k (y_k - t_k)² of each sample; gradient 2(y - t)/K."""

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        squares = np.square(_difference(outputs, targets))
        return squares.mean(axis=tuple(range(1, squares.ndim)))

    def gradient(self, outputs: Array, targets: Array) -> Array:
        d = _difference(outputs, targets)
        return d * d.dtype.type(2 / prod(d.shape[1:]))


def _difference(outputs: Array, targets: Array) -> Array:
    if targets.shape != outputs.shape:
        raise ValueError(f"expected targets of shape {outputs.shape}, received {targets.shape}")
    return outputs - targets.astype(outputs.dtype, copy=False)


TABLE: dict[str, type[Loss]] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(loss: object) -> Loss:
    """A loss from a name, a saved configuration or an instance."""
    return lookup("loss", loss, TABLE, Loss)
