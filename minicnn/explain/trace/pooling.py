"""One window of a pooling: its maximum or mean, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...layers import MaxPool2D
from ...typing import Array
from .passes import Pass


@dataclass(frozen=True)
class Pooling:
    """y = the maximum or the mean of a window of one channel."""

    kind: str  # "max" or "mean"
    row: int  # of the output
    column: int
    top: int  # of the window in the input; below 0: in the padding
    left: int
    inside: Array  # (KH, KW) bool: False on padding, which never wins and is not counted
    values: Array  # (KH, KW); zeros on padding
    argmax: tuple[int, int] | None  # tap (i, j) of the first maximum, row by row; None for a mean
    y: float
    dy: float
    dx_terms: Array  # (KH, KW): the share of dy of each tap


def pooling(done: Pass, row: int, column: int, channel: int) -> Pooling:
    """The window of output (row, column, channel) of a pooling."""
    assert done.dy is not None
    top, left, inside, at = done.taps(row, column)
    dy = done.dy[row, column, channel]
    dx_terms, argmax = np.zeros(inside.shape, dy.dtype), None
    if done.argmax is not None:
        argmax = divmod(int(done.argmax[row, column, channel]), inside.shape[1])
        dx_terms[argmax] = dy
    else:
        dx_terms[inside] = dy / dy.dtype.type(inside.sum())
    return Pooling(
        kind="max" if isinstance(done.layer, MaxPool2D) else "mean",
        row=row,
        column=column,
        top=top,
        left=left,
        inside=inside,
        values=np.where(inside, done.x[..., channel][at], 0),
        argmax=argmax,
        y=float(done.y[row, column, channel]),
        dy=float(dy),
        dx_terms=dx_terms,
    )


def poolings(done: Pass, row: int, column: int, channel: int) -> list[Pooling]:
    """All windows of a pooling that contain the input pixel (row, column, channel): several if they
    overlap, none if the last ones end before the edge."""
    win = done.window
    assert win is not None
    return [
        pooling(done, i, j, channel)
        for i in _containing(row + win.top, win.KH, win.SH, win.OH)
        for j in _containing(column + win.left, win.KW, win.SW, win.OW)
    ]


def _containing(place: int, size: int, stride: int, outputs: int) -> Iterator[int]:
    """Along one axis: the windows o with o·stride <= place < o·stride + size."""
    return (o for o in range(outputs) if o * stride <= place < o * stride + size)
