"""Time competitors in turn: a drift of the machine's speed affects all of them.

A turn is a pause, an unmeasured call, and enough measured calls for the resolution of the clock.
The pause is needed because threads keep spinning: on two cores, the OpenMP threads of PyTorch spin
for 8 ms after an operation, and minicnn's helpers for 1 ms, and the next competitor would share the
cores with them. The unmeasured call wakes the competitor's threads and loads its data into the
cache, as the previous step of a loop does.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
Clock = Callable[[], float]

PAUSE = 0.012  # seconds before each turn
TURN = 0.005  # seconds of measured calls in a turn, at least
MOST_CALLS = 1000  # in a turn


class Effort(NamedTuple):
    """How long to measure: `seconds` for each competitor, in `least` to `most` rounds."""

    seconds: float = 0.3
    least: int = 5
    most: int = 100


class Quartiles(NamedTuple):
    """Half of the measurements lie between q1 and q3."""

    q1: float
    median: float
    q3: float

    def times(self, factor: float) -> Quartiles:
        """In another unit."""
        return Quartiles(*(factor * value for value in self))

    def rate(self, amount: float) -> Quartiles:
        """The quartiles of `amount` per measured time."""
        return Quartiles(amount / self.q3, amount / self.median, amount / self.q1)


def interleaved(
    competitors: Mapping[K, Callable[[], object]],
    effort: Effort | None = None,
    *,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[K, list[float]]:
    """Seconds of a call of each competitor: one number per round, the mean over the turn's calls.

    The order is A B C, B C A, C A B, …, so the competitors start the rounds in turn. Each is called
    twice beforehand, to warm it up and to measure roughly how long a call takes.
    """
    effort = effort or Effort()
    names = list(competitors)
    calls = {name: _calls_in_a_turn(run, clock) for name, run in competitors.items()}
    seconds: dict[K, list[float]] = {name: [] for name in names}
    begun = clock()
    for number in range(effort.most):
        if number >= effort.least and clock() - begun >= effort.seconds * len(names):
            break
        first = number % len(names)
        for name in names[first:] + names[:first]:
            sleep(PAUSE)
            seconds[name].append(_turn(competitors[name], calls[name], clock))
    return seconds


def quartiles(seconds: Sequence[float]) -> Quartiles:
    """First quartile, median and third quartile.

    Raises:
        ValueError: there are no numbers.
    """
    if not seconds:
        raise ValueError("expected at least one measurement, received none")
    if len(seconds) == 1:
        return Quartiles(seconds[0], seconds[0], seconds[0])
    return Quartiles(*statistics.quantiles(seconds, n=4, method="inclusive"))


def once(run: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Seconds of a single call, e.g. of the first one, which compiles."""
    begun = clock()
    run()
    return clock() - begun


class Stopwatch:
    """Measures the time spent in chosen methods of chosen objects, for each step."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.steps: list[dict[str, float]] = []
        """Seconds by name, for each step."""
        self._now: dict[str, float] = defaultdict(float)

    def watch(self, owner: object, method: str, name: str) -> None:
        """From now on, count the time of owner.method as `name`."""
        run = getattr(owner, method)

        def timed(*args: object, **options: object) -> object:
            begun = self.clock()
            try:
                return run(*args, **options)
            finally:
                self._now[name] += self.clock() - begun

        setattr(owner, method, timed)

    def step(self, run: Callable[[], T], rest: str) -> T:
        """Run a step; the time outside of the watched methods counts as `rest`."""
        self._now = defaultdict(float)
        begun = self.clock()
        result = run()
        whole = self.clock() - begun
        self.steps.append({**self._now, rest: whole - sum(self._now.values())})
        return result


def _calls_in_a_turn(run: Callable[[], object], clock: Clock) -> int:
    run()
    took = once(run, clock)
    return max(1, min(MOST_CALLS, math.ceil(TURN / took))) if took > 0 else MOST_CALLS


def _turn(run: Callable[[], object], calls: int, clock: Clock) -> float:
    if calls > 1:  # the warm-up is a small part of a long call
        run()
    begun = clock()
    for _ in range(calls):
        run()
    return (clock() - begun) / calls
