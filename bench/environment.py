"""The environment of a benchmark: without it, its figures mean nothing."""

from __future__ import annotations

import os
import time
from typing import Any

from threadpoolctl import threadpool_info

from minicnn import kernels
from minicnn.runs import machine
from minicnn.runs.machine import OtherLoad

VARIABLES = (  # prefixes of variables that may affect the speed
    "MINICNN_", "NUMBA_", "NPY_", "OPENBLAS_", "MKL_", "BLIS_", "OMP_", "GOMP_", "KMP_",
    "ONEDNN_", "DNNL_", "ATEN_", "TORCH", "XLA_", "JAX_", "MALLOC_", "LD_PRELOAD",
)  # fmt: skip
COMPETITORS = ("torch", "jax")
QUIET = 0.1  # cores that other processes may keep busy


def describe() -> dict[str, Any]:
    """Processor, threads, vector unit, BLAS and its kernels, versions, settings."""
    about = machine.describe()
    about["versions"] |= {name: machine.version_of(name) for name in COMPETITORS}
    return about | {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "threads": kernels.get_threads(),
        "backend": kernels.current_backend(),
        "vectors": vector_unit(),
        "blas": blas(),
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(VARIABLES)},
    }


def vector_unit() -> str | None:
    """The vector unit that minicnn's kernels are compiled for; None without Numba."""
    if "numba" not in kernels.available_backends():
        return None
    from minicnn.kernels.engine.codegen.simd import vectors

    return vectors().name


def blas() -> list[str]:
    """Each BLAS in this process: its version, and the processor type of its kernels."""
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return [
        f"{library['internal_api']} {library.get('version') or '?'}"
        f" ({library.get('architecture') or 'unknown'} kernels)"
        for library in found
    ]


def wait_until_quiet(most: float, interval: float = 2.0) -> bool:
    """Wait until other processes are idle for `interval` seconds, at most `most` seconds.

    Returns:
        Whether they are idle; True after one interval if it is unknown.
    """
    stop = time.perf_counter() + most
    while True:
        other_load = OtherLoad()
        time.sleep(interval)
        if not is_disturbed({"others": other_load.cores()}):
            return True
        if time.perf_counter() >= stop:
            return False


def headline(environment: dict[str, Any]) -> str:
    """The machine in one line, for the title of a plot."""
    parts = [environment["processor"], f"{environment['threads']} threads"]
    parts += [environment["vectors"] or "no Numba", environment["date"]]
    if is_disturbed(environment):
        parts.append(f"while other processes kept {environment['others']} cores busy")
    return ", ".join(parts)


def is_disturbed(environment: dict[str, Any]) -> bool:
    """Whether other processes used too much processor time to trust the figures."""
    return (environment.get("others") or 0.0) > QUIET


def lines(environment: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, value) for a table."""
    versions = {name: v for name, v in environment["versions"].items() if v}
    python = f"Python {environment['python']}"
    found = [
        ("processor", f"{environment['processor']}, {environment['cpus']} cores"),
        ("system", environment["platform"]),
        ("threads", str(environment["threads"])),
        ("vector unit", environment["vectors"] or "Numba is not installed"),
        ("BLAS", "; ".join(environment["blas"]) or "unknown"),
        ("versions", ", ".join([python, *(f"{name} {v}" for name, v in versions.items())])),
        ("date", environment["date"]),
        ("other processes", _others(environment.get("others"))),
    ]
    settings = environment["variables"]
    return [*found, ("settings", " ".join(f"{k}={v}" for k, v in settings.items()) or "none")]


def same_machine(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two environments have the same kind of machine and number of threads."""
    return all(a.get(key) == b.get(key) for key in ("processor", "cpus", "threads", "vectors"))


def _others(cores: float | None) -> str:
    return "unknown" if cores is None else f"kept {cores} cores busy during the run"
