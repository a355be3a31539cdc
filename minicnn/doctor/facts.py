"""What the speed of minicnn depends on here, as JSON values: one function for each section.

A section that fails is {"error": why}; the other sections are still complete.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .. import kernels
from ..data.cache import data_folder
from ..kernels import backend as backends
from ..kernels import elementwise
from ..kernels.batch_pieces import usable_processors
from ..runs import machine
from . import blas

Facts = dict[str, Any]  # JSON

SETTINGS = ("MINICNN_", "NUMBA_", "OPENBLAS_", "MKL_", "BLIS_", "OMP_", "NPY_")
CLEAR = (ValueError, ImportError, OSError, RuntimeError)  # errors whose message is enough
SECONDS = 0.2  # for the measurement


def collect(measure: bool = True) -> Facts:
    """All facts by section. A section is None if it does not apply: sections about Numba's kernels
    without Numba, "measured" if not `measure`. If `measure`, a kernel is run too, to test Numba."""
    other_load = machine.OtherLoad()
    facts: Facts = {"backend": guarded(backend)}
    numba = fact(facts, "backend", "numba_installed") and not fact(facts, "backend", "numba_error")
    sections: dict[str, Callable[[], object]] = {
        "processor": processor,
        "threads": lambda: {"count": kernels.get_threads(), "given": _variable("MINICNN_THREADS")},
        "vectors": vectors if numba else lambda: None,
        "kernel_cache": kernel_cache if numba else lambda: None,
        "blas": openblas,
        "data_cache": lambda: _folder(data_folder()),
        "extras": extras,
        "versions": lambda: machine.describe()["versions"] | {"python": platform.python_version()},
        "settings": lambda: {k: v for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)},
    }
    facts |= {name: guarded(probe) for name, probe in sections.items()}
    facts["measured"] = {"product_gflops": guarded(_product_gflops)} if measure else None
    if measure and numba:
        facts["backend"]["numba_error"] = guarded(_run_kernel).get("error")
    facts["load"] = guarded(lambda: {"others": other_load.cores()})
    return facts


def fact(facts: Facts, section: str, name: str) -> Any:
    """A fact; None if it is unknown."""
    found = facts.get(section)
    return found.get(name) if isinstance(found, dict) else None


def guarded(probe: Callable[[], object]) -> Any:
    """What `probe` returns, or {"error": why} if it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe()
    except Exception as error:
        lines = str(error).strip().splitlines()
        kind = type(error).__name__
        if not lines:
            return {"error": kind}
        return {"error": lines[0] if isinstance(error, CLEAR) else f"{kind}: {lines[0]}"}


def processor() -> Facts:
    """Name, cores of the machine and of this process."""
    return {
        "name": machine.processor(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "usable": usable_processors(),
        "quota": machine.cpu_quota(),
    }


def backend() -> Facts:
    """The default backend; whether Numba is installed, and works."""
    installed = "numba" in kernels.available_backends()
    facts: Facts = {
        "given": _variable("MINICNN_BACKEND"),
        "numba_installed": installed,
        "numba_error": guarded(_import_engine).get("error") if installed else None,
    }
    return facts | guarded(lambda: {"name": _default_backend()})


def vectors() -> Facts:
    """The vector unit that Numba's kernels are compiled for."""
    from ..kernels.engine.codegen import simd

    unit = simd.vectors()
    key = next((key for key, known in simd.UNITS.items() if known == unit), None)
    return {"given": _variable("MINICNN_SIMD"), "key": key, "name": unit.name}


def openblas() -> Facts:
    """NumPy's BLAS, and whether OpenBLAS ignores the processor's AVX-512."""
    libraries = blas.libraries()
    return {
        "libraries": libraries,
        "core_type": _variable(blas.VARIABLE),
        "taken_for_older": blas.is_taken_for_older(libraries, machine.cpu_features()),
    }


def kernel_cache() -> Facts:
    """The folder that keeps compiled kernels."""
    from ..kernels.engine.threads import work_sharing

    compiled = (value for value in vars(work_sharing).values() if hasattr(value, "stats"))
    folder = getattr(next(compiled).stats, "cache_path", None)
    if not folder:
        why_not = "neither beside the sources nor in the user's cache folder"
        return {"folder": None, "why_not_writable": why_not}
    return _folder(Path(folder))


def extras() -> Facts:
    """Each extra of the package, and how to install its missing packages."""
    found: Facts = {}
    for requirement in metadata.requires("minicnn") or []:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", requirement)
        if name and extra and name[0] != "minicnn" and extra[1] != "all":
            found.setdefault(extra[1], "installed")
            if machine.version_of(name[0]) is None:
                found[extra[1]] = f'missing: pip install "minicnn[{extra[1]}]"'
    return dict(sorted(found.items()))


def why_not_writable(folder: Path) -> str | None:
    """Why no file can be written to the folder (or to a parent, to create it); None: it can."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        return f"{existing} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(4096))
    except OSError as error:
        return f"{existing}: {error.strerror or error}"
    return None


def _folder(folder: Path) -> Facts:
    return {"folder": str(folder), "why_not_writable": why_not_writable(folder)}


def _variable(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _import_engine() -> Facts:
    backends.module("numba")
    backends.engine()
    return {}


def _product_gflops() -> float:
    return round(blas.product_flops(SECONDS) / 1e9, 1)


def _run_kernel() -> Facts:
    """Compile a small kernel, or load it from the cache, and run it."""
    numbers = np.ones(1, np.float32)
    elementwise.relu_backward(numbers, numbers, backend="numba")
    return {}


def _default_backend() -> str:
    with kernels.use_backend(None):
        return kernels.current_backend()
