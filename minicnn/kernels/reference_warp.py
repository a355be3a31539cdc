"""Bilinear resampling in plain loops: the definition of `warp`, for augmentation.

Arguments as in warping.py; `rows` (H, GH) and `columns` (W, GW) are the splines' weights.
"""

from __future__ import annotations

import numpy as np

from ..typing import Array


def warp(
    x: Array, matrices: Array, rows: Array, columns: Array, displacement: Array, y: Array
) -> None:
    """y[n, i, j] = the mean of the four pixels of x[n] around (u, v), weighted by their distance.

    With the image's centre h = (H-1)/2, w = (W-1)/2, and du, dv = displacement[n, a, b]:
    u = (m[0, 0]·(i-h) + (m[0, 2] + h)) + m[0, 1]·(j-w) + Σ_a rows[i, a] · Σ_b columns[j, b] · du,
    v = (m[1, 0]·(i-h) + (m[1, 2] + w)) + m[1, 1]·(j-w) + Σ_a rows[i, a] · Σ_b columns[j, b] · dv,
    added from left to right. Outside is zero; a pixel of weight 0 is not read.
    """
    real, (N, H, W, _) = x.dtype.type, x.shape
    middle = real(H - 1) / real(2), real(W - 1) / real(2)
    for n, i, j in np.ndindex(N, H, W):
        di, dj = real(i) - middle[0], real(j) - middle[1]
        place = []
        for m, field, centre, size in zip(
            matrices[n], np.moveaxis(displacement[n], 2, 0), middle, (H, W), strict=True
        ):
            u = (m[0] * di + (m[2] + centre)) + m[1] * dj
            for a in range(rows.shape[1]):
                bent = real(0)
                for b in range(columns.shape[1]):
                    bent += columns[j, b] * field[a, b]
                u += rows[i, a] * bent
            place.append(min(real(size), max(real(-1), u)))  # NaN, of numbers too large: outside
        y[n, i, j] = _between(x[n], *place)


def _between(image: Array, u: np.floating, v: np.floating) -> Array:
    """(C,): the image (H, W, C) at (u, v), bilinear."""
    one = image.dtype.type(1)
    top, left = np.floor(u), np.floor(v)
    du, dv = u - top, v - left
    line = []
    for ih in (int(top), int(top) + 1):
        pixels = []
        for iw in (int(left), int(left) + 1):
            inside = 0 <= ih < image.shape[0] and 0 <= iw < image.shape[1]
            read = inside and (ih == top or du > 0) and (iw == left or dv > 0)
            pixels.append(image[ih, iw] if read else np.zeros_like(image[0, 0]))
        line.append(pixels[0] * (one - dv) + pixels[1] * dv)
    return line[0] * (one - du) + line[1] * du
