"""Fast versions of arithmetic on single numbers or rows: one compiled pass instead of several.

The formulas stand where a reader looks for them: ReLU and softmax in layers/activation.py, softmax
with cross-entropy in losses.py, Adam in optimizers.py. These functions compute the same with Numba
(engine/elementwise.py); tests compare them. Only relu_backward and take_scaled work without Numba.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple, Protocol

import numpy as np

from ..typing import Array
from .backend import current_backend, engine
from .numpy_kernels import where_or_zero


def relu_backward(dy: Array, y: Array, *, backend: str | None = None) -> Array:
    """dy where y > 0, else 0, for y = max(x, 0); any shape."""
    if _numba(backend):
        dy, y = np.ascontiguousarray(dy), np.ascontiguousarray(y)
        return engine().relu_backward(dy, y, np.empty_like(dy))
    return where_or_zero(y > 0, dy)


def softmax(z: Array, out: Array | None = None) -> Array:
    """e^(z_k) / Σ_j e^(z_j) row by row; the maximum is subtracted first, so nothing overflows.

    Args:
        z: (N, K).
        out: (N, K), C-contiguous, for the result; it may be z itself.

    Returns:
        (N, K).

    Raises:
        ImportError: Numba is not installed.
    """
    z = np.ascontiguousarray(z)
    y = np.empty_like(z) if out is None else out
    if z.size:
        engine().softmax(z, y)
    return y


def softmax_crossentropy(z: Array, q: Array) -> tuple[Array, Array]:
    """-Σ_k q_k · log softmax(z)_k row by row, and its gradient softmax(z) · Σq - q.

    Args:
        z: (N, K) logits.
        q: (N, K), the wanted distribution, of the same dtype.

    Returns:
        losses: (N,); dz: (N, K).

    Raises:
        ImportError: Numba is not installed.
    """
    losses, dz = np.empty(len(z), z.dtype), np.empty_like(z)
    engine().softmax_crossentropy(np.ascontiguousarray(z), np.ascontiguousarray(q), losses, dz)
    return losses, dz


class AdamNumbers(NamedTuple):
    """The factors in one step of Adam; see AdamStep."""

    lr: float
    one_minus_beta_1: float
    one_minus_beta_2: float
    root_scale: float
    step_scale: float
    epsilon: float
    decay: float
    keep: float


class AdamStep(NamedTuple):
    """The arguments of one step of Adam; t = 1, 2, … is the number of the step.

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

    def numbers(self) -> AdamNumbers:
        """The step's factors."""
        return AdamNumbers(
            lr=self.lr,
            one_minus_beta_1=1 - self.beta_1,
            one_minus_beta_2=1 - self.beta_2,
            root_scale=1 / sqrt(1 - self.beta_2**self.t),
            step_scale=1 / (1 - self.beta_1**self.t),
            epsilon=self.epsilon,
            decay=self.decay,
            keep=self.keep,
        )


class _Step(Protocol):
    """engine.operations.Adam."""

    def step(self, numbers: tuple[float, ...]) -> None: ...


class PreparedAdam:
    """Adam's step, in place and in one pass, over parameters (w, g, m, s), arrays of one dtype.

    Handing many small arrays to a kernel takes time; this happens once, as long as the arrays stay
    the same.

    Source: Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
    """

    def __init__(self, parameters: Sequence[tuple[Array, Array, Array, Array]]) -> None:
        self.parameters = parameters
        self._engine: _Step | None = None

    def __reduce__(self) -> tuple[type[PreparedAdam], tuple[tuple[()]]]:
        return PreparedAdam, ((),)  # a copy of an optimizer prepares for its own arrays

    def is_for(self, parameters: Sequence[tuple[str, Array, Array]]) -> bool:
        """Whether these (name, w, g) are the arrays of this object."""
        return len(parameters) == len(self.parameters) and all(
            new[1] is old[0] and new[2] is old[1]
            for new, old in zip(parameters, self.parameters, strict=True)
        )

    def __call__(self, step: AdamStep) -> bool:
        """Take the step. False: an array is not C-contiguous, nothing was done."""
        if not self.parameters:
            return True
        if self._engine is None:
            arrays = (array for arrays in self.parameters for array in arrays)
            if not all(array.flags.c_contiguous for array in arrays):
                return False
            self._engine = engine().Adam(self.parameters)
        real = self.parameters[0][0].dtype.type
        self._engine.step(AdamNumbers(*map(real, step.numbers())))
        return True


def take_scaled(pixels: Array, rows: Array, *, backend: str | None = None) -> Array:
    """pixels[rows] / 255: exactly the float32 nearest to it.

    Args:
        pixels: (N, D) uint8.
        rows: (n,) whole numbers in -N…N-1.

    Returns:
        (n, D) float32.

    Raises:
        IndexError: a row is out of range.
    """
    if _numba(backend) and pixels.flags.c_contiguous and len(rows) and rows.dtype.kind in "iu":
        checked = rows.astype(np.int64)
        if checked.min() < -len(pixels) or checked.max() >= len(pixels):
            raise IndexError(f"expected rows in {-len(pixels)}…{len(pixels) - 1}")
        scaled = np.empty((len(rows), pixels.shape[1]), np.float32)
        engine().take_scaled(pixels, np.where(checked < 0, checked + len(pixels), checked), scaled)
        return scaled
    return scale(pixels[rows])


def scale(pixels: Array) -> Array:
    """uint8 of any shape → float32: exactly the float32 nearest to k/255."""
    # Division: a multiplication by 1/255 differs in the last bit for some of the 256 values.
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _numba(backend: str | None) -> bool:
    return (backend or current_backend()) == "numba"
