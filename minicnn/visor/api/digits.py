"""Test images as pictures: GET /api/digits.png?rows=5,8,13; as numbers: GET /api/digits/5."""

from __future__ import annotations

import io

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...report.contents import pixels
from ...typing import Array
from ..answer import Answer
from ..requests import bad

MAX_IMAGES, COLUMNS = 512, 32  # of a picture; images per row


def sprite(request: Request) -> Response:
    """The test images with these indices in one PNG, 32 in a row. (`digits.js` shows them.)"""
    from PIL import Image

    x = request.app.state.subject.images().x
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
    """One image: its pixels, row by row, in [0, 1], its class, and the number of test images."""
    images = request.app.state.subject.images()
    row = int(_rows(str(request.path_params["row"]), len(images.x))[0])
    image = np.asarray(images.x[np.array([row])])[0, ..., 0]
    true = int(images.labels[row].argmax())
    return Answer(
        {
            "row": row,
            "count": len(images.x),
            "pixels": [round(float(value), 4) for value in image.ravel()],
            "true": true,
            "name": images.class_names[true],
        }
    )


def _rows(text: str, count: int) -> Array:
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
        raise bad(f"expected rows as whole numbers separated by commas, received {text!r:.40}")
    if len(words) > MAX_IMAGES:
        raise bad(f"expected at most {MAX_IMAGES} rows, received {len(words):,}")
    rows = np.array(words, np.int64)
    if rows.max() >= count:
        raise bad(f"expected rows below {count:,}, received {rows.max():,}", 404)
    return rows


ROUTES = [Route("/digits.png", sprite), Route("/digits/{row:int}", digit)]
