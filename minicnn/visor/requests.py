"""Validation of requests."""

from __future__ import annotations

import asyncio
import reprlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar, cast

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ..strict_json import object_from_json
from ..typing import Array

JSON_BYTES = 64 * 1024  # 784 numbers with all their digits are 17 KB
BODY_SECONDS = 5.0  # until the whole body has arrived

T = TypeVar("T")
D = TypeVar("D")
_IN_NUMBERS = set("0123456789.e+-")


def bad(message: str, status: int = 400) -> HTTPException:
    """An error to raise; the answer is {"error": message}."""
    return HTTPException(status, message)


async def read_body(request: Request, most: int) -> bytes:
    """All of the body.

    Raises:
        HTTPException: 413 for more than `most` bytes, 408 after 5 s, 400 if the client
            disconnects.
    """
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > most:
        raise bad(f"expected at most {most:,} bytes, received {length:.20}", 413)
    try:
        return await asyncio.wait_for(_collect(request, most), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise bad(f"expected the whole request within {BODY_SECONDS:g} s", 408) from None
    except ClientDisconnect:
        raise bad("the request ended before its body was complete") from None


async def _collect(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise bad(f"expected at most {most:,} bytes, received more", 413)
        parts.append(part)
    return b"".join(parts)


async def read_object(request: Request, most: int = JSON_BYTES) -> dict[str, object]:
    """The body as a JSON object.

    Raises:
        HTTPException: 415 for another content type, 400 if it is not a JSON object; see read_body.
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
    """The content type of the request without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def pixels(value: object, shape: tuple[int, int]) -> Array:
    """The image whose pixels are listed row by row.

    Args:
        value: a list of H·W numbers in [0, 1].
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


def whole(source: Mapping[str, object], name: str, low: int, high: int) -> int:
    """A whole number from low to high, in a JSON object or (as text) in a query.

    Raises:
        HTTPException: another value, or none.
    """
    value = source.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise bad(
            f"expected {name} as a whole number from {low} to {high}, received {shown(value)}"
        )
    return value


def share(source: Mapping[str, object], name: str) -> float:
    """A number in [0, 1]; see `whole`."""
    value, number = source.get(name), -1.0
    is_text = isinstance(value, str) and set(value) <= _IN_NUMBERS
    if is_text or type(value) in (int, float):
        with suppress(ValueError, OverflowError):
            number = float(cast("str | float", value))
    if not 0 <= number <= 1:  # refuses NaN too
        raise bad(f"expected {name} as a number from 0 to 1, received {shown(value)}")
    return number


def word(source: Mapping[str, object], name: str, words: tuple[str, ...]) -> str:
    """One of `words`; see `whole`."""
    value = source.get(name)
    if not isinstance(value, str) or value not in words:
        raise bad(f"expected {name} as one of {', '.join(words)}, received {shown(value)}")
    return value


def optional(
    check: Callable[..., T], default: D, source: Mapping[str, object], name: str, *limits: object
) -> T | D:
    """check(source, name, *limits); `default` if the value is missing or null."""
    return default if source.get(name) is None else check(source, name, *limits)


def shown(value: object) -> str:
    """The first 60 characters of a received value, for a message."""
    return reprlib.repr(value)[:60]
