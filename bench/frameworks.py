"""PyTorch and JAX, where they are installed."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from minicnn import kernels


def torch() -> Any | None:
    """The module, on as many threads as minicnn; None (with a line) where it isn't installed."""
    module = _torch()
    if module is not None:
        module.set_num_threads(kernels.get_threads())
    return module


def jax() -> Any | None:
    """The module, on the processor; None where it isn't installed.

    JAX takes all cores: it has no setting for the number of threads.
    """
    if not find_spec("jax"):
        return None
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return import_module("jax")


@cache
def _torch() -> Any | None:
    if not find_spec("torch"):
        print("PyTorch is not installed: minicnn is measured alone", file=sys.stderr)
        return None
    import torch

    return torch
