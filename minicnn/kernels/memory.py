"""Memory for results, aligned for vectors."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..typing import Array, Shape

LINE = 64  # bytes: a cache line, and the widest vector


def aligned(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """A new array, its numbers not set, that begins at a cache line: no vector straddles two."""
    size = prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + size].view(dtype).reshape(shape)
