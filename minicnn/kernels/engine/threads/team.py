"""Threads that wait inside machine code, so that even microseconds of work are worth sharing.

A kernel cuts its work into numbered pieces and calls `share(team, n, piece, args)`: the calling
thread and the team's helpers take piece after piece until none is left. The result is the same to
the bit whichever thread takes a piece, because no two pieces write to the same place.

While the helpers are awake, they poll a counter in memory, and sharing costs a fraction of a
microsecond. A helper that is idle for half a millisecond goes to sleep in Python. The next kernel
call wakes it, but does not wait for it. docs/performance.md compares this with OpenMP and with
Numba's threading layers.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from functools import cache as remember

import numpy as np

from ...batch_pieces import get_threads
from ...jit import Kernel
from .work_sharing import ASLEEP, DISMISSED, WORDS, help_until_idle, processor, take_sleepers

HAS_AFFINITY = sys.platform == "linux" and hasattr(os, "sched_setaffinity")


class Team:
    """The calling thread and `helpers` others."""

    def __init__(self, helpers: int) -> None:
        self.words = np.zeros(WORDS, np.int64)
        self._wake_up = threading.Semaphore(0)
        self._processors: set[int] = set()
        if helpers:
            _compile_helper_loop()
        self._helpers = [
            threading.Thread(target=self._help, name=f"minicnn-{number}", daemon=True)
            for number in range(helpers)
        ]
        for helper in self._helpers:
            helper.start()

    def wake(self) -> None:
        """Wake the helpers that sleep."""
        if self.words[ASLEEP]:
            asleep = take_sleepers(self.words)
            self._move_helpers()
            for _ in range(asleep):
                self._wake_up.release()

    def _move_helpers(self) -> None:
        """Keep helpers from waking on the caller's processor, where they would only delay it.

        Linux tends to wake a thread on its waker's processor. The affinity set here holds until
        the helper is awake (see _help). Other systems do nothing.
        """
        if not HAS_AFFINITY:
            return
        allowed = os.sched_getaffinity(0)
        others = allowed - {processor()}
        self._processors = allowed if others else set()
        for helper in self._helpers if others else ():
            if helper.native_id is not None:  # it has started
                with suppress(OSError):  # it may have ended
                    os.sched_setaffinity(helper.native_id, others)

    def dismiss(self) -> None:
        """End the helpers."""
        self.words[DISMISSED] = 1
        self._wake_up.release(1 << 10)

    def _help(self) -> None:
        while not self.words[DISMISSED]:
            if self._processors:
                with suppress(OSError):
                    os.sched_setaffinity(0, self._processors)
            help_until_idle(self.words)
            self._wake_up.acquire()


class _Alone(threading.local):
    """A team of the calling thread only; each thread needs its own words."""

    def __init__(self) -> None:
        self.words = np.zeros(WORDS, np.int64)


_alone = _Alone()
_team: Team | None = None
_size = 0
_busy = threading.Lock()


def call(kernel: Kernel, *args: object) -> object:
    """kernel(team, *args), on get_threads() threads.

    While one thread of the program uses the team, kernels called by other threads run alone.
    """
    if not _busy.acquire(blocking=False):
        return kernel(_alone.words, *args)
    try:
        team = _current_team()
        team.wake()
        return kernel(team.words, *args)
    finally:
        _busy.release()


def call_alone(kernel: Kernel, *args: object) -> object:
    """kernel(team, *args), on the calling thread only: for work that is not worth sharing."""
    return kernel(_alone.words, *args)


def _current_team() -> Team:
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
def _compile_helper_loop() -> None:
    """Compile in the caller's thread. A helper that compiles holds Numba's lock, and a process
    forked meanwhile would wait for it forever."""
    dismissed = np.zeros(WORDS, np.int64)
    dismissed[DISMISSED] = 1
    help_until_idle(dismissed)
    take_sleepers(dismissed)
    processor()
