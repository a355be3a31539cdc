"""A zero-padded copy of an image, for tiles without special cases at the border."""

from __future__ import annotations

from ..jit import inlined
from .codegen.rows import copy_numbers


@inlined
def copy_padded(padded, image, H, W, C, HEIGHT, WIDTH, top, left):  # type: ignore[no-untyped-def]
    """Copy an image to (top, left) of `padded`, whose border is zero; clip what lies outside."""
    first, stop = max(0, -top), min(H, HEIGHT - top)
    start, count = max(0, -left), min(W, WIDTH - left) - max(0, -left)
    for ih in range(first, stop):
        to = ((ih + top) * WIDTH + start + left) * C
        at = (ih * W + start) * C
        copy_numbers(image, at, padded, to, count * C)
