"""NumPy's BLAS: which it is, and how fast it multiplies.

OpenBLAS has kernels for many processors and uses those for the processor that it detects, or that
OPENBLAS_CORETYPE names. If it detects an older processor, it runs at half the possible speed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from .. import kernels
from ..kernels.batch_pieces import run

VARIABLE = "OPENBLAS_CORETYPE"
WIDE = "SkylakeX"  # OpenBLAS's kernels for any processor with AVX-512
WIDE_TYPES = {"skylakex", "cooperlake", "sapphirerapids"}
WIDE_NEEDS = {f"avx512{suffix}" for suffix in ("f", "cd", "bw", "dq", "vl")}

SIZE = 512  # rows, columns and depth of the product that measures all threads


def libraries() -> list[dict[str, str | None]]:
    """Library, version and architecture of each BLAS in this process; the name from NumPy's build
    if threadpoolctl finds none (Accelerate)."""
    found = [
        {
            "library": info["internal_api"],
            "version": info.get("version"),
            "architecture": info.get("architecture"),
        }
        for info in threadpool_info()
        if info["user_api"] == "blas"
    ]
    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {}).get("name") or "unknown"
    return found or [{"library": built, "version": None, "architecture": None}]


def product_flops(seconds: float) -> float:
    """FLOP/s of float32 matrix products as the NumPy kernels call them, one on each thread: the
    best of the calls within `seconds`."""
    a = np.ones((SIZE, SIZE), np.float32)
    outs = [np.empty_like(a) for _ in range(kernels.get_threads())]
    tasks = [partial(np.matmul, a, a, out=out) for out in outs]
    best, stop = float("inf"), time.perf_counter() + seconds
    while (begun := time.perf_counter()) < stop:
        run(tasks)
        best = min(best, time.perf_counter() - begun)
    return 2.0 * SIZE**3 * len(tasks) / best


def is_taken_for_older(found: Sequence[dict[str, str | None]], features: frozenset[str]) -> bool:
    """Whether the processor has AVX-512 and OpenBLAS's kernels don't use it."""
    types = [(b["architecture"] or "").lower() for b in found if b["library"] == "openblas"]
    return features >= WIDE_NEEDS and any(name not in WIDE_TYPES for name in types)
