"""What the page asks, checked before anybody works with it."""

from __future__ import annotations

import asyncio
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ..strict_json import object_from_json
from ..typing import Array

JSON_BYTES = 64 * 1024  # 784 numbers with all their digits are 17 KB
SECONDS = 5.0  # until all of a body has to be there

_IN_NUMBERS = set("0123456789.e+-")


def bad(message: str, status: int = 400) -> HTTPException:
    """The answer to what can't be done, for raising: `{"error": message}`."""
    return HTTPException(status, message)


async def read_body(request: Request, most: int) -> bytes:
    """All of the body.

    Raises:
        HTTPException: 413 for more than `most` bytes, 408 if it takes longer than 5 s, 400 if it
            breaks off.
    """
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said[:20]) > most:  # digits, or the server had refused it
        raise bad(f"expected at most {most:,} bytes, received {said:.20}", 413)
    try:
        return await asyncio.wait_for(_collect(request, most), SECONDS)
    except asyncio.TimeoutError:
        raise bad(f"expected the whole request within {SECONDS:g} s", 408) from None
    except ClientDisconnect:
        raise bad("the request broke off before its end") from None


async def _collect(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise bad(f"expected at most {most:,} bytes, received more", 413)
        parts.append(part)
    return b"".join(parts)


async def read_object(request: Request, most: int = JSON_BYTES) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        HTTPException: 415 if it says that it is something else, 400 if it is; see read_body.
    """
    kind = content_type(request)
    if kind != "application/json":
        raise bad(f"expected content-type application/json, received {kind or 'none'}", 415)
    data = await read_body(request, most)
    try:
        return object_from_json(data)
    except ValueError as error:  # UnicodeDecodeError is a ValueError
        raise bad(f"expected a JSON object, received {error}") from None


def content_type(request: Request) -> str:
    """What the body is said to be, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def pixels(value: Any, shape: tuple[int, int]) -> Array:
    """An image for the network from a list of its pixels, row by row.

    Args:
        value: what came as JSON: H·W numbers in [0, 1].
        shape: (H, W).

    Returns:
        (H, W) float32.

    Raises:
        HTTPException: it is something else.
    """
    count = shape[0] * shape[1]
    if not isinstance(value, list) or len(value) != count:
        what = f"{len(value)} of them" if isinstance(value, list) else type(value).__name__
        raise bad(f"expected pixels as a list of {count} numbers in [0, 1], received {what}")
    if not all(type(number) in (int, float) and 0 <= number <= 1 for number in value):
        raise bad(f"expected pixels as {count} numbers in [0, 1], received others among them")
    return np.array(value, np.float32).reshape(shape)


def whole(source: Mapping[str, Any], name: str, low: int, high: int, default: Any = ...) -> Any:
    """A whole number in low … high, from a JSON object or from an address's query, where it is
    text; `default` where it is missing, or null.

    Raises:
        HTTPException: it is something else, or missing without a default.
    """
    value = source.get(name)
    if value is None and default is not ...:
        return default
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise bad(
            f"expected {name} as a whole number from {low} to {high}, received {shown(value)}"
        )
    return value


def share(source: Mapping[str, Any], name: str, default: float) -> float:
    """A number in [0, 1], from a query or a JSON object; as `whole`.

    Raises:
        HTTPException: it is something else.
    """
    value = source.get(name)
    if value is None:
        return default
    number = -1.0
    if type(value) in (int, float) or (isinstance(value, str) and set(value) <= _IN_NUMBERS):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if not 0 <= number <= 1:  # NaN is not, either
        raise bad(f"expected {name} as a number from 0 to 1, received {shown(value)}")
    return number


def word(source: Mapping[str, Any], name: str, words: tuple[str, ...], default: Any = ...) -> Any:
    """One of `words`; as `whole`.

    Raises:
        HTTPException: it is something else, or missing without a default.
    """
    value = source.get(name)
    if value is None and default is not ...:
        return default
    if value not in words:
        raise bad(f"expected {name} as one of {', '.join(words)}, received {shown(value)}")
    return value


def shown(value: Any) -> str:
    """The beginning of what was received, for a message: however large, deep or odd it is."""
    return reprlib.repr(value)[:60]
