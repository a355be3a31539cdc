"""Bilinear resampling of images, jitted; the team shares the images.

The steps are those of reference.warp, number by number in its order, so that the results are the
same to the bit. Each step goes over the whole image: a loop over 784 pixels becomes vector code,
one over the 28 of a line is over before it has begun. What no vector can do, to fetch four pixels
from anywhere, is a loop of its own.
"""

from __future__ import annotations

import numpy as np

from ..jit import inner, jit
from .threads.work_sharing import share


@jit
def warp(team, x, matrices, rows, columns, displacement, y):  # type: ignore[no-untyped-def]
    """Arguments as reference.warp; the batch is cut into at most 16 pieces."""
    size = max(1, (len(x) + 15) // 16)
    args = (x, matrices, rows, columns, displacement, y, size)
    share(team, (len(x) + size - 1) // size, _warp_piece, args)


@inner
def _warp_piece(number, x, matrices, rows, columns, displacement, y, size):  # type: ignore[no-untyped-def]
    N, H, W, C = x.shape
    real = x.dtype.type
    zero, one, bottom, right = real(0), real(1), real(H), real(W)
    middle_h, middle_w = real(H - 1) / real(2), real(W - 1) / real(2)
    # zeros around the image: whatever is read outside of it, is read there
    padded = np.zeros((H + 3, W + 3, C), x.dtype)
    pixels, line = padded.reshape(-1), (W + 3) * C
    bent = np.empty((2, W), x.dtype)
    us, vs = np.empty(H * W, x.dtype), np.empty(H * W, x.dtype)
    corners = np.empty(H * W, np.intp)
    upper_left, upper_right = np.empty(H * W, x.dtype), np.empty(H * W, x.dtype)
    lower_left, lower_right = np.empty(H * W, x.dtype), np.empty(H * W, x.dtype)
    for n in range(number * size, min((number + 1) * size, N)):
        for i in range(H):
            for j in range(W):
                for c in range(C):
                    padded[i + 1, j + 1, c] = x[n, i, j, c]
        # where each pixel is read
        m = matrices[n]
        for i in range(H):
            di = real(i) - middle_h
            u = m[0, 0] * di + (m[0, 2] + middle_h)
            v = m[1, 0] * di + (m[1, 2] + middle_w)
            for j in range(W):
                dj = real(j) - middle_w
                us[i * W + j] = u + m[0, 1] * dj
                vs[i * W + j] = v + m[1, 1] * dj
        for a in range(rows.shape[1]):
            for j in range(W):
                bent[0, j] = bent[1, j] = zero
            for b in range(columns.shape[1]):
                du, dv = displacement[n, a, b, 0], displacement[n, a, b, 1]
                for j in range(W):
                    bent[0, j] += columns[j, b] * du
                    bent[1, j] += columns[j, b] * dv
            for i in range(H):
                for j in range(W):
                    us[i * W + j] += rows[i, a] * bent[0, j]
                    vs[i * W + j] += rows[i, a] * bent[1, j]
        # the upper left one of the four pixels around it, and how far beyond that
        for k in range(H * W):
            u, v = us[k], vs[k]
            u = u if u > -one else -one
            u = u if u < bottom else bottom
            v = v if v > -one else -one
            v = v if v < right else right
            whole_u, whole_v = np.floor(u), np.floor(v)
            us[k], vs[k] = u - whole_u, v - whole_v
            corners[k] = (np.intp(whole_u) + 1) * line + (np.intp(whole_v) + 1) * C
        out = y[n].reshape(H * W, C)
        for c in range(C):
            for k in range(H * W):
                corner = corners[k] + c
                upper_left[k], upper_right[k] = pixels[corner], pixels[corner + C]
                lower_left[k], lower_right[k] = pixels[corner + line], pixels[corner + line + C]
            for k in range(H * W):
                u, v = us[k], vs[k]
                p01 = upper_right[k] if v > zero else zero
                p10 = lower_left[k] if u > zero else zero
                p11 = lower_right[k] if (u > zero) & (v > zero) else zero
                upper = upper_left[k] * (one - v) + p01 * v
                lower = p10 * (one - v) + p11 * v
                out[k, c] = upper * (one - u) + lower * u
