"""Throttle: limits the share of a run's time that costly work takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .. import hooks


class Throttle:
    """Says when work that may be skipped is due again.

    After work that took c seconds, it is due after max(every_seconds, c / share) seconds: it takes
    at most about `share` of a long run's time.

    The n throttles of a group divide `share` between them: each works 1 / n as often, and for the
    first time after n² · every_seconds.

    Args:
        every_seconds: the shortest time between two, and before the first, >= 0.
        share: the largest share of the time, in (0, 1].
    """

    def __init__(self, every_seconds: float = 3.0, share: float = 0.015) -> None:
        self.every_seconds, self.share = every_seconds, share
        self._group: list[hooks.Throttle] = [self]
        self._begun = time.perf_counter()
        self._next: float | None = None

    def begin(self, group: list[hooks.Throttle] | None = None) -> None:
        """A run begins. With a group (State.drawing.throttles), join it."""
        self._group = [] if group is None else group
        self._group.append(self)
        self._begun = time.perf_counter()
        self._next = None

    def due(self) -> bool:
        """Whether it may be done now."""
        first = self._begun + len(self._group) ** 2 * self.every_seconds
        return time.perf_counter() >= (first if self._next is None else self._next)

    @contextmanager
    def working(self) -> Iterator[None]:
        """`with throttle.working():` around the work measures it."""
        start = time.perf_counter()
        try:
            yield
        finally:
            now = time.perf_counter()
            cost = len(self._group) * (now - start)
            self._next = now + max(self.every_seconds, cost / self.share)
