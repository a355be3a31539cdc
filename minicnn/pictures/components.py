"""Connected components of a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..typing import Array

Run = tuple[int, int, int]  # row, first column, one past the last column


@dataclass(frozen=True)
class Component:
    """Connected pixels; neighbours at a corner are connected."""

    runs: list[Run]
    mass: float  # the sum of the values in it
    peak: float  # the largest of them
    touches_edge: bool


def connected_components(mask: Array, values: Array) -> list[Component]:
    """The 8-connected components of a mask, from top to bottom.

    Row by row: a run of set pixels joins the runs in the row above that it touches (Rosenfeld and
    Pfaltz 1966, with union-find over runs).

    Args:
        mask: (H, W) bool.
        values: (H, W), for the mass and the peak of each component.
    """
    runs = _runs(mask)
    parent = list(range(len(runs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above = 0  # the first run of the row above that may touch this one
    for i, (row, start, stop) in enumerate(runs):
        while runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] < start):
            above += 1
        j = above
        while runs[j][0] == row - 1 and runs[j][1] <= stop:
            a, b = sorted((root(i), root(j)))
            parent[b] = a
            j += 1
    members: dict[int, list[Run]] = {}
    for i, run in enumerate(runs):
        members.setdefault(root(i), []).append(run)
    return [_component(runs, values) for runs in members.values()]


def _runs(mask: Array) -> list[Run]:
    """The runs of set pixels, from the top left."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    stops = np.nonzero(change == -1)[1]
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))


def _component(runs: list[Run], values: Array) -> Component:
    height, width = values.shape
    inside = np.concatenate([values[row, start:stop] for row, start, stop in runs])
    edge = (
        runs[0][0] == 0
        or runs[-1][0] == height - 1
        or any(start == 0 or stop == width for _, start, stop in runs)
    )
    return Component(runs, float(inside.sum()), float(inside.max()), edge)
