"""Pieces of a batch, computed in parallel; the same result to the bit for any number of threads.

The cuts depend on the shapes alone, never on the number of threads. One thread computes a piece,
with BLAS limited to one thread; partial sums are added in the order of the pieces.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from functools import cache
from threading import Lock

from threadpoolctl import OpenBLASController, ThreadpoolController

from ..state_checks import whole_number

Task = Callable[[], None]

_threads: int | None = None  # until the first get_threads()

MOST_PIECES = 16  # bounds the memory of partial sums
SMALLEST_PIECE = 16  # images; a smaller piece costs more than another thread saves


def pieces(n: int, smallest: int = SMALLEST_PIECE) -> list[slice]:
    """Cut range(n) into at most MOST_PIECES slices of at least `smallest`; n = 0 gives none."""
    count = max(1, min(MOST_PIECES, n // smallest))
    size = -(-n // count) if n else 1
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def run(tasks: Sequence[Task]) -> None:
    """Run the tasks on get_threads() threads, including the caller's; return when all have ended.

    If a task raises, its exception is raised here after the others have ended.
    """
    workers = min(get_threads(), len(tasks))
    queue = iter(tasks)  # `next` is atomic: each task runs once
    with _blas_on_one_thread:
        if workers <= 1:
            _work(queue)
            return
        pool = _pool(workers - 1)
        # in copies of the caller's context, which holds NumPy's errstate()
        helpers = [pool.submit(copy_context().run, _work, queue) for _ in range(workers - 1)]
        try:
            _work(queue)
        finally:
            errors = [helper.exception() for helper in helpers]
        for error in errors:
            if error is not None:
                raise error


def set_threads(n: int | None) -> None:
    """Use `n` threads; None: MINICNN_THREADS, or all processors that this process may use.

    Raises:
        TypeError: n is not a whole number.
        ValueError: n < 1, or MINICNN_THREADS is not a positive whole number.
    """
    global _threads
    _threads = _default_threads() if n is None else whole_number("threads", n)


def get_threads() -> int:
    """How many threads the kernels use."""
    if _threads is None:
        set_threads(None)
    assert _threads is not None
    return _threads


def _work(queue: Iterator[Task]) -> None:
    for task in queue:
        task()


@cache
def _pool(helpers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(helpers, thread_name_prefix="minicnn")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _take_over() -> None:
    """Let this thread change BLAS's limit: threadpoolctl (since 3.8) silently ignores all threads
    but the first one that changed it."""
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class _BlasOnOneThread:
    """Limit BLAS to one thread while any region runs. Regions may overlap (the page predicts while
    training runs): the first one sets the limit, the last one lifts it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._regions = 0
        self._limit = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._regions == 0:
                _take_over()
                self._limit.enter_context(_blas().limit(limits=1, user_api="blas"))
            self._regions += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._regions -= 1
            if self._regions == 0:
                _take_over()
                self._limit.close()
                _take_over()


_blas_on_one_thread = _BlasOnOneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child inherits no threads


def usable_processors() -> int:
    """Processors that this process may use: all, or fewer by its affinity (taskset, cgroups)."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _default_threads() -> int:
    text = os.environ.get("MINICNN_THREADS", "").strip()
    if not text:
        return usable_processors()
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError(f"expected MINICNN_THREADS as a whole number >= 1, received {text!r}")
    return int(text)
