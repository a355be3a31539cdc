"""One window of a pooling: who won, or the mean; and who gets the gradient."""

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
    row: int  # of the pooled number
    column: int
    top: int  # of the window in the input; below 0: in the padding
    left: int
    inside: Array  # (KH, KW) bool: False on padding, which never wins and is not counted
    values: Array  # (KH, KW); zeros on padding
    winner: tuple[int, int] | None  # its tap: the first maximum, row by row; None for a mean
    y: float
    dy: float
    parts: Array  # (KH, KW): what each of them gets of dy


def pooling(done: Pass, row: int, column: int, channel: int) -> Pooling:
    """The window behind the number at (row, column, channel) of a pooling's output."""
    win = done.window
    assert win is not None
    assert done.dy is not None
    top, left = row * win.SH - win.top, column * win.SW - win.left
    rows, columns = top + np.arange(win.KH), left + np.arange(win.KW)
    H, W, _ = done.x.shape
    inside = ((rows >= 0) & (rows < H))[:, None] & ((columns >= 0) & (columns < W))
    at = np.ix_(rows.clip(0, H - 1), columns.clip(0, W - 1))
    dy = done.dy[row, column, channel]
    parts, winner = np.zeros(inside.shape, dy.dtype), None
    if done.argmax is not None:
        i, j = divmod(int(done.argmax[row, column, channel]), win.KW)
        winner = i, j
        parts[winner] = dy
    else:
        parts[inside] = dy / dy.dtype.type(inside.sum())
    return Pooling(
        kind="max" if isinstance(done.layer, MaxPool2D) else "mean",
        row=row,
        column=column,
        top=top,
        left=left,
        inside=inside,
        values=np.where(inside, done.x[..., channel][at], 0),
        winner=winner,
        y=float(done.y[row, column, channel]),
        dy=float(dy),
        parts=parts,
    )


def poolings(done: Pass, row: int, column: int, channel: int) -> list[Pooling]:
    """The windows of a pooling that hold the pixel (row, column, channel) of its input: one, or
    several where they overlap, or none where the last ones don't reach the edge."""
    win = done.window
    assert win is not None
    return [
        pooling(done, i, j, channel)
        for i in _holding(row + win.top, win.KH, win.SH, win.OH)
        for j in _holding(column + win.left, win.KW, win.SW, win.OW)
    ]


def _holding(place: int, size: int, stride: int, outputs: int) -> Iterator[int]:
    """Along one axis: the windows o with o·stride <= place < o·stride + size."""
    return (o for o in range(outputs) if o * stride <= place < o * stride + size)
