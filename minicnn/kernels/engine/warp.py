"""Bilinear resampling of images, compiled; threads share the images.

The steps are those of the reference, in the same order for each number, so that the results are
equal to the bit. Each step is a loop over the whole image: 784 pixels become vector code, while a
loop over the 28 pixels of a line is too short. Loading four pixels from arbitrary places can't be
vectorized, so it has a loop of its own.
"""

from __future__ import annotations

import numpy as np

from ..jit import inlined, jit
from .threads.work_sharing import share


@jit
def warp(team, x, matrices, rows, columns, displacement, y):  # type: ignore[no-untyped-def]
    """Arguments as in the reference; the batch is cut into at most 16 pieces."""
    size = max(1, (len(x) + 15) // 16)
    args = (x, matrices, rows, columns, displacement, y, size)
    share(team, (len(x) + size - 1) // size, _warp_piece, args)


@inlined
def _warp_piece(number, x, matrices, rows, columns, displacement, y, size):  # type: ignore[no-untyped-def]
    N, H, W, C = x.shape
    # zeros around the image: all reads outside of it end there
    padded = np.zeros((H + 3, W + 3, C), x.dtype)
    bent = np.empty((2, W), x.dtype)
    us, vs = np.empty(H * W, x.dtype), np.empty(H * W, x.dtype)
    corners, neighbours = np.empty(H * W, np.intp), np.empty((4, H * W), x.dtype)
    for n in range(number * size, min((number + 1) * size, N)):
        for i in range(H):
            for j in range(W):
                for c in range(C):
                    padded[i + 1, j + 1, c] = x[n, i, j, c]
        _positions(H, W, matrices[n], rows, columns, displacement[n], bent, us, vs)
        _corners(H, W, C, us, vs, corners)
        _interpolate(W, C, padded.reshape(-1), us, vs, corners, neighbours, y[n].reshape(H * W, C))


@inlined
def _positions(H, W, m, rows, columns, displacement, bent, us, vs):  # type: ignore[no-untyped-def]
    """(us, vs): where each output pixel reads the image."""
    real = us.dtype.type
    middle_h, middle_w = real(H - 1) / real(2), real(W - 1) / real(2)
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
            bent[0, j] = bent[1, j] = real(0)
        for b in range(columns.shape[1]):
            du, dv = displacement[a, b, 0], displacement[a, b, 1]
            for j in range(W):
                bent[0, j] += columns[j, b] * du
                bent[1, j] += columns[j, b] * dv
        for i in range(H):
            for j in range(W):
                us[i * W + j] += rows[i, a] * bent[0, j]
                vs[i * W + j] += rows[i, a] * bent[1, j]


@inlined
def _corners(H, W, C, us, vs, corners):  # type: ignore[no-untyped-def]
    """The upper left of the four pixels around each position; (us, vs) becomes the rest."""
    real, line = us.dtype.type, (W + 3) * C
    one, bottom, right = real(1), real(H), real(W)
    for k in range(H * W):
        u, v = us[k], vs[k]
        u = u if u > -one else -one
        u = u if u < bottom else bottom
        v = v if v > -one else -one
        v = v if v < right else right
        whole_u, whole_v = np.floor(u), np.floor(v)
        us[k], vs[k] = u - whole_u, v - whole_v
        corners[k] = (np.intp(whole_u) + 1) * line + (np.intp(whole_v) + 1) * C


@inlined
def _interpolate(W, C, pixels, us, vs, corners, neighbours, out):  # type: ignore[no-untyped-def]
    """out = the mean of the four neighbours, weighted by (us, vs)."""
    real, line = us.dtype.type, (W + 3) * C
    zero, one = real(0), real(1)
    upper_left, upper_right = neighbours[0], neighbours[1]
    lower_left, lower_right = neighbours[2], neighbours[3]
    for c in range(C):
        for k in range(len(us)):
            corner = corners[k] + c
            upper_left[k], upper_right[k] = pixels[corner], pixels[corner + C]
            lower_left[k], lower_right[k] = pixels[corner + line], pixels[corner + line + C]
        for k in range(len(us)):
            u, v = us[k], vs[k]
            p01 = upper_right[k] if v > zero else zero
            p10 = lower_left[k] if u > zero else zero
            p11 = lower_right[k] if (u > zero) & (v > zero) else zero
            upper = upper_left[k] * (one - v) + p01 * v
            lower = p10 * (one - v) + p11 * v
            out[k, c] = upper * (one - u) + lower * u
