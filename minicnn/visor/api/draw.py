"""What the network says of a drawing, by two ways of preparing it; and drawings that are kept.

POST   /api/read            a PNG, or {"pixels": …}: what is it?
GET    /api/drawings        what is kept
POST   /api/drawings        {"image": a PNG as base64, "label": its class}: keep it
DELETE /api/drawings/last   take the last one back
"""

from __future__ import annotations

import base64
import binascii
import io
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from ...errors import DataError, ModelError
from ...pictures import prepare
from ...runs.classifier import check_finite
from ...typing import Array
from ..answer import Answer
from ..drawings import Drawings, Kept
from ..requests import bad, content_type, pixels, read_body, read_object, whole, word
from ..subject import Loaded

PNG_BYTES, PNG_PIXELS = 1280 * 1024, 1024 * 1024  # the page's largest photo may be all grain
POLARITIES = ("bright-on-dark", "dark-on-bright")


async def read(request: Request) -> Answer:
    """What is drawn? Takes a few milliseconds, in the event loop: a thread would cost more."""
    start = time.perf_counter()
    loaded = request.app.state.subject.loaded()
    shape = loaded.shape
    kind = content_type(request)
    if kind == "application/json":
        image = pixels((await read_object(request)).get("pixels"), shape)
        answer: dict[str, Any] = {"probabilities": _probabilities(loaded, image[None])[0]}
    elif kind == "image/png":
        grey = _grey(await read_body(request, PNG_BYTES))
        answer = _both_ways(loaded, grey, word(request.query_params, "polarity", POLARITIES, None))
    else:
        raise bad(f"expected image/png or application/json, received {kind or 'none'}", 415)
    took = 1000 * (time.perf_counter() - start)
    return Answer({"version": loaded.version, **answer, "milliseconds": round(took, 2)})


def _both_ways(loaded: Loaded, grey: Array, polarity: str | None) -> dict[str, Any]:
    """The picture made ready as the network's own images were (mostly as MNIST was), and as the
    tutorial's page does it; and both answers.

    The tutorial's way is the picture as it is, whatever its polarity.
    """
    shape = loaded.shape
    tutorial = prepare.tutorial_like(grey, shape)
    try:
        made = prepare.made_ready(grey, shape, loaded.model.preparation, polarity=polarity)
    except DataError as error:
        (second,) = _probabilities(loaded, tutorial[None])
        return {
            "mnist": {"error": str(error)},
            "tutorial": {"pixels": _short(tutorial), "probabilities": second},
        }
    first, second = _probabilities(loaded, np.stack([made.image, tutorial]))
    return {
        "mnist": {
            "pixels": _short(made.image),
            "probabilities": first,
            "picture": grey.shape,  # in whose pixels the box is
            "box": made.box,
            "scale": round(made.scale, 4),
            "widened": made.widened,
            "inverted": made.inverted,
        },
        "tutorial": {"pixels": _short(tutorial), "probabilities": second},
    }


def kept(request: Request) -> Answer:
    """GET /api/drawings"""
    drawings = _drawings(request)
    with _refusing():
        return Answer(_told(drawings, drawings.kept()))


async def keep(request: Request) -> Answer:
    """POST /api/drawings"""
    given = await read_object(request, PNG_BYTES * 4 // 3 + 1024)
    loaded, drawings = request.app.state.subject.loaded(), _drawings(request)
    names = loaded.class_names
    label = whole(given, "label", 0, len(names) - 1)
    polarity = word(given, "polarity", POLARITIES, None)
    grey = _grey(_decoded(given.get("image")))
    try:
        preparation = loaded.model.preparation
        image = prepare.made_ready(grey, loaded.shape, preparation, polarity=polarity).image
    except DataError as error:
        raise bad(str(error)) from error
    bright = np.rint(image * 255).astype(np.uint8)
    with _refusing():
        after = await run_in_threadpool(drawings.keep, bright, label, names, preparation)
        return Answer(_told(drawings, after))


def take_back(request: Request) -> Answer:
    """DELETE /api/drawings/last"""
    drawings = _drawings(request)
    with _refusing():
        return Answer(_told(drawings, drawings.take_back()))


def _told(drawings: Drawings, kept: Kept | None) -> dict[str, Any]:
    count = 0 if kept is None else len(kept.images)
    command = f"python -m minicnn.train --data {shlex.quote(str(drawings.folder))}"
    return {
        "folder": str(drawings.folder),
        "count": count,
        "command": command if count > 1 else None,
    }


@contextmanager
def _refusing() -> Iterator[None]:
    """What the sheet or the disk refuses becomes an answer."""
    try:
        yield
    except ValueError as error:  # DataError is one
        raise bad(str(error), 409) from error
    except OSError as error:  # a full disk, no rights, another visor that keeps the lock
        raise bad(f"The drawings in that folder can't be read or written: {error}", 507) from error


def _drawings(request: Request) -> Drawings:
    return request.app.state.drawings


def _grey(data: bytes) -> Array:
    """(H, W) of a PNG; of no other format."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise bad("expected a PNG, received something else")
    try:
        return prepare.read_grey(io.BytesIO(data), most=PNG_PIXELS)
    except DataError as error:
        raise bad(str(error)) from error


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError) as error:
        raise bad(f"expected image as a PNG in base64, received {error}") from error


def _probabilities(loaded: Loaded, images: Array) -> list[list[float]]:
    """(n, H, W) → n × classes."""
    found = loaded.model.predict(images[..., None])
    try:
        check_finite(found)
    except ModelError as error:
        raise bad(str(error), 409) from error
    return found.astype(np.float64).round(5).tolist()


def _short(image: Array) -> list[float]:
    return image.astype(np.float64).round(3).ravel().tolist()


ROUTES = [
    Route("/read", read, methods=["POST"]),
    Route("/drawings", kept, methods=["GET"]),
    Route("/drawings", keep, methods=["POST"]),
    Route("/drawings/last", take_back, methods=["DELETE"]),
]
