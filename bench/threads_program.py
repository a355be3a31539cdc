"""The programs that bench.threads starts: whoever shares work out, and whoever is in the way.

    python -m bench.threads_program WHO
    WHO: "team", "pool", "alone", a threading layer of Numba's, or "busy", which just computes

All but the last take requests from standard input, a line of JSON each, and end with it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numba
import numpy as np

from minicnn.kernels import batch_pieces
from minicnn.kernels.engine.threads import team as teams
from minicnn.kernels.engine.threads.work_sharing import share
from minicnn.kernels.jit import inlined
from minicnn.typing import Array

from .child import tell

PIECES = 16
Region = Callable[[Array, int], object]  # (results, turns of each piece's loop)


def main(argv: Sequence[str]) -> None:
    """Do as the requests say: `count` regions with `turns` in each piece and `pause` seconds
    before each; tell how long each of them took, and what the pieces came to."""
    (who,) = argv
    if who == "busy":
        busy()
    results = np.zeros(PIECES)
    region = REGIONS.get(who, _prange)
    try:
        region(results, 0)  # compiles
    except ValueError as error:  # "No threading layer could be loaded"
        tell(missing=str(error).partition("\n")[0])
        return
    tell(layer=numba.threading_layer() if region is _prange else who)
    for line in sys.stdin:
        request = json.loads(line)
        results.fill(0)
        seconds = timed(region, results, **request)
        tell(seconds=seconds, results=results.tolist())


def timed(region: Region, results: Array, count: int, turns: int, pause: float) -> list[float]:
    """Seconds of each region. In a pause the caller computes something of its own, in Python."""
    clock = time.perf_counter
    region(results, turns)  # wakes the others
    seconds = []
    for _ in range(count):
        stop = clock() + pause
        while pause and clock() < stop:
            pass
        begun = clock()
        region(results, turns)
        seconds.append(clock() - begun)
    return seconds


def busy() -> None:
    """Compute as long as the benchmark lives."""
    parent = os.getppid()
    while os.getppid() == parent:
        sum(k * k for k in range(10_000))
    sys.exit()


@numba.njit(nogil=True)
def _work(results: Array, piece: int, turns: int) -> None:
    """What all share out: each turn waits for the one before, so no compiler does better."""
    x = float(piece)
    for _ in range(turns):
        x = x * 0.999 + 0.5
    results[piece] = x


@inlined
def _piece(piece: int, results: Array, turns: int) -> None:
    _work(results, piece, turns)


@numba.njit(nogil=True)  # in no cache: that would not notice a change of the team
def _shared(team: Array, results: Array, turns: int) -> None:
    share(team, PIECES, _piece, (results, turns))


@numba.njit(parallel=True, nogil=True, cache=True)
def _prange(results: Array, turns: int) -> None:
    for piece in numba.prange(PIECES):
        _work(results, piece, turns)


@numba.njit(nogil=True)
def _alone(results: Array, turns: int) -> None:
    for piece in range(PIECES):
        _work(results, piece, turns)


def _team(results: Array, turns: int) -> None:
    teams.call(_shared, results, turns)


def _pool(results: Array, turns: int) -> None:
    batch_pieces.run([partial(_work, results, piece, turns) for piece in range(PIECES)])


REGIONS: dict[str, Region] = {"team": _team, "pool": _pool, "alone": _alone}

if __name__ == "__main__":
    main(sys.argv[1:])
