"""Bilinear resampling in NumPy: where every pixel is read, then four gathers. See warping.py."""

from __future__ import annotations

import numpy as np

from ..typing import Array


def warp(
    x: Array, matrices: Array, rows: Array, columns: Array, displacement: Array, y: Array
) -> None:
    """Where every pixel is read, then four gathers from an image with zeros around it."""
    (N, H, W, C), real = x.shape, x.dtype.type
    (u, down), (v, right) = (
        _floor_and_rest(
            _places(matrices[:, axis], rows, columns, displacement[..., axis], axis), size
        )
        for axis, size in enumerate((H, W))
    )
    pixels = np.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0))).reshape(-1, C)
    image = np.arange(N).reshape(N, 1, 1) * (H + 3)
    corner = ((image + u + 1) * (W + 3) + v + 1).reshape(-1)
    down, right = down.reshape(-1, 1), right.reshape(-1, 1)

    def line(corner: Array) -> Array:
        """Between two pixels of one line; the second is not read if its weight is 0."""
        second = np.where(right > 0, pixels[corner + 1], real(0))
        return pixels[corner] * (1 - right) + second * right

    lower = np.where(down > 0, line(corner + W + 3), real(0))
    y.reshape(-1, C)[...] = line(corner) * (1 - down) + lower * down


def _places(matrix: Array, rows: Array, columns: Array, field: Array, axis: int) -> Array:
    """(N, H, W): the coordinate along `axis` at which each pixel is read; matrix (N, 3)."""
    real, sizes = matrix.dtype.type, (len(rows), len(columns))
    middle = [real(size - 1) / real(2) for size in sizes]
    di, dj = (np.arange(size, dtype=real) - m for size, m in zip(sizes, middle, strict=True))
    a, b, c = matrix.T[:, :, None, None]
    places = (a * di[:, None] + (c + middle[axis])) + b * dj
    for row, knots in zip(rows.T, np.moveaxis(field, 1, 0), strict=True):
        bent = np.zeros((len(field), len(columns)), real)
        for column, knot in zip(columns.T, knots.T, strict=True):
            bent += column * knot[:, None]
        places += row[:, None] * bent[:, None]
    return places


def _floor_and_rest(places: Array, size: int) -> tuple[Array, Array]:
    """The whole parts of the places, in -1…size, and their fractions; NaN is outside."""
    places = np.fmin(np.fmax(places, -1), size)
    whole = np.floor(places)
    return whole.astype(np.intp), places - whole
