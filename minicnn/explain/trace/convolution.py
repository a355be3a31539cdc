"""One number of a convolution: a row of the patch matrix times a column of the weight matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...typing import Array
from .passes import Pass


@dataclass(frozen=True)
class Convolution:
    """z[row, column, f] = Σ window · weights + bias, and what its gradient dz does.

    Backward, each product adds dz · window to the gradient of its weight, and dz · weights to that
    of its pixel. The whole gradient of the filter is the sum of `dw_term` over all rows and
    columns; that of the input is the sum of `dx_term` over all windows and filters (col2im).
    """

    top: int  # of the window in the input, pixels; below 0: in the padding
    left: int
    dilation: tuple[int, int]  # pixels from tap to tap
    inside: Array  # (KH, KW) bool: False on padding
    window: Array  # (KH, KW, C); zeros on padding
    weights: Array  # (KH, KW, C): the filter
    products: Array  # (KH, KW, C)
    channel_sums: Array  # (C,): of the products
    sum: float
    bias: float | None  # None: the layer has none
    z: float  # as the kernels computed it
    patch_row: int  # of this window in the patch matrix of the image
    patch_rows: int  # OH·OW
    taps: int  # KH·KW·C: columns of the patch matrix, rows of the weight matrix
    filters: int  # columns of the weight matrix; a number's channel is its column
    dz: float
    dw_term: Array  # (KH, KW, C): dz · window
    dw: Array  # (KH, KW, C): the whole gradient of the filter
    db: float | None  # the whole gradient of the bias; dz is this number's share
    dx_term: Array  # (KH, KW, C): dz · weights; dropped on padding
    dx: Array  # (KH, KW, C): the whole gradient of the window's pixels; zeros on padding


def convolution(done: Pass, row: int, column: int, channel: int) -> Convolution:
    """The number at (row, column, channel) of a Conv2D's output."""
    win = done.window
    assert win is not None
    assert done.dz is not None
    assert done.dw is not None
    top, left, inside, at = done.taps(row, column)

    def cut(image: Array) -> Array:
        return np.where(inside[..., None], image[at], 0).astype(image.dtype)

    window, weights = cut(done.x), done.layer.params["w"][..., channel]
    products = window.astype(np.float64) * weights
    bias = done.layer.params.get("b")
    values = done.y if done.z is None else done.z
    dz = done.dz[row, column, channel]
    return Convolution(
        top=top,
        left=left,
        dilation=(win.DH, win.DW),
        inside=inside,
        window=window,
        weights=weights,
        products=products,
        channel_sums=products.sum(axis=(0, 1)),
        sum=float(products.sum()),
        bias=None if bias is None else float(bias[channel]),
        z=float(values[row, column, channel]),
        patch_row=row * win.OW + column,
        patch_rows=win.OH * win.OW,
        taps=products.size,
        filters=values.shape[2],
        dz=float(dz),
        dw_term=window * dz,
        dw=done.dw[..., channel],
        db=None if done.db is None else float(done.db[channel]),
        dx_term=weights * dz,
        dx=cut(done.dx),
    )
