"""NumPy's BLAS: which it is, how fast it multiplies, and whether other kernels of it were faster.

OpenBLAS holds kernels for many processors and takes those of the one that it recognizes, or that
OPENBLAS_CORETYPE names. One that it takes for an older one than it is runs at half its speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from .. import kernels
from ..kernels.batch_pieces import run

VARIABLE = "OPENBLAS_CORETYPE"
WIDE = "SkylakeX"  # OpenBLAS's kernels for any processor with AVX-512
WIDE_TYPES = {"skylakex", "cooperlake", "sapphirerapids"}
WIDE_NEEDS = {f"avx512{part}" for part in ("f", "cd", "bw", "dq", "vl")}

SIZE = 512  # rows, columns and depth of the product that measures all threads
PATCHES = (2048, 144, 32)  # rows, depth, columns: a block of im2col, 16 → 32 channels, 3×3
TURNS, REPEATS = 15, 10  # of each competitor; products in a turn
PATIENCE = 20.0  # seconds, then children are ended

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def libraries() -> list[dict[str, Any]]:
    """Each BLAS in this process: library, version, architecture, threads, threading; NumPy's own
    word for it where it can't be asked (Accelerate)."""
    found = [
        {
            "library": info["internal_api"],
            "version": info.get("version"),
            "architecture": info.get("architecture"),
            "threads": info.get("num_threads"),
            "threading": info.get("threading_layer"),
        }
        for info in threadpool_info()
        if info["user_api"] == "blas"
    ]
    return found or [_built_with()]


def product_flops(seconds: float = 0.15) -> float:
    """FLOP/s of float32 matrix products as the NumPy kernels call them: one on each thread."""
    a = np.ones((SIZE, SIZE), np.float32)
    outs = [np.empty_like(a) for _ in range(kernels.get_threads())]
    tasks = [partial(np.matmul, a, a, out=out) for out in outs]
    return 2.0 * SIZE**3 * len(tasks) / fastest(seconds, lambda: run(tasks))


def fastest(seconds: float, work: Callable[[], object]) -> float:
    """Seconds that the fastest call took, of those that fit into `seconds`."""
    best, stop = float("inf"), time.perf_counter() + seconds
    while True:
        begun = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - begun)
        if now >= stop:
            return best


def is_taken_for_older(found: Sequence[dict[str, Any]], features: frozenset[str]) -> bool:
    """Whether the processor has AVX-512 and OpenBLAS's kernels do without it."""
    types = [(b["architecture"] or "").lower() for b in found if b["library"] == "openblas"]
    return features >= WIDE_NEEDS and any(name not in WIDE_TYPES for name in types)


def compare_core_types() -> list[dict[str, Any]]:
    """Time a small matrix product with OpenBLAS's kernels as they are chosen, and as they could be.

    Each setting has a process of its own, with one thread, and they take turns.

    Returns:
        For each setting, the present one first: core_type (None: OPENBLAS_CORETYPE not set),
        architecture (that OpenBLAS took), gflops (of the fastest turn), gain (over the present).

    Raises:
        RuntimeError: a process ended, or took too long.
    """
    settings = list(dict.fromkeys([os.environ.get(VARIABLE), None, WIDE]))
    children: list[subprocess.Popen[str]] = []
    watchdog = threading.Timer(PATIENCE, _kill, [children])
    watchdog.daemon = True
    watchdog.start()
    try:
        children += [_start(setting) for setting in settings]
        architectures = [_hear(child) for child in children]
        best = [float("inf")] * len(children)
        for _ in range(TURNS):
            for i, child in enumerate(children):
                best[i] = min(best[i], _turn(child))
    finally:
        watchdog.cancel()
        _kill(children)
        for child in children:
            child.communicate()  # closes the pipes
    rows, depth, columns = PATCHES
    flop = 2.0 * rows * depth * columns * REPEATS
    return [
        {
            "core_type": setting,
            "architecture": architecture,
            "gflops": round(flop / took / 1e9, 1),
            "gain": round(best[0] / took, 2),
        }
        for setting, architecture, took in zip(settings, architectures, best, strict=True)
    ]


def _start(core_type: str | None) -> subprocess.Popen[str]:
    environment = {**os.environ, **ONE_THREAD}
    environment.pop(VARIABLE, None)
    if core_type is not None:
        environment[VARIABLE] = core_type
    return subprocess.Popen(
        [sys.executable, "-m", "minicnn.doctor.blas"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def _turn(child: subprocess.Popen[str]) -> float:
    assert child.stdin is not None
    with suppress(OSError):  # it has ended: _hear says how
        child.stdin.write("go\n")
        child.stdin.flush()
    return float(_hear(child))


def _hear(child: subprocess.Popen[str]) -> Any:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError(f"a process that timed BLAS ended with exit code {child.wait()}")
    return json.loads(line)


def _kill(children: Sequence[subprocess.Popen[str]]) -> None:
    for child in children:
        child.kill()


def _built_with() -> dict[str, Any]:
    """What NumPy says it was built with."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    keys = ("architecture", "threads", "threading")
    about = {"library": blas.get("name") or "unknown", "version": blas.get("version")}
    return about | dict.fromkeys(keys)


def _take_turns() -> None:
    """A child of compare_core_types: says which kernels it has; then, for each line that comes,
    the seconds of a turn."""
    rows, depth, columns = PATCHES
    a, b = np.ones((rows, depth), np.float32), np.ones((depth, columns), np.float32)
    out = a @ b
    print(json.dumps(libraries()[0]["architecture"]), flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        for _ in range(REPEATS):
            np.matmul(a, b, out=out)
        print(json.dumps(time.perf_counter() - begun), flush=True)


if __name__ == "__main__":
    _take_turns()
