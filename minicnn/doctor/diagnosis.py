"""What the speed of minicnn depends on here, as plain facts: one function a question.

Nothing is judged (remedies.py does that) and nothing printed (doctor.py). A question that can't
be answered gives {"error": why} in place of its facts.
"""

from __future__ import annotations

import os
import platform
import re
import warnings
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import backend as backends
from ..kernels.batch_pieces import pieces, run
from ..runs import machine
from . import blas, caches

Facts = dict[str, Any]

SETTINGS = ("MINICNN_", "NUMBA_", "OPENBLAS_", "MKL_", "BLIS_", "OMP_", "NPY_")
PLAIN = (ValueError, ImportError, OSError, RuntimeError)  # errors whose text says it all
SECONDS = 0.2  # for each ceiling
NUMBERS = 1 << 24  # in an array that measures the memory, 64 MiB
# What no extra installs: packages, and what they are for.
BESIDE = {
    "PyTorch": (["torch"], "bench and tests/parity compare with it"),
    "JAX": (["jax"], "bench compares with it"),
}


def diagnose(measure: bool = True) -> Facts:
    """All facts by section; None where there is nothing to say: about Numba's kernels without
    Numba, of measurements where `measure` is False."""
    bystanders = machine.Bystanders()
    facts = {"backend": guarded(backend)}
    with_numba = has_numba(facts)
    sections: dict[str, Callable[[], Any]] = {
        "processor": processor,
        "threads": threads,
        "vectors": vectors if with_numba else _nothing,
        "kernel_cache": caches.kernel_cache if with_numba else _nothing,
        "blas": lambda: {"libraries": blas.libraries(), "core_type": os.environ.get(blas.VARIABLE)},
        "data_cache": caches.data_cache,
        "extras": lambda: {"list": extras()},
        "versions": lambda: machine.describe()["versions"] | {"python": platform.python_version()},
        "settings": settings,
    }
    facts |= {name: guarded(probe) for name, probe in sections.items()}
    facts["measured"] = measurements(facts) if measure else None
    facts["load"] = guarded(lambda: load(bystanders))
    return facts


def has_numba(facts: Facts) -> bool:
    """Whether Numba is there and its kernels can be imported."""
    found = facts["backend"]
    return bool(found.get("numba_installed") and not found.get("numba_error"))


def guarded(probe: Callable[[], Any]) -> Any:
    """What the probe returns, or {"error": why} if it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is said in plainer words
            return probe()
    except Exception as error:
        return {"error": describe(error)}


def describe(error: BaseException) -> str:
    """The first line of what an error says; and its kind, where that alone may not be plain."""
    kind, lines = type(error).__name__, str(error).strip().splitlines()
    if not lines:
        return kind
    return lines[0] if isinstance(error, PLAIN) else f"{kind}: {lines[0]}"


def processor() -> Facts:
    """Its name, the cores of the machine and those this process may use, its widest vectors."""
    return {
        "name": machine.processor(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "usable": machine.usable_cpus(),
        "quota": machine.cpu_quota(),
        "widest": widest(machine.cpu_features(), platform.machine()),
    }


def widest(features: frozenset[str], kind: str) -> str | None:
    """The widest of simd.UNITS that such a processor has; None if its features are unknown."""
    if {"avx512f", "avx512vl"} <= features:
        return "avx512"
    if {"avx2", "fma"} <= features:
        return "avx2"
    if kind.lower() in ("arm64", "aarch64"):
        return "neon"
    return "128" if features else None


def threads() -> Facts:
    """How many threads the kernels use, and who said so."""
    given = os.environ.get("MINICNN_THREADS", "").strip() or None
    return {"given": given, "count": kernels.get_threads()}


def backend() -> Facts:
    """The backend of a process that chooses none itself; whether Numba is there, and works."""
    given = os.environ.get("MINICNN_BACKEND", "").strip().lower() or None
    installed = "numba" in kernels.available_backends()
    facts: Facts = {"given": given, "numba_installed": installed, "numba_error": None}
    if installed:
        facts["numba_error"] = guarded(_import_engine).get("error")
    return facts | guarded(lambda: {"name": _default_backend()})


def vectors() -> Facts:
    """The vector unit that the kernels are compiled for; Numba's kernels only."""
    from ..kernels.engine.codegen import simd

    given = os.environ.get("MINICNN_SIMD", "").strip().lower() or None
    unit = guarded(simd.vectors)
    if isinstance(unit, dict):
        return unit | {"given": given}
    key = next((key for key, known in simd.UNITS.items() if known == unit), None)
    return {"given": given, "key": key, "name": unit.name, "bits": 8 * unit.bytes}


