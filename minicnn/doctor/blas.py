"""NumPy's BLAS: which it is, how fast it multiplies, and whether its other kernels are faster.

OpenBLAS has kernels for many processors and uses those for the processor that it detects, or that
OPENBLAS_CORETYPE names. If it detects an older processor, it runs at half the possible speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
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
PATCHES = (2048, 144, 32)  # rows, depth, columns: a block of im2col, 16 → 32 channels, 3×3
SECONDS = 0.15  # for each setting
TIMEOUT = 20.0  # seconds until a child process is killed
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def libraries() -> list[dict[str, Any]]:
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
    """FLOP/s of float32 matrix products as the NumPy kernels call them: one on each thread."""
    a = np.ones((SIZE, SIZE), np.float32)
    outs = [np.empty_like(a) for _ in range(kernels.get_threads())]
    tasks = [partial(np.matmul, a, a, out=out) for out in outs]
    return 2.0 * SIZE**3 * len(tasks) / fastest(seconds, lambda: run(tasks))


def fastest(seconds: float, work: Callable[[], object]) -> float:
    """The time of the fastest of the calls within `seconds`."""
    best, stop = float("inf"), time.perf_counter() + seconds
    while True:
        begun = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - begun)
        if now >= stop:
            return best


def is_taken_for_older(found: Sequence[dict[str, Any]], features: frozenset[str]) -> bool:
    """Whether the processor has AVX-512 and OpenBLAS's kernels don't use it."""
    types = [(b["architecture"] or "").lower() for b in found if b["library"] == "openblas"]
    return features >= WIDE_NEEDS and any(name not in WIDE_TYPES for name in types)


def compare_core_types() -> list[dict[str, Any]]:
    """Time a small matrix product with OpenBLAS's current kernels and with other ones.

    Each setting is timed in its own process, on one thread.

    Returns:
        For each setting, the current one first: core_type (None: OPENBLAS_CORETYPE not set),
        architecture (that OpenBLAS chose), gflops, gain (relative to the current setting).

    Raises:
        RuntimeError: a process failed or took too long.
    """
    settings = list(dict.fromkeys([os.environ.get(VARIABLE), None, WIDE]))
    found = [{"core_type": setting} | _measure(setting) for setting in settings]
    return [row | {"gain": round(row["gflops"] / found[0]["gflops"], 2)} for row in found]


def _measure(core_type: str | None) -> dict[str, Any]:
    environment = {**os.environ, **ONE_THREAD}
    environment.pop(VARIABLE, None)
    if core_type is not None:
        environment[VARIABLE] = core_type
    command = [sys.executable, "-m", "minicnn.doctor.blas"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"timing BLAS took more than {TIMEOUT:g} s") from None
    if done.returncode:
        raise RuntimeError(f"a process that timed BLAS ended with exit code {done.returncode}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _time_product() -> None:
    """A child process of compare_core_types()."""
    rows, depth, columns = PATCHES
    a, b = np.ones((rows, depth), np.float32), np.ones((depth, columns), np.float32)
    seconds = fastest(SECONDS, partial(np.matmul, a, b, out=a @ b))
    gflops = round(2.0 * rows * depth * columns / seconds / 1e9, 1)
    print(json.dumps({"architecture": libraries()[0]["architecture"], "gflops": gflops}))


if __name__ == "__main__":
    _time_product()
