"""Validated reads from a saved state, and the check of a whole number given as an argument.

The state that set_state() gets may come from a file that somebody changed. It reads each entry
with one of these functions, so that a wrong entry fails at once, not a hundred steps later. They
raise ValueError, which names the entry, what was expected and what was received.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, SupportsIndex, TypeGuard

import numpy as np

from .typing import Array

LARGEST = 2**63 - 1


def whole_number(name: str, value: object, minimum: int = 1) -> int:
    """The argument `name` as an int.

    Raises:
        TypeError: not a whole number.
        ValueError: below `minimum`.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, SupportsIndex):
        raise TypeError(f"expected {name} as a whole number, received {value!r}")
    number = operator.index(value)
    if number < minimum:
        raise ValueError(f"expected {name} >= {minimum}, received {value!r}")
    return number


def whole(saved: object, name: str, minimum: int = 0, maximum: int = LARGEST) -> int:
    """A whole number from `minimum` to `maximum`."""
    value = _entry(saved, name)
    if not isinstance(value, SupportsIndex) or isinstance(value, (bool, np.ndarray)):
        raise _unexpected(name, "a whole number", value)
    if not minimum <= operator.index(value) <= maximum:
        above = "" if maximum == LARGEST else f" and <= {maximum}"
        raise _unexpected(name, f"a whole number >= {minimum}{above}", value)
    return operator.index(value)


def number(saved: object, name: str) -> float:
    """A number; it may be NaN or infinite."""
    value = _entry(saved, name)
    if not _is_number(value):
        raise _unexpected(name, "a number", value)
    return float(value)


def text(saved: object, name: str) -> str:
    """A string."""
    value = _entry(saved, name)
    if not isinstance(value, str):
        raise _unexpected(name, "text", value)
    return value


def numbers(saved: object, name: str, length: int | None = None) -> list[float]:
    """A list of numbers, not converted; of this length, if one is given."""
    values = _entry(saved, name)
    if not isinstance(values, (list, tuple)) or not all(_is_number(value) for value in values):
        raise _unexpected(name, "a list of numbers", values)
    if length is not None and len(values) != length:
        raise _unexpected(name, f"{length} numbers", values)
    return list(values)


def table(saved: object, name: str) -> dict[str, Any]:
    """A dict, copied."""
    value = _entry(saved, name)
    if not isinstance(value, Mapping):
        raise _unexpected(name, "entries by name", value)
    return dict(value)


def rows(saved: object, name: str) -> list[Any]:
    """A list, copied."""
    value = _entry(saved, name)
    if not isinstance(value, (list, tuple)):
        raise _unexpected(name, "a list", value)
    return list(value)


def like(array: object, expected: Array, name: str) -> Array:
    """`array`, if it has the shape and the dtype of `expected`."""
    if not isinstance(array, np.ndarray):
        raise _unexpected(name, f"an array {expected.shape}", array)
    if (array.shape, array.dtype) != (expected.shape, expected.dtype):
        raise ValueError(
            f"{name}: expected {expected.dtype} {expected.shape}, "
            f"received {array.dtype} {array.shape}"
        )
    return array


def generator(saved: object, name: str, rng: np.random.Generator) -> dict[str, object]:
    """A state that `rng` accepts: it is tried on another generator of its kind."""
    state = table(saved, name)
    try:
        type(rng.bit_generator)(0).state = state
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"expected {name} as a generator's state: {error}") from error
    return state


def shown(value: object) -> str:
    """`value` for a message: one line, at most 100 characters."""
    return " ".join(repr(value).split())[:100]


def _entry(saved: object, name: str) -> object:
    if not isinstance(saved, Mapping):
        raise ValueError(f"expected an entry {name!r}, received {shown(saved)}")
    if name not in saved:
        raise ValueError(f"expected an entry {name!r}, received {shown(sorted(saved))}")
    return saved[name]


def _is_number(value: object) -> TypeGuard[float]:
    """A number of Python or NumPy; JSON may hold integers of thousands of digits."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= LARGEST
    return isinstance(value, (float, np.floating, np.integer))


def _unexpected(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"expected {name} as {expected}, received {shown(value)}")
