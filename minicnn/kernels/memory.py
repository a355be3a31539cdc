"""Memory for results, aligned for vectors."""

from __future__ import annotations

from math import prod

import numpy as np

from ..typing import Array, Shape

DType = np.dtype[np.float32] | np.dtype[np.float64]
CACHE_LINE = 64  # bytes; also the widest vector


def aligned(shape: Shape, dtype: np.dtype[np.generic]) -> Array:
    """An uninitialized array that begins at a cache line, so that no vector straddles two lines."""
    size = prod(shape) * dtype.itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + size].view(dtype).reshape(shape)
