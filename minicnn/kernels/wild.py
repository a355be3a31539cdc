"""Whether numbers are all finite, as fast as they can be read."""

from __future__ import annotations

from .jit import inner


@inner
def count_wild(numbers, largest, found):  # type: ignore[no-untyped-def]
    """found[0] = how many are infinite or NaN; `largest` is their type's largest finite number."""
    count = 0
    for i in range(len(numbers)):
        count += 0 if abs(numbers[i]) <= largest else 1
    found[0] = count
