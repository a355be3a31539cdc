"""Compiled versions of elementwise and row-wise arithmetic, shared between threads: scaling pixels,
ReLU's gradient, softmax, softmax with cross-entropy, a step of Adam."""

from __future__ import annotations

import math

import numpy as np

from ..jit import inlined, jit
from .threads.work_sharing import share

MIN_PIECE = 1 << 13  # numbers of a piece


@jit
def relu_backward(team, dy, y, dz):  # type: ignore[no-untyped-def]
    """dz = dy where y > 0, else 0; all flat."""
    size = max(MIN_PIECE, (len(y) + 15) // 16)
    share(team, (len(y) + size - 1) // size, _relu_piece, (dy, y, dz, size))


@inlined
def _relu_piece(number, dy, y, dz, size):  # type: ignore[no-untyped-def]
    piece = slice(number * size, min((number + 1) * size, len(y)))
    _relu_slice(dy[piece], y[piece], dz[piece])


@inlined
def _relu_slice(dy, y, dz):  # type: ignore[no-untyped-def]
    # LLVM vectorizes a loop from 0: Numba then omits the check for negative indices
    for i in range(len(y)):
        dz[i] = dy[i] if y[i] > 0 else dy.dtype.type(0)


@jit
def take_scaled(team, pixels, rows, scaled):  # type: ignore[no-untyped-def]
    """scaled[i] = pixels[rows[i]] / 255, the float32 nearest to it; pixels (N, D) uint8."""
    size = max(1, min((len(rows) + 15) // 16, MIN_PIECE // max(1, pixels.shape[1]) + 1))
    share(team, (len(rows) + size - 1) // size, _scale_piece, (pixels, rows, scaled, size))


@inlined
def _scale_piece(number, pixels, rows, scaled, size):  # type: ignore[no-untyped-def]
    for i in range(number * size, min((number + 1) * size, len(rows))):
        _scale_row(pixels[rows[i]], scaled[i])


@inlined
def _scale_row(pixels, scaled):  # type: ignore[no-untyped-def]
    for d in range(len(scaled)):  # division: k · (1/255) is off by one bit for some k
        scaled[d] = np.float32(pixels[d]) / np.float32(255)


@jit
def softmax_crossentropy(team, z, q, losses, dz):  # type: ignore[no-untyped-def]
    """Row by row: losses = -Σ_k q_k · log softmax(z)_k, dz = softmax(z) · Σq - q; z, q (N, K)."""
    size = max(1, MIN_PIECE // 16 // z.shape[1])
    pieces = (len(z) + size - 1) // size
    share(team, pieces, _crossentropy_piece, (z, q, losses, dz, size))


@inlined
def _crossentropy_piece(number, z, q, losses, dz, size):  # type: ignore[no-untyped-def]
    K, found = z.shape[1], np.empty(2, z.dtype)
    for n in range(number * size, min((number + 1) * size, len(z))):
        _exponentials(z[n], dz[n], found)
        largest, total = found[0], found[1]
        loss, weight = z.dtype.type(0), z.dtype.type(0)
        for k in range(K):
            weight += q[n, k]
        log_total, scale = math.log(total), weight / total
        for k in range(K):
            loss += q[n, k] * (log_total - (z[n, k] - largest))
            dz[n, k] = dz[n, k] * scale - q[n, k]
        losses[n] = loss


@jit
def softmax(team, z, y):  # type: ignore[no-untyped-def]
    """y = e^(z - max z) / Σ e^(z - max z), row by row; z, y (N, K)."""
    size = max(1, MIN_PIECE // 16 // z.shape[1])
    share(team, (len(z) + size - 1) // size, _softmax_piece, (z, y, size))


@inlined
def _softmax_piece(number, z, y, size):  # type: ignore[no-untyped-def]
    found = np.empty(2, z.dtype)
    for n in range(number * size, min((number + 1) * size, len(z))):
        _exponentials(z[n], y[n], found)
        total = found[1]
        for k in range(z.shape[1]):
            y[n, k] /= total


@inlined
def _exponentials(z, e, found):  # type: ignore[no-untyped-def]
    """e = e^(z - max z) for one row; found = (max z, Σ e)."""
    largest, total = z[0], z.dtype.type(0)
    for k in range(1, len(z)):
        if z[k] > largest or z[k] != z[k]:  # NaN propagates
            largest = z[k]
    for k in range(len(z)):
        e[k] = math.exp(z[k] - largest)
        total += e[k]
    found[0], found[1] = largest, total


@jit
def adam(team, ws, gs, ms, ss, numbers):  # type: ignore[no-untyped-def]
    """One pass over all parameters, each a flat array of a tuple; numbers: see `_adam_slice`."""
    pieces = 0
    for w in ws:
        pieces = max(pieces, (len(w) + MIN_PIECE - 1) // MIN_PIECE)
    pieces = min(16, pieces)
    share(team, pieces, _adam_piece, (ws, gs, ms, ss, numbers, pieces))


@inlined
def _adam_piece(number, ws, gs, ms, ss, numbers, pieces):  # type: ignore[no-untyped-def]
    for p in range(len(ws)):
        size = (len(ws[p]) + pieces - 1) // pieces
        first, stop = number * size, min((number + 1) * size, len(ws[p]))
        if first < stop:
            piece = slice(first, stop)
            _adam_slice(ws[p][piece], gs[p][piece], ms[p][piece], ss[p][piece], numbers)


@inlined
def _adam_slice(w, g, m, s, numbers):  # type: ignore[no-untyped-def]
    """AdamStep's formula, number by number; `numbers` are the fields of AdamNumbers."""
    (
        lr, one_minus_beta_1, one_minus_beta_2, root_scale, step_scale, epsilon, decay, keep
    ) = numbers  # fmt: skip
    for i in range(len(w)):
        value = w[i] * keep
        slope = g[i] + decay * value
        mean = m[i] + (slope - m[i]) * one_minus_beta_1
        square = s[i] + (slope * slope - s[i]) * one_minus_beta_2
        m[i], s[i] = mean, square
        w[i] = value - lr * (mean / (np.sqrt(square) * root_scale + epsilon) * step_scale)
