"""The programs that bench.threads starts: they share work among threads, or keep a core busy.

    python -m bench.threads_program PROGRAM
    PROGRAM: "team", "pool", "single", a threading layer of Numba, or "busy", which only computes

All but the last read requests from standard input, one line of JSON each, until it ends.
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

from .child import send

PIECES = 16
Region = Callable[[Array, int], object]  # (results, iterations of each piece)


def main(argv: Sequence[str]) -> None:
    """For each request, run `count` regions with `turns` iterations in each piece, with `pause`
    seconds before each; send the seconds of each region and the results of the pieces."""
    (program,) = argv
    if program == "busy":
        busy()
    results = np.zeros(PIECES)
    region = REGIONS.get(program, _prange)
    try:
        region(results, 0)  # compiles
    except ValueError as error:  # "No threading layer could be loaded"
        send(missing=str(error).partition("\n")[0])
        return
    send(layer=numba.threading_layer() if region is _prange else program)
    for line in sys.stdin:
        request = json.loads(line)
        results.fill(0)
        seconds = timed(region, results, **request)
        send(seconds=seconds, results=results.tolist())


def timed(region: Region, results: Array, count: int, turns: int, pause: float) -> list[float]:
    """Seconds of each region. In the pause the caller computes in Python."""
    clock = time.perf_counter
    region(results, turns)  # wakes the other threads
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
    """Compute until the benchmark ends."""
    parent = os.getppid()
    while os.getppid() == parent:
        sum(k * k for k in range(10_000))
    sys.exit()


@numba.njit(nogil=True)
def _work(results: Array, piece: int, turns: int) -> None:
    """A piece of work. Each iteration depends on the one before, so it can't be vectorized."""
    x = float(piece)
    for _ in range(turns):
        x = x * 0.999 + 0.5
    results[piece] = x


@inlined
def _piece(piece: int, results: Array, turns: int) -> None:
    _work(results, piece, turns)


@numba.njit(nogil=True)  # not cached: the cache would not notice a change in share()
def _shared(team: Array, results: Array, turns: int) -> None:
    share(team, PIECES, _piece, (results, turns))


@numba.njit(parallel=True, nogil=True, cache=True)
def _prange(results: Array, turns: int) -> None:
    for piece in numba.prange(PIECES):
        _work(results, piece, turns)


@numba.njit(nogil=True)
def _single(results: Array, turns: int) -> None:
    for piece in range(PIECES):
        _work(results, piece, turns)


def _team(results: Array, turns: int) -> None:
    teams.call(_shared, results, turns)


def _pool(results: Array, turns: int) -> None:
    batch_pieces.run([partial(_work, results, piece, turns) for piece in range(PIECES)])


REGIONS: dict[str, Region] = {"team": _team, "pool": _pool, "single": _single}

if __name__ == "__main__":
    main(sys.argv[1:])
