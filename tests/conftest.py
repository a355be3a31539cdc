"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from minicnn import kernels

if not find_spec("numba"):  # chosen here, so that minicnn need not warn: warnings are errors
    os.environ.setdefault("MINICNN_BACKEND", "numpy")


@pytest.fixture(params=kernels.available_backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each backend that can be used here, made the current one."""
    with kernels.use_backend(request.param):
        yield request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that begins alike in every test."""
    return np.random.default_rng(0)
