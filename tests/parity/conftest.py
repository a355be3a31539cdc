"""Comparisons with PyTorch, if it is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def torch_on_one_thread() -> Iterator[None]:
    """Two libraries that each use all cores slow each other down."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
