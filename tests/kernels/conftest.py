"""Fixtures of the kernel tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from minicnn import kernels


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """set_threads, put back afterwards."""
    before = kernels.get_threads()
    yield kernels.set_threads
    kernels.set_threads(before)
