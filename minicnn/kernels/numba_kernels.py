"""The kernels, jitted by Numba: plain loops that the compiler turns into vector code.

Same names, order and meaning as in reference.py. The innermost loop runs over the channels,
which are neighbours in memory (NHWC), so that it becomes vector instructions. Matrix products are
those of numpy_kernels.py, by BLAS.
"""

from __future__ import annotations

from ..typing import Array
from . import numpy_kernels
from .jit import jit
from .numpy_kernels import dense as dense
from .numpy_kernels import dense_backward as dense_backward
from .window import Window


@jit
def im2col(x: Array, window: Window, cols: Array) -> None:
    """Copy runs: a row of the patch matrix is KH stretches of KW*C neighbours in memory."""
    KH, KW, SH, SW, DH, DW, top, _, left, _, OH, OW = window
    N, H, W, C = x.shape
    lines = x.reshape(N, H, W * C)
    runs = cols.reshape(N, OH, OW, KH, KW * C)
    for n in range(N):
        for oh in range(OH):
            for i in range(KH):
                ih = oh * SH - top + i * DH
                if ih < 0 or ih >= H:
                    runs[n, oh, :, i] = 0
                    continue
                line = lines[n, ih]
                for ow in range(OW):
                    run, iw = runs[n, oh, ow, i], ow * SW - left
                    if DW == 1 and iw >= 0 and iw + KW <= W:
                        for k in range(KW * C):
                            run[k] = line[iw * C + k]
                    else:
                        for j in range(KW):
                            jw = iw + j * DW
                            for c in range(C):
                                run[j * C + c] = line[jw * C + c] if 0 <= jw < W else 0


@jit
def col2im(cols: Array, window: Window, dx: Array) -> None:
    """Add the same runs back, always in the same order, so that the sums are the same."""
    KH, KW, SH, SW, DH, DW, top, _, left, _, OH, OW = window
    N, H, W, C = dx.shape
    lines = dx.reshape(N, H, W * C)
    runs = cols.reshape(N, OH, OW, KH, KW * C)
    dx[...] = 0
    for n in range(N):
        for oh in range(OH):
            for i in range(KH):
                ih = oh * SH - top + i * DH
                if ih < 0 or ih >= H:
                    continue
                line = lines[n, ih]
                for ow in range(OW):
                    run, iw = runs[n, oh, ow, i], ow * SW - left
                    if DW == 1 and iw >= 0 and iw + KW <= W:
                        for k in range(KW * C):
                            line[iw * C + k] += run[k]
                    else:
                        for j in range(KW):
                            jw = iw + j * DW
                            if 0 <= jw < W:
                                for c in range(C):
                                    line[jw * C + c] += run[j * C + c]


def conv2d(x: Array, w: Array, b: Array | None, window: Window, y: Array) -> None:
    """As in NumPy, with the compiled im2col."""
    numpy_kernels.conv2d(x, w, b, window, y, im2col=im2col)


def conv2d_backward(
    dy: Array, x: Array, w: Array, window: Window, dx: Array | None, dw: Array, db: Array
) -> None:
    """As in NumPy, with the compiled im2col and col2im."""
    numpy_kernels.conv2d_backward(dy, x, w, window, dx, dw, db, im2col=im2col, col2im=col2im)


@jit
def max_pool2d(x: Array, window: Window, y: Array, argmax: Array) -> None:
    """A running maximum over the taps, in row-major order, for all channels at once."""
    KH, KW, SH, SW, _, _, top, _, left, _, OH, OW = window
    N, H, W, C = x.shape
    for n in range(N):
        for oh in range(OH):
            for ow in range(OW):
                first = True
                for i in range(KH):
                    ih = oh * SH - top + i
                    if ih < 0 or ih >= H:
                        continue
                    for j in range(KW):
                        iw = ow * SW - left + j
                        if iw < 0 or iw >= W:
                            continue
                        tap = i * KW + j
                        if first:
                            for c in range(C):
                                y[n, oh, ow, c] = x[n, ih, iw, c]
                                argmax[n, oh, ow, c] = tap
                            first = False
                        else:
                            for c in range(C):
                                value, best = x[n, ih, iw, c], y[n, oh, ow, c]
                                # larger, or the first NaN (only a NaN differs from itself)
                                take = (value > best) | ((value != value) & (best == best))
                                y[n, oh, ow, c] = value if take else best
                                argmax[n, oh, ow, c] = tap if take else argmax[n, oh, ow, c]


@jit
def max_pool2d_backward(dy: Array, argmax: Array, window: Window, dx: Array) -> None:
    """For each tap, add dy where that tap won."""
    KH, KW, SH, SW, _, _, top, _, left, _, OH, OW = window
    N, H, W, C = dx.shape
    dx[...] = 0
    for n in range(N):
        for oh in range(OH):
            for ow in range(OW):
                for i in range(KH):
                    ih = oh * SH - top + i
                    if ih < 0 or ih >= H:
                        continue
                    for j in range(KW):
                        iw = ow * SW - left + j
                        if iw < 0 or iw >= W:
                            continue
                        tap = i * KW + j
                        for c in range(C):
                            won = argmax[n, oh, ow, c] == tap
                            dx[n, ih, iw, c] += dy[n, oh, ow, c] if won else 0


@jit
def avg_pool2d(x: Array, window: Window, y: Array) -> None:
    """Sum over the taps, divided by how many lie inside the image."""
    KH, KW, SH, SW, _, _, top, _, left, _, OH, OW = window
    N, H, W, C = x.shape
    for n in range(N):
        for oh in range(OH):
            first_h, stop_h = max(0, oh * SH - top), min(H, oh * SH - top + KH)
            for ow in range(OW):
                first_w, stop_w = max(0, ow * SW - left), min(W, ow * SW - left + KW)
                count = (stop_h - first_h) * (stop_w - first_w)
                for c in range(C):
                    y[n, oh, ow, c] = 0
                for ih in range(first_h, stop_h):
                    for iw in range(first_w, stop_w):
                        for c in range(C):
                            y[n, oh, ow, c] += x[n, ih, iw, c]
                for c in range(C):
                    y[n, oh, ow, c] /= count


@jit
def avg_pool2d_backward(dy: Array, window: Window, dx: Array) -> None:
    """Each tap inside the image gets dy / count."""
    KH, KW, SH, SW, _, _, top, _, left, _, OH, OW = window
    N, H, W, C = dx.shape
    dx[...] = 0
    for n in range(N):
        for oh in range(OH):
            first_h, stop_h = max(0, oh * SH - top), min(H, oh * SH - top + KH)
            for ow in range(OW):
                first_w, stop_w = max(0, ow * SW - left), min(W, ow * SW - left + KW)
                count = (stop_h - first_h) * (stop_w - first_w)
                for ih in range(first_h, stop_h):
                    for iw in range(first_w, stop_w):
                        for c in range(C):
                            dx[n, ih, iw, c] += dy[n, oh, ow, c] / count
