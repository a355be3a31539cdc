"""An image in a frame of zeros, for tiles that want no special cases at the border."""

from __future__ import annotations

from ..jit import inner
from .codegen.rows import copy_numbers


@inner
def fill(frame, image, H, W, C, HEIGHT, WIDTH, top, left):  # type: ignore[no-untyped-def]
    """Copy an image to (top, left) of a frame of zeros; what lies outside of it is left out."""
    first, stop = max(0, -top), min(H, HEIGHT - top)
    start, count = max(0, -left), min(W, WIDTH - left) - max(0, -left)
    for ih in range(first, stop):
        to = ((ih + top) * WIDTH + start + left) * C
        at = (ih * W + start) * C
        copy_numbers(image, at, frame, to, count * C)
