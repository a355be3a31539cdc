"""Threads that wait inside machine code, so that even microseconds of work are worth sharing.

A kernel cuts its work into numbered pieces and calls `share(team, n, piece, args)`: the caller's
thread and the team's helpers take piece after piece until none is left. Who takes which does not
matter: a piece writes what no other piece writes, so the result is the same to the bit.

Handing over costs a fraction of a microsecond while the helpers are awake: they watch a counter
in memory. A helper that has waited in vain for half a millisecond goes to sleep in Python, and
the next kernel call wakes it (that call may be over before it is up, which costs nothing but its
help). OpenMP and Numba's own threading layers were measured beside it: docs/performance.md.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache as remember
from typing import Any

import numpy as np

from ...batch_pieces import get_threads
from .work_sharing import ASLEEP, DISMISSED, WORDS, count_off, help_until_idle, processor

PLACED = sys.platform == "linux" and hasattr(os, "sched_setaffinity")


class Team:
    """The calling thread and `helpers` others."""

    def __init__(self, helpers: int) -> None:
        self.words = np.zeros(WORDS, np.int64)
        self._bell = threading.Semaphore(0)
        self._processors: set[int] = set()
        if helpers:
            _compile_helpers_life()
        self._helpers = [
            threading.Thread(target=self._help, name=f"minicnn-{number}", daemon=True)
            for number in range(helpers)
        ]
        for helper in self._helpers:
            helper.start()

    def wake(self) -> None:
        """Ring for those who sleep."""
        if self.words[ASLEEP]:
            asleep = count_off(self.words)
            self._send_elsewhere()
            for _ in range(asleep):
                self._bell.release()

    def _send_elsewhere(self) -> None:
        """Let no helper wake up on the caller's own processor, where it could only be in the way.

        Linux likes to wake a thread where its waker runs. What is said here holds until the helper
        is awake (see _help). On other systems nothing is done.
        """
        if not PLACED:
            return
        allowed = os.sched_getaffinity(0)
        others = allowed - {processor()}
        self._processors = allowed if others else set()
        for helper in self._helpers if others else ():
            if helper.native_id is not None:  # it has started
                with suppress(OSError):  # it may just have ended
                    os.sched_setaffinity(helper.native_id, others)

    def dismiss(self) -> None:
        """Let the helpers end."""
        self.words[DISMISSED] = 1
        self._bell.release(1 << 10)

    def _help(self) -> None:
        while not self.words[DISMISSED]:
            if self._processors:
                with suppress(OSError):
                    os.sched_setaffinity(0, self._processors)
            help_until_idle(self.words)
            self._bell.acquire()


class _Alone(threading.local):
    """A team of the calling thread only; no two threads may hand out pieces by the same words."""

    def __init__(self) -> None:
        self.words = np.zeros(WORDS, np.int64)


_alone = _Alone()
_team: Team | None = None
_size = 0
_busy = threading.Lock()


def call(kernel: Callable[..., Any], *args: Any) -> Any:
    """kernel(team, *args), with the help of get_threads() - 1 others.

    While one thread of the program has the team, kernels called by others run without help.
    """
    if not _busy.acquire(blocking=False):
        return kernel(_alone.words, *args)
    try:
        team = _present_team()
        team.wake()
        return kernel(team.words, *args)
    finally:
        _busy.release()


def call_alone(kernel: Callable[..., Any], *args: Any) -> Any:
    """kernel(team, *args) for work that is not worth sharing."""
    return kernel(_alone.words, *args)


def _present_team() -> Team:
    global _team, _size
    size = get_threads()
    if _team is None or _size != size:
        if _team is not None:
            _team.dismiss()
        _team, _size = Team(size - 1), size
    return _team


def _after_fork() -> None:
    """A child inherits no threads."""
    global _team, _busy
    _team, _busy = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _dismiss() -> None:
    if _team is not None:
        _team.dismiss()


@remember
def _compile_helpers_life() -> None:
    """In the caller's thread: a helper that is still compiling would hold Numba's lock, which a
    process forked meanwhile would wait for, for ever."""
    dismissed = np.zeros(WORDS, np.int64)
    dismissed[DISMISSED] = 1
    help_until_idle(dismissed)
    count_off(dismissed)
    processor()
