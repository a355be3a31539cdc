"""Strict JSON: what every reader accepts. Python's own module also reads and writes NaN."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def to_json(value: object) -> str:
    """`value` on one line; ValueError if a number in it is not finite."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str | bytes, allow_nan: bool = False) -> Any:
    """The value that `text` holds.

    Raises:
        ValueError: not strict JSON (allow_nan=True: not Python's JSON), or nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=None if allow_nan else _refuse)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def object_from_json(text: str | bytes, allow_nan: bool = False) -> dict[str, Any]:
    """The JSON object that `text` holds.

    Raises:
        ValueError: it is another value, or as from_json().
    """
    value = from_json(text, allow_nan)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, not an object")
    return value


def number(value: float, digits: int = 9) -> float | int | None:
    """A number rounded to significant digits (9: all that a float32 holds); None if it is not
    finite."""
    if isinstance(value, int):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    value = float(f"{value:.{digits}g}")
    return int(value) if value.is_integer() and abs(value) < 10**digits else value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is not a number in JSON")
