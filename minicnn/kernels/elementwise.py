"""The doorway to what is computed number by number, or row by row.

Each is NumPy (elementwise.py), or its twin in Numba (pointwise.py), which the team shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from ..typing import Array
from . import numpy_elementwise
from .backend import current_backend, engine


def relu_backward(dy: Array, y: Array, *, backend: str | None = None) -> Array:
    """dy where y > 0, else 0, for y = max(x, 0); any shape."""
    if _numba(backend):
        dy, y = np.ascontiguousarray(dy), np.ascontiguousarray(y)
        return engine().relu_backward(dy, y, np.empty_like(dy))
    return numpy_elementwise.where_or_zero(y > 0, dy)


def softmax(z: Array, out: Array | None = None, *, backend: str | None = None) -> Array:
    """e^(z_k) / Σ_j e^(z_j) row by row; the maximum is subtracted first, so nothing overflows.

    Args:
        z: (N, K).
        out: where to write; it may be z itself.

    Returns:
        (N, K).
    """
    if _numba(backend) and z.flags.c_contiguous and z.size:
        y = np.empty_like(z) if out is None else out
        engine().softmax(z, y)
        return y
    return numpy_elementwise.softmax(z, out)


def softmax_crossentropy(z: Array, q: Array, *, backend: str | None = None) -> tuple[Array, Array]:
    """-Σ_k q_k · log softmax(z)_k row by row, and its gradient softmax(z) · Σq - q.

    Args:
        z: (N, K) logits.
        q: (N, K), the wanted distribution, of the same dtype.

    Returns:
        losses: (N,); dz: (N, K).
    """
    if _numba(backend):
        losses, dz = np.empty(len(z), z.dtype), np.empty_like(z)
        engine().softmax_crossentropy(np.ascontiguousarray(z), np.ascontiguousarray(q), losses, dz)
        return losses, dz
    return numpy_elementwise.softmax_crossentropy(z, q)


class AdamStep(NamedTuple):
    """The numbers of one step of Adam; t = 1, 2, … is the number of the step.

    g ← g + decay·w;  w ← keep·w;  m ← m + (1-β₁)(g - m);  s ← s + (1-β₂)(g² - s);
    w ← w - lr · m·step_scale / (√s·root_scale + ε), step_scale = 1/(1-β₁ᵗ), root_scale = 1/√(1-β₂ᵗ)
    """

    lr: float
    beta_1: float
    beta_2: float
    epsilon: float
    t: int
    decay: float = 0.0
    keep: float = 1.0

    def numbers(self) -> numpy_elementwise.AdamNumbers:
        """The step's factors."""
        return numpy_elementwise.AdamNumbers(
            lr=self.lr,
            one_minus_beta_1=1 - self.beta_1,
            one_minus_beta_2=1 - self.beta_2,
            root_scale=1 / sqrt(1 - self.beta_2**self.t),
            step_scale=1 / (1 - self.beta_1**self.t),
            epsilon=self.epsilon,
            decay=self.decay,
            keep=self.keep,
        )


class PreparedAdam:
    """Adam's step, in place and in one pass, over parameters (w, g, m, s), arrays of one dtype.

    What it costs to hand many small arrays to a kernel is paid once, as long as the arrays stay.

    Source: Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
    """

    def __init__(self, parameters: Sequence[tuple[Array, Array, Array, Array]]) -> None:
        self.parameters = parameters
        self._engine: Any = None

    def __reduce__(self) -> tuple[type[PreparedAdam], tuple[list[Any]]]:
        return PreparedAdam, ([],)  # a copy of an optimizer prepares for its own arrays

    def is_for(self, parameters: Sequence[tuple[str, Array, Array]]) -> bool:
        """Whether these (name, w, g) are the same arrays that it was prepared for."""
        return len(parameters) == len(self.parameters) and all(
            new[1] is old[0] and new[2] is old[1]
            for new, old in zip(parameters, self.parameters, strict=True)
        )

    def __call__(self, step: AdamStep) -> None:
        """Take the step."""
        if not self.parameters:
            return
        real = self.parameters[0][0].dtype.type
        numbers = numpy_elementwise.AdamNumbers(*map(real, step.numbers()))
        if _numba(None) and self._flat():
            if self._engine is None:
                self._engine = engine().Adam(self.parameters)
            self._engine.step(numbers)
            return
        for w, g, m, s in self.parameters:
            numpy_elementwise.adam(w, g, m, s, numbers)

    def _flat(self) -> bool:
        return self._engine is not None or all(
            array.flags.c_contiguous for arrays in self.parameters for array in arrays
        )


def adam(parameters: Sequence[tuple[Array, Array, Array, Array]], step: AdamStep) -> None:
    """PreparedAdam for once."""
    PreparedAdam(parameters)(step)


def take_scaled(pixels: Array, rows: Array, *, backend: str | None = None) -> Array:
    """pixels[rows] / 255: exactly the float32 nearest to it.

    Args:
        pixels: (N, D) uint8.
        rows: (n,) whole numbers in -N…N-1.

    Returns:
        (n, D) float32.

    Raises:
        IndexError: a row that isn't there.
    """
    if _numba(backend) and pixels.flags.c_contiguous and len(rows) and rows.dtype.kind in "iu":
        checked = rows.astype(np.int64)
        if checked.min() < -len(pixels) or checked.max() >= len(pixels):
            raise IndexError(f"expected rows in {-len(pixels)}…{len(pixels) - 1}")
        scaled = np.empty((len(rows), pixels.shape[1]), np.float32)
        engine().take_scaled(pixels, np.where(checked < 0, checked + len(pixels), checked), scaled)
        return scaled
    return numpy_elementwise.scale(pixels[rows])


def _numba(backend: str | None) -> bool:
    return (backend or current_backend()) == "numba"
