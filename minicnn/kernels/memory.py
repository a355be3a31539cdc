"""Arrays to write results into: fresh ones, or kept from call to call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..typing import Array, Shape

Room = Callable[[str, Shape, Any], Array]
"""room(name, shape, dtype): an array to write into, whose numbers are not set."""

LINE = 64  # bytes: a cache line, and the widest vector


def fresh(name: str, shape: Shape, dtype: Any) -> Array:
    """A new array that begins at a cache line, so that no vector straddles two."""
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + size].view(dtype).reshape(shape)


class KeptRoom(threading.local):
    """Room that is kept: the same name gives the same memory again, to each thread its own.

    New memory costs more than what is computed in small networks: the operating system hands it
    out page by page, zeroing each. What a call returned holds until the next one of that name.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Any], Array] = {}
        self._views: dict[tuple[str, Shape, Any], Array] = {}

    def __call__(self, name: str, shape: Shape, dtype: Any) -> Array:
        view = self._views.get((name, shape, dtype))
        if view is None:
            view = self._views[name, shape, dtype] = self._view(name, shape, dtype)
        return view

    def _view(self, name: str, shape: Shape, dtype: Any) -> Array:
        size = prod(shape)
        kept = self._kept.get((name, dtype))
        if kept is None or len(kept) < size:
            kept = self._kept[name, dtype] = fresh(name, (size,), dtype)
            # views of the memory that is given up would keep it alive
            self._views = {k: v for k, v in self._views.items() if (k[0], k[2]) != (name, dtype)}
        if len(self._views) > 64:  # batches of ever other sizes
            self._views.clear()
        return kept[:size].reshape(shape)
