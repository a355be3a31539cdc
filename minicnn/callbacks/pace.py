"""Pace: how often something costly is worth its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..hooks import State


class Pace:
    """Says when a thing that needn't be done each time is due again.

    After a time of work that took c seconds, it is due after the larger of every_seconds and
    c / share: so it never takes more than about `share` of a long run's time.

    The n paces that were begun with the same run's state divide `share` between them, so that a run
    that many watch is not slowed down by all of them: each works n times as seldom, and first
    after n² · every_seconds.

    Args:
        every_seconds: the shortest time between two, >= 0; also before the first.
        share: the largest share of the time, in (0, 1].
    """

    def __init__(self, every_seconds: float = 3.0, share: float = 0.015) -> None:
        self.every_seconds, self.share = every_seconds, share
        self.begin()

    def begin(self, state: State | None = None) -> None:
        """A run begins: forget what came before. With its state: share with the others in it."""
        self._all: list[Pace] = [self]
        if state is not None:
            self._all = state.paces
            self._all.append(self)
        self._begun = time.perf_counter()
        self._next: float | None = None

    def due(self) -> bool:
        """Whether it may be done now."""
        first = self._begun + len(self._all) ** 2 * self.every_seconds
        return time.perf_counter() >= (first if self._next is None else self._next)

    @contextmanager
    def working(self) -> Iterator[None]:
        """`with pace.working():` around the work: how long it takes sets the pace."""
        start = time.perf_counter()
        try:
            yield
        finally:
            now = time.perf_counter()
            cost = len(self._all) * (now - start)
            self._next = now + max(self.every_seconds, cost / self.share)
