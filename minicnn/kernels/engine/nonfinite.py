"""Count the numbers that are infinite or NaN, as fast as they can be read."""

from __future__ import annotations

import numpy as np

from ..jit import inlined
from ..memory import DType


def largest_finite(dtype: DType) -> float:
    """The dtype's largest finite number."""
    return float(np.finfo(dtype).max)


@inlined
def count_nonfinite(numbers, largest, found):  # type: ignore[no-untyped-def]
    """found[0] = how many are infinite or NaN; `largest` is largest_finite of their dtype."""
    count = 0
    for i in range(len(numbers)):
        count += 0 if abs(numbers[i]) <= largest else 1
    found[0] = count


@inlined
def count_nonfinite_piece(number, numbers, largest, found):  # type: ignore[no-untyped-def]
    """The same for piece `number` of len(found) pieces: found[number]."""
    size = (len(numbers) + len(found) - 1) // len(found)
    first = min(len(numbers), number * size)
    count_nonfinite(numbers[first : first + size], largest, found[number:])
