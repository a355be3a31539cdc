"""Numba's twins of what NumPy does number by number, shared by the team: scaling pixels, ReLU's
gradient, softmax with cross-entropy, the step of Adam."""

from __future__ import annotations

import math

import numpy as np

from ..jit import inner, jit
from .threads.work_sharing import share

NUMBERS = 1 << 13  # of a piece at least


@jit
def relu_backward(team, dy, y, dz):  # type: ignore[no-untyped-def]
    """dz = dy where y > 0, else 0; all flat."""
    size = max(NUMBERS, (len(y) + 15) // 16)
    share(team, (len(y) + size - 1) // size, _relu_piece, (dy, y, dz, size))


@inner
def _relu_piece(number, dy, y, dz, size):  # type: ignore[no-untyped-def]
    part = slice(number * size, min((number + 1) * size, len(y)))
    _relu_part(dy[part], y[part], dz[part])


@inner
def _relu_part(dy, y, dz):  # type: ignore[no-untyped-def]
    # a loop from 0 on, which can't have negative indices to look after: it becomes vector code
    for i in range(len(y)):
        dz[i] = dy[i] if y[i] > 0 else dy.dtype.type(0)


@jit
def take_scaled(team, pixels, rows, scaled):  # type: ignore[no-untyped-def]
    """scaled[i] = pixels[rows[i]] / 255, the float32 nearest to it; pixels (N, D) uint8."""
    size = max(1, min((len(rows) + 15) // 16, NUMBERS // max(1, pixels.shape[1]) + 1))
    share(team, (len(rows) + size - 1) // size, _scale_piece, (pixels, rows, scaled, size))


@inner
def _scale_piece(number, pixels, rows, scaled, size):  # type: ignore[no-untyped-def]
    for i in range(number * size, min((number + 1) * size, len(rows))):
        _scale_row(pixels[rows[i]], scaled[i])


@inner
def _scale_row(pixels, scaled):  # type: ignore[no-untyped-def]
    for d in range(len(scaled)):  # division: k · (1/255) is off by one bit for some k
        scaled[d] = np.float32(pixels[d]) / np.float32(255)


@jit
def softmax_crossentropy(team, z, q, losses, dz):  # type: ignore[no-untyped-def]
    """Row by row: losses = -Σ_k q_k · log softmax(z)_k, dz = softmax(z) · Σq - q; z, q (N, K)."""
    size = max(1, NUMBERS // 16 // z.shape[1])
    pieces = (len(z) + size - 1) // size
    share(team, pieces, _softmax_piece, (z, q, losses, dz, size))


@inner
def _softmax_piece(number, z, q, losses, dz, size):  # type: ignore[no-untyped-def]
    K = z.shape[1]
    for n in range(number * size, min((number + 1) * size, len(z))):
        largest = z[n, 0]
        for k in range(1, K):
            if z[n, k] > largest or z[n, k] != z[n, k]:  # a NaN stays
                largest = z[n, k]
        total, weight = z.dtype.type(0), z.dtype.type(0)
        for k in range(K):
            dz[n, k] = math.exp(z[n, k] - largest)
            total += dz[n, k]
            weight += q[n, k]
        log_total, loss, scale = math.log(total), z.dtype.type(0), weight / total
        for k in range(K):
            loss += q[n, k] * (log_total - (z[n, k] - largest))
            dz[n, k] = dz[n, k] * scale - q[n, k]
        losses[n] = loss


@jit
def softmax(team, z, y):  # type: ignore[no-untyped-def]
    """y = e^(z - max z) / Σ e^(z - max z), row by row; z, y (N, K)."""
    size = max(1, NUMBERS // 16 // z.shape[1])
    share(team, (len(z) + size - 1) // size, _probabilities_piece, (z, y, size))


@inner
def _probabilities_piece(number, z, y, size):  # type: ignore[no-untyped-def]
    K = z.shape[1]
    for n in range(number * size, min((number + 1) * size, len(z))):
        largest = z[n, 0]
        for k in range(1, K):
            if z[n, k] > largest or z[n, k] != z[n, k]:  # a NaN stays
                largest = z[n, k]
        total = z.dtype.type(0)
        for k in range(K):
            y[n, k] = math.exp(z[n, k] - largest)
            total += y[n, k]
        for k in range(K):
            y[n, k] /= total


@jit
def adam(team, ws, gs, ms, ss, numbers):  # type: ignore[no-untyped-def]
    """One pass over all parameters, each a flat array of a tuple; numbers as in `_adam_piece`."""
    pieces = 0
    for w in ws:
        pieces = max(pieces, (len(w) + NUMBERS - 1) // NUMBERS)
    pieces = min(16, pieces)
    share(team, pieces, _adam_piece, (ws, gs, ms, ss, numbers, pieces))


@inner
def _adam_piece(number, ws, gs, ms, ss, numbers, pieces):  # type: ignore[no-untyped-def]
    for p in range(len(ws)):
        size = (len(ws[p]) + pieces - 1) // pieces
        first, stop = number * size, min((number + 1) * size, len(ws[p]))
        if first < stop:
            part = slice(first, stop)
            _adam_step(ws[p][part], gs[p][part], ms[p][part], ss[p][part], numbers)


@inner
def _adam_step(w, g, m, s, numbers):  # type: ignore[no-untyped-def]
    """AdamStep's formula, number by number."""
    lr, beta_1, beta_2, root_scale, step_scale, epsilon, decay, keep = numbers
    for i in range(len(w)):
        value = w[i] * keep
        slope = g[i] + decay * value
        mean = m[i] + (slope - m[i]) * beta_1
        square = s[i] + (slope * slope - s[i]) * beta_2
        m[i], s[i] = mean, square
        w[i] = value - lr * (mean / (np.sqrt(square) * root_scale + epsilon) * step_scale)
