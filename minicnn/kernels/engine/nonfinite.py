"""Whether numbers are all finite, as fast as they can be read."""

from __future__ import annotations

from ..jit import inner


@inner
def count_wild(numbers, largest, found):  # type: ignore[no-untyped-def]
    """found[0] = how many are infinite or NaN; `largest` is their type's largest finite number."""
    count = 0
    for i in range(len(numbers)):
        count += 0 if abs(numbers[i]) <= largest else 1
    found[0] = count


@inner
def count_wild_piece(number, numbers, largest, found):  # type: ignore[no-untyped-def]
    """The same of the piece `number` out of len(found): found[number]."""
    size = (len(numbers) + len(found) - 1) // len(found)
    first = min(len(numbers), number * size)
    count_wild(numbers[first : first + size], largest, found[number:])
