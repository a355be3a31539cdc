"""The doorway to convolution, ReLU and max-pooling in one. Common arguments and errors: see the
package's docstring."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..typing import Array
from . import choose
from .backend import engine
from .checks import check_array, check_backward, check_same_dtype, check_shape, check_winner
from .convolution import conv2d, conv2d_backward, conv_window
from .numpy_elementwise import where_or_zero
from .pooling import max_pool2d, max_pool2d_backward
from .window import IntOrPair, Padding, Pair, Window, pair, pool_window


def conv2d_relu_pool(
    x: Array,
    w: Array,
    b: Array | None = None,
    size: IntOrPair = 2,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    algorithm: str | None = None,
    backend: str | None = None,
) -> tuple[Array, Array]:
    """max_pool2d(max(conv2d(x, w, b), 0), size), in one pass where Numba is used.

    Args:
        x, w, b, stride, padding, dilation: as in conv2d.
        size: of the pooling window, which is also its stride.
        algorithm: "fused" or "separate"; None: by the rule of choose.py.

    Returns:
        y: (N, OH // PH, OW // PW, F); winner: the same shape, uint8: i*PW + j of the tap that
        won, as in max_pool2d, or PH*PW where y is not above 0, so that no gradient passes.
    """
    x, w = check_array("x", x, 4), check_array("w", w, 4)
    win = conv_window(x, w, stride, padding, dilation)
    b = None if b is None else check_shape("b", check_array("b", b, 1), w.shape[3:])
    check_same_dtype(x=x, w=w, b=b)
    PH, PW = _pool_size(size)
    pool_window(win.OH, win.OW, (PH, PW))  # it must fit
    if _fuses(algorithm, backend, win, w, (PH, PW)):
        prepared = engine().ConvReLUPool(x.shape, w.shape, win, (PH, PW), x.dtype)
        return prepared.forward(x, w, b), prepared.argmax
    options: Any = {"stride": stride, "padding": padding, "dilation": dilation}
    # the ReLU of the maximum is the maximum of the ReLUs, for a quarter of the work
    y, argmax = max_pool2d(conv2d(x, w, b, **options, backend=backend), (PH, PW), backend=backend)
    np.maximum(y, 0, out=y)
    return y, np.where(y > 0, argmax, PH * PW).astype(np.uint8)


def conv2d_relu_pool_backward(
    dy: Array,
    winner: Array,
    x: Array,
    w: Array,
    size: IntOrPair = 2,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    need_dx: bool = True,
    algorithm: str | None = None,
    backend: str | None = None,
) -> tuple[Array | None, Array, Array]:
    """The gradients of conv2d_relu_pool; visits only the winners where it is fused.

    Args:
        dy: (N, OH // PH, OW // PW, F), the gradient by y.
        winner: as conv2d_relu_pool returned it for the same arguments.
        x, w and the others: as given to conv2d_relu_pool.

    Returns:
        dx: (N, H, W, C) or None; dw: (KH, KW, C, F); db: (F,).
    """
    x, w = check_array("x", x, 4), check_array("w", w, 4)
    win = conv_window(x, w, stride, padding, dilation)
    PH, PW = _pool_size(size)
    pooled = pool_window(win.OH, win.OW, (PH, PW))
    dy = check_backward(dy, (len(x), pooled.OH, pooled.OW, w.shape[3]))
    check_same_dtype(dy=dy, x=x, w=w)
    winner = check_winner(winner, dy.shape)
    if _fuses(algorithm, backend, win, w, (PH, PW)):
        prepared = engine().ConvReLUPool(x.shape, w.shape, win, (PH, PW), x.dtype)
        prepared.argmax = winner
        return prepared.backward(dy, x, w, need_dx)
    passes = winner < PH * PW
    outputs = (len(x), win.OH, win.OW, w.shape[3])
    dz = max_pool2d_backward(
        where_or_zero(passes, dy), np.where(passes, winner, 0), outputs, (PH, PW), backend=backend
    )
    options: Any = {"stride": stride, "padding": padding, "dilation": dilation}
    return conv2d_backward(dz, x, w, **options, need_dx=need_dx, backend=backend)


def _pool_size(size: IntOrPair) -> Pair:
    PH, PW = pair("pool size", size)
    if PH * PW > 255:
        raise ValueError(f"expected a pool size of at most 255 pixels, received {size!r}")
    return PH, PW


def _fuses(
    algorithm: str | None, backend: str | None, window: Window, w: Array, size: Pair
) -> bool:
    if choose.pooled(algorithm, backend, window, w.shape, size) != "fused":
        return False
    fits = engine().fits(size, w.shape[3], w.dtype)
    if algorithm == "fused" and not fits:
        raise ValueError(
            f'expected a pooling window whose outputs fit the registers for algorithm "fused", '
            f'received {size[0]}×{size[1]} pixels and {w.shape[3]} filters; use "separate"'
        )
    return fits
