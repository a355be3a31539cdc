"""Strict JSON: what every reader understands. Python's own writes NaN, which most refuse."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(value: Any) -> str:
    """`value` on one line; ValueError if a number in it is not finite."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Any:
    """What to_json() wrote; ValueError for anything but strict JSON."""
    return json.loads(text, parse_constant=_refuse)


def number(value: float, digits: int = 9) -> float | int | None:
    """A number rounded to significant digits (9: all that a float32 holds); None where it is not
    finite."""
    if isinstance(value, int):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    value = float(f"{value:.{digits}g}")
    return int(value) if value.is_integer() and abs(value) < 10**digits else value


def _refuse(word: str) -> Any:
    raise ValueError(f"expected numbers as strict JSON has them, received {word}")
