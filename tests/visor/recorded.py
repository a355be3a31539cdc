"""Fifty recorded drawings, five of each digit: off-centre, small, thin, thick, tilted, large …

`DRAWINGS`: each {"label": its digit, "kind": "thin" …, "width": of the pen, "strokes": of points
[x, y] in a drawing area of 280×280}.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = 280
DRAWINGS = json.loads(Path(__file__).with_name("drawings.json").read_text())
FINE = 2  # drawn at twice the size, then averaged


def rasterized(drawing):
    """(280, 280) float32 in [0, 1]: the drawing with round ends and corners."""
    image = Image.new("L", (FINE * SIZE, FINE * SIZE))
    pen, radius = ImageDraw.Draw(image), FINE * drawing["width"] / 2
    for stroke in drawing["strokes"]:
        points = [(FINE * x, FINE * y) for x, y in stroke]
        pen.line(points, 255, round(2 * radius), "curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return np.asarray(image.reduce(FINE), np.float32) / 255
