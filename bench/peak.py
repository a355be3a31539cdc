"""This machine's peak rates, measured: multiply-adds, and bytes to and from memory.

They bound every kernel: with f FLOP for each byte that it moves, it reaches at most
min(peak_flops, f · bandwidth). (Source: Williams, Waterman, Patterson, "Roofline: an
insightful visual performance model" (2009).)

After a change of a constant here, delete bench/__pycache__: the kernels' cache only notices
changes under minicnn/kernels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np

from minicnn.kernels.batch_pieces import get_threads
from minicnn.kernels.engine.codegen.multiply import multiply
from minicnn.kernels.engine.codegen.simd import vectors
from minicnn.kernels.engine.codegen.tile import Tile
from minicnn.kernels.engine.threads import team as teams
from minicnn.kernels.engine.threads.work_sharing import share
from minicnn.kernels.jit import Kernel, inlined, jit

DEPTH = 128  # steps of the sum: both operands fill half of a first-level cache
REPEATS = 2000  # products in a piece: about a quarter of a millisecond
TRIAD = 1 << 24  # numbers in an array, 64 MiB: three arrays exceed every cache
TRIAD_PIECE = 1 << 14  # numbers


def peak_flops(seconds: float = 0.3) -> float:
    """FLOP/s of float32 multiply-adds (two each) by all threads: the best of several runs.

    The kernels' own register tile, over operands that stay in the first-level cache.
    """
    unit = vectors()
    rows, lanes = unit.accumulators // 2, unit.most_lanes(4)
    rng = np.random.default_rng(0)
    a, b = (rng.random(DEPTH * n, dtype=np.float32) for n in (rows, 2 * lanes))
    pieces = 4 * get_threads()
    c = np.empty((pieces, rows * 2 * lanes), np.float32)
    zeros = np.zeros(2 * lanes, np.float32)
    took = _best(seconds, lambda: teams.call(_products(), a, b, zeros, c, pieces))
    return 2.0 * DEPTH * rows * 2 * lanes * REPEATS * pieces / took


def bandwidth(seconds: float = 0.3) -> float:
    """Bytes/s between memory and all threads: c = a + s·b over arrays larger than any cache.

    As usual for this benchmark, two reads and one write are counted, but not the processor's read
    of c before it overwrites it. (Source: McCalpin, "Memory Bandwidth and
    Machine Balance in Current High Performance Computers" (1995).)
    """
    a, b, c = (np.full(TRIAD, value, np.float32) for value in (1, 2, 0))
    took = _best(seconds, lambda: teams.call(_triad, a, b, c, TRIAD // TRIAD_PIECE))
    return 3.0 * a.nbytes / took


def _best(seconds: float, run: Callable[[], object]) -> float:
    """Seconds of the fastest call, without the first, which compiles."""
    run()
    best, stop = float("inf"), time.perf_counter() + seconds
    while True:
        begun = time.perf_counter()
        run()
        now = time.perf_counter()
        best = min(best, now - begun)
        if now >= stop:
            return best


@cache
def _products() -> Kernel:
    """The kernel (team, a, b, zeros, c, pieces): the tile's product, many times."""
    unit = vectors()
    rows, lanes = unit.accumulators // 2, unit.most_lanes(4)
    TILE = tuple(
        Tile(
            rows=rows,
            row_pitch=DEPTH,
            cols=1,
            col_pitch=0,
            runs=1,
            length=DEPTH,
            run_pitch=0,
            step=1,
            b_run_pitch=0,
            b_pitch=2 * lanes,
            vectors=2,
            lanes=lanes,
            tail=lanes,
            out_pitch=2 * lanes,
            out_step=0,
        )
    )
    RELU = False

    @inlined
    def piece(number, a, b, zeros, c):  # type: ignore[no-untyped-def]
        for _ in range(REPEATS):
            multiply(a, 0, b, 0, zeros, 0, c[number], 0, 1, RELU, TILE)

    @jit
    def kernel(team, a, b, zeros, c, pieces):  # type: ignore[no-untyped-def]
        share(team, pieces, piece, (a, b, zeros, c))

    return kernel


@inlined
def _triad_piece(number, a, b, c):  # type: ignore[no-untyped-def]
    piece = slice(number * TRIAD_PIECE, (number + 1) * TRIAD_PIECE)
    x, y, z = a[piece], b[piece], c[piece]  # LLVM vectorizes a loop from 0
    for i in range(len(z)):
        z[i] = x[i] + np.float32(3) * y[i]


@jit
def _triad(team, a, b, c, pieces):  # type: ignore[no-untyped-def]
    share(team, pieces, _triad_piece, (a, b, c))
