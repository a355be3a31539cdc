"""The prediction for a drawing, with and without MNIST preprocessing; and saved drawings.

POST   /api/read            a PNG, or {"pixels": …}: predict its class
GET    /api/drawings        the folder of saved drawings and their number
POST   /api/drawings        {"image": a PNG as base64, "label": its class}: save it
DELETE /api/drawings/last   remove the last one
"""

from __future__ import annotations

import base64
import binascii
import io
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from ...errors import DataError, ModelError
from ...pictures import prepare
from ...runs.classifier import check_finite
from ...typing import Array
from ..answer import Answer
from ..drawings import Drawings, Sheet
from ..requests import bad, content_type, optional, pixels, read_body, read_object, whole, word
from ..subject import Loaded

PNG_BYTES, PNG_PIXELS = 1280 * 1024, 1024 * 1024  # even a photo of noise fits


async def read(request: Request) -> Answer:
    """Predict. Takes a few milliseconds, so it runs in the event loop: a thread would cost more."""
    start = time.perf_counter()
    loaded = request.app.state.subject.loaded()
    shape = loaded.shape
    kind = content_type(request)
    if kind == "application/json":
        image = pixels((await read_object(request)).get("pixels"), shape)
        answer: dict[str, object] = {"probabilities": _probabilities(loaded, image[None])[0]}
    elif kind == "image/png":
        grey = _grey(await read_body(request, PNG_BYTES))
        answer = _both_ways(loaded, grey, _polarity(request.query_params))
    else:
        raise bad(f"expected image/png or application/json, received {kind or 'none'}", 415)
    took = 1000 * (time.perf_counter() - start)
    return Answer({"version": loaded.version, **answer, "milliseconds": round(took, 2)})


def _both_ways(loaded: Loaded, grey: Array, polarity: str | None) -> dict[str, object]:
    """The picture prepared like the network's training images (usually MNIST preprocessing), and
    as in the tutorial; with both predictions.

    The tutorial's page only scales the picture: it does not look at the polarity.
    """
    tutorial = prepare.tutorial_like(grey, loaded.shape)
    try:
        prepared = _prepared(loaded, grey, polarity)
        first, second = _probabilities(loaded, np.stack([prepared.image, tutorial]))
        mnist: dict[str, object] = {
            "pixels": _short(prepared.image),
            "probabilities": first,
            "picture": grey.shape,  # the box is in its pixels
            "box": prepared.box,
            "scale": round(prepared.scale, 4),
            "widened": prepared.widened,
            "inverted": prepared.inverted,
        }
    except DataError as error:
        (second,) = _probabilities(loaded, tutorial[None])
        mnist = {"error": str(error)}
    return {"mnist": mnist, "tutorial": {"pixels": _short(tutorial), "probabilities": second}}


def saved(request: Request) -> Answer:
    """GET /api/drawings"""
    drawings = _drawings(request)
    with _storage_errors():
        return _summary(drawings, drawings.load())


async def save(request: Request) -> Answer:
    """POST /api/drawings"""
    given = await read_object(request, PNG_BYTES * 4 // 3 + 1024)
    loaded, drawings = request.app.state.subject.loaded(), _drawings(request)
    names = loaded.class_names
    label = whole(given, "label", 0, len(names) - 1)
    polarity, grey = _polarity(given), _grey(_decoded(given.get("image")))
    try:
        image = _prepared(loaded, grey, polarity).image
    except DataError as error:
        raise bad(str(error)) from error
    grey_bytes = np.rint(image * 255).astype(np.uint8)
    preparation = loaded.model.preparation
    with _storage_errors():
        sheet = await run_in_threadpool(drawings.add, grey_bytes, label, names, preparation)
        return _summary(drawings, sheet)


def remove_last(request: Request) -> Answer:
    """DELETE /api/drawings/last"""
    drawings = _drawings(request)
    with _storage_errors():
        return _summary(drawings, drawings.remove_last())


def _summary(drawings: Drawings, sheet: Sheet | None) -> Answer:
    count, folder = 0 if sheet is None else len(sheet.images), str(drawings.folder)
    command = f"python -m minicnn.train --data {shlex.quote(folder)}"
    return Answer({"folder": folder, "count": count, "command": command if count > 1 else None})


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn errors of the sheet or the disk into answers."""
    try:
        yield
    except ValueError as error:  # DataError is one
        raise bad(str(error), 409) from error
    except OSError as error:  # a full disk, no permission, another visor holds the lock
        raise bad(f"The drawings in that folder can't be read or written: {error}", 507) from error


def _drawings(request: Request) -> Drawings:
    return request.app.state.drawings


def _prepared(loaded: Loaded, grey: Array, polarity: str | None) -> prepare.Prepared:
    return prepare.prepare_picture(grey, loaded.shape, loaded.model.preparation, polarity=polarity)


def _polarity(source: Mapping[str, object]) -> str | None:
    return optional(word, None, source, "polarity", ("bright-on-dark", "dark-on-bright"))


def _grey(data: bytes) -> Array:
    """(H, W) of a PNG; other formats are refused."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise bad("expected a PNG, received something else")
    try:
        return prepare.read_grey(io.BytesIO(data), most=PNG_PIXELS)
    except DataError as error:
        raise bad(str(error)) from error


def _decoded(value: object) -> bytes:
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
    Route("/drawings", saved, methods=["GET"]),
    Route("/drawings", save, methods=["POST"]),
    Route("/drawings/last", remove_last, methods=["DELETE"]),
]
