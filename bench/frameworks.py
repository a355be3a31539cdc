"""PyTorch and JAX, where they are installed."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from minicnn import kernels


def torch() -> ModuleType | None:
    """The module, with as many threads as minicnn; None, with a message, if not installed."""
    module = _torch()
    if module is not None:
        module.set_num_threads(kernels.get_threads())
    return module


def jax() -> ModuleType | None:
    """The module, on the CPU; None if not installed.

    JAX uses all cores: it has no setting for the number of threads.
    """
    if not find_spec("jax"):
        return None
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return import_module("jax")


def programs(quick: bool, numpy: bool = True) -> dict[str, str]:
    """Competitor → its name for accuracy_program and memory_program.

    Args:
        quick: only the NumPy backend, which compiles nothing.
        numpy: include the NumPy backend (it is included anyway where Numba is missing).
    """
    found = {}
    if "numba" in kernels.available_backends() and not quick:
        found["minicnn"] = "minicnn"
    if numpy or not found:
        found["minicnn numpy"] = "minicnn-numpy"
    if torch() is not None and not quick:
        found |= {"PyTorch NCHW": "torch", "PyTorch channels-last": "torch-channels-last"}
    return found


@cache
def _torch() -> ModuleType | None:
    if not find_spec("torch"):
        print("PyTorch is not installed: only minicnn is measured", file=sys.stderr)
        return None
    import torch

    return torch
