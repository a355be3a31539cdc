"""The two ceilings of the roofline on this machine: measured peaks of arithmetic and memory."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from minicnn import kernels
from minicnn.kernels.batch_pieces import pieces, run


class Ceilings(NamedTuple):
    """The peaks of all threads together."""

    flops: float  # FLOP/s of float32 multiply-adds
    bandwidth: float  # bytes/s between processor and memory

    def attainable(self, intensity: float) -> float:
        """FLOP/s that work with this many FLOP per byte can reach (the roofline)."""
        return min(self.flops, intensity * self.bandwidth)

    def bound(self, intensity: float) -> str:
        """Which of the two limits such work: "arithmetic" or "memory"."""
        return "arithmetic" if self.flops <= intensity * self.bandwidth else "memory"


@cache
def measure(seconds: float = 0.3) -> Ceilings:
    """Measure both for `seconds` each; once per process.

    With Numba: minicnn's register tile and a triad. Without: BLAS and NumPy's addition.
    """
    if "numba" in kernels.available_backends():
        from . import peak

        return Ceilings(peak.peak_flops(seconds), peak.bandwidth(seconds))
    return Ceilings(_blas_flops(seconds), _addition_bandwidth(seconds))


def _blas_flops(seconds: float, n: int = 512) -> float:
    """A matrix product on each thread; BLAS's own threads would spin afterwards."""
    threads = kernels.get_threads()
    a = np.ones((n, n), np.float32)
    outs = [np.empty_like(a) for _ in range(threads)]
    tasks = [partial(np.matmul, a, a, out=out) for out in outs]
    return 2.0 * n**3 * threads / _best(seconds, tasks)


def _addition_bandwidth(seconds: float, n: int = 1 << 24) -> float:
    a, b, c = (np.full(n, value, np.float32) for value in (1, 2, 0))
    tasks = [partial(np.add, a[p], b[p], out=c[p]) for p in pieces(n)]
    return 3.0 * a.nbytes / _best(seconds, tasks)


def _best(seconds: float, tasks: list[partial[None]]) -> float:
    """Seconds of the fastest run of all tasks."""
    best, stop = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < stop or best == float("inf"):
        begun = time.perf_counter()
        run(tasks)
        best = min(best, time.perf_counter() - begun)
    return best
