"""Against PyTorch, where it is installed: on one thread, and as float64 where it can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def torch_on_one_thread() -> Iterator[None]:
    """Two libraries that both take all cores would only wait for each other."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