def extras() -> list[Facts]:
    """What may be installed beside: the packages it needs, which are missing, how to get it."""
    found: list[Facts] = [
        {"name": name, "needs": needs, "purpose": None, "command": f'pip install "minicnn[{name}]"'}
        for name, needs in sorted(_extras_of("minicnn").items())
        if name != "all"  # the sum of the others
    ]
    found += [
        {
            "name": name,
            "needs": needs,
            "purpose": purpose,
            "command": f"pip install {' '.join(needs)}",
        }
        for name, (needs, purpose) in BESIDE.items()
    ]
    return [e | {"missing": [need for need in e["needs"] if not is_installed(need)]} for e in found]


def settings() -> dict[str, str]:
    """Environment variables that may make it faster or slower."""
    return {name: text for name, text in sorted(os.environ.items()) if name.startswith(SETTINGS)}


def load(bystanders: machine.Bystanders) -> Facts:
    """How busy others keep the machine: over the last minute, and since `bystanders` was made."""
    average = getattr(os, "getloadavg", None)
    return {
        "average": round(average()[0], 2) if average else None,
        "others": bystanders.cores(),
    }


def measurements(facts: Facts) -> Facts:
    """What the machine can do at most, and what other kernels of OpenBLAS would gain.

    Each is a number, a list, None (can't be measured without Numba; nothing to compare), or
    {"error": why}.
    """
    numba = has_numba(facts)
    libraries = facts["blas"].get("libraries", [])

    def core_types() -> list[Facts] | None:
        older = blas.is_taken_for_older(libraries, machine.cpu_features())
        return blas.compare_core_types() if older else None

    return {
        "gflops": guarded(_peak_gflops) if numba else None,
        "gbytes": guarded(_triad_gbytes if numba else _addition_gbytes),
        "product_gflops": guarded(lambda: round(blas.product_flops() / 1e9, 1)),
        "core_types": guarded(core_types),
    }


def is_installed(package: str) -> bool:
    """Whether a distribution of that name is installed."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _extras_of(package: str) -> dict[str, list[str]]:
    """The packages of each extra, as the installed metadata says; of a bare checkout, Numba's."""
    try:
        requirements = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {"numba": ["numba"]}
    found: dict[str, list[str]] = {}
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", requirement)
        if name and extra and name[0] != package:
            found.setdefault(extra[1], []).append(name[0])
    return found


def _nothing() -> None:
    return None


def _import_engine() -> Facts:
    backends.module("numba")
    backends.engine()
    return {}


def _default_backend() -> str:
    with kernels.use_backend(None):
        return kernels.current_backend()


def _peak_gflops() -> float:
    from ..kernels.engine import peak

    return round(peak.peak_flops(SECONDS) / 1e9, 1)


def _triad_gbytes() -> float:
    from ..kernels.engine import peak

    return round(peak.bandwidth(SECONDS) / 1e9, 1)


def _addition_gbytes() -> float:
    """Without Numba: c = a + b by NumPy; two arrays read and one written are counted."""
    a, b, c = (np.full(NUMBERS, value, np.float32) for value in (1, 2, 0))
    tasks: Any = [partial(np.add, a[p], b[p], out=c[p]) for p in pieces(NUMBERS)]
    took = blas.fastest(SECONDS, lambda: run(tasks))
    return round(3 * a.nbytes / took / 1e9, 1)
