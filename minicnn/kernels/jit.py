"""How minicnn calls Numba: one decorator, used by every jitted kernel.

Kernels are compiled at their first call for the dtypes they meet (no fixed signatures, so that
float64 gradient checks run too) and cached on disk. `nogil` lets the threads of threads.py run
them side by side; `parallel=True` is not used: it would compile several times longer and bring
in a threading layer of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile `function`, cached on disk where any cache folder can be written.

    Numba caches beside the source, else in the user's cache folder (NUMBA_CACHE_DIR moves it);
    where neither can be written it raises, and the kernel is compiled anew in each process.
    """
    compiled: Any
    try:
        compiled = numba.njit(function, nogil=True, cache=True)
        _let_saving_fail(compiled._cache)
    except RuntimeError:  # "cannot cache function: no locator available"
        compiled = numba.njit(function, nogil=True)
    return compiled


def _let_saving_fail(cache: Any) -> None:
    """A full disk shall cost the cache, not the run: Numba itself raises from the first call."""
    save = cache.save_overload

    def save_if_possible(signature: Any, result: Any) -> None:
        with suppress(OSError):
            save(signature, result)

    cache.save_overload = save_if_possible
