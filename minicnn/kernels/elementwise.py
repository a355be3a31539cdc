"""Arithmetic on each number by itself."""

from __future__ import annotations

import numpy as np

from ..typing import Array


def where_or_zero(mask: Array, a: Array) -> Array:
    """np.where(mask, a, 0) for floats, several times faster where the mask is irregular.

    The bits of a are multiplied by 1 or 0, which needs no branch; and unlike a float product it
    turns an infinity or NaN that the mask leaves out into 0.
    """
    bits = a.view(np.uint32 if a.itemsize == 4 else np.uint64)
    return (bits * mask).view(a.dtype)
