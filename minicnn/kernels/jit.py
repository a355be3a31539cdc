"""How minicnn calls Numba: one decorator, used by every jitted kernel.

Kernels are compiled at their first call for the dtypes they meet (no fixed signatures, so that
float64 gradient checks run too) and cached on disk. `nogil` lets the threads of threads.py run
them side by side; `parallel=True` is not used: it takes more than twice as long to compile and
brings in a threading layer of its own.
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
        _let_fail(compiled._cache)
    except RuntimeError:  # "cannot cache function: no locator available"
        compiled = numba.njit(function, nogil=True)
    return compiled


def _let_fail(cache: Any) -> None:
    """A full disk or a damaged cache file shall cost the cache, not the run.

    Numba itself raises: what the disk said from saving, what unpickling said from loading.
    """
    save, load = cache.save_overload, cache.load_overload

    def save_if_possible(signature: Any, result: Any) -> None:
        with suppress(Exception):
            save(signature, result)

    def load_if_possible(signature: Any, target: Any) -> Any:
        try:
            return load(signature, target)
        except Exception:
            with suppress(Exception):
                cache.flush()  # an empty index in place of a damaged one
            return None

    cache.save_overload, cache.load_overload = save_if_possible, load_if_possible
