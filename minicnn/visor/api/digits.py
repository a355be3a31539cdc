"""Test images as pictures: GET /api/digits.png?rows=5,8,13; as numbers: GET /api/digits/5."""

from __future__ import annotations

import io

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...report.contents import pixels
from ..answer import Answer
from ..requests import bad
from ..subject import Subject

MOST, COLUMNS = 512, 32  # images in one picture; in one of its rows


def sprite(request: Request) -> Response:
    """The images of these rows of the test part in one PNG: 32 beside each other, then the next 32.
    (`digits.js` shows them.)"""
    from PIL import Image

    x = _subject(request).images().x
    rows = _rows(request.query_params.get("rows", ""), len(x))
    images = pixels(x, rows)[..., 0]
    count, height, width = images.shape
    lines = -(-count // COLUMNS)
    sheet = np.zeros((lines * COLUMNS, height, width), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(lines, COLUMNS, height, width).swapaxes(1, 2)
    file = io.BytesIO()
    Image.fromarray(sheet.reshape(lines * height, COLUMNS * width)).save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png", headers={"Cache-Control": "no-store"})


def digit(request: Request) -> Answer:
    """One image: its pixels, row by row, in [0, 1], and its class; and how many there are."""
    part = _subject(request).images()
    row = int(_rows(str(request.path_params["row"]), len(part.x))[0])
    image = np.asarray(part.x[np.array([row])])[0, ..., 0]
    true = int(part.labels[row].argmax())
    return Answer(
        {
            "row": row,
            "count": len(part.x),
            "pixels": [round(float(value), 4) for value in image.ravel()],
            "true": true,
            "name": part.class_names[true],
        }
    )


def _rows(text: str, count: int) -> np.ndarray:
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
        raise bad(f"expected rows as whole numbers with commas between, received {text!r:.40}")
    if len(words) > MOST:
        raise bad(f"expected at most {MOST} rows, received {len(words):,}")
    rows = np.array(words, np.int64)
    if rows.max() >= count:
        raise bad(f"expected rows below {count:,}, received {rows.max():,}", 404)
    return rows


def _subject(request: Request) -> Subject:
    return request.app.state.subject


ROUTES = [Route("/digits.png", sprite), Route("/digits/{row:int}", digit)]
