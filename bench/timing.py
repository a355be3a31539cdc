"""Timing competitors in turn, so that a machine whose speed drifts is fair to all.

A turn is a pause, a call that does not count, and enough calls to be worth a look at the clock.
The pause is there because threads linger: measured on two cores, the OpenMP threads of PyTorch
go on spinning for 8 ms after an operation, and minicnn's own helpers for 1 ms; whoever came next
would share its cores with them. The call that does not count wakes the competitor's own threads
and brings its data into the cache, as the step before does in a loop.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
Clock = Callable[[], float]

PAUSE = 0.012  # seconds before each turn
TURN = 0.005  # seconds of counted calls that a turn should last at least
MOST_CALLS = 1000  # in a turn


class Effort(NamedTuple):
    """How long to measure: `seconds` for each competitor, in at least `least` rounds (if that
    takes longer) and at most `most`."""

    seconds: float = 0.3
    least: int = 5
    most: int = 100


class Quartiles(NamedTuple):
    """The middle half of some measurements lies from q1 to q3."""

    q1: float
    median: float
    q3: float


def interleaved(
    competitors: Mapping[K, Callable[[], object]],
    effort: Effort | None = None,
    *,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[K, list[float]]:
    """Seconds of a call of each competitor: one number a round, the mean over the turn's calls.

    The rounds go A B C, B C A, C A B, …, so that nobody always follows the same neighbour. Every
    competitor is called twice beforehand, which warms it up and tells how long its calls take.
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
    """Seconds of a single call: a first one, say, which compiles."""
    begun = clock()
    run()
    return clock() - begun


def _calls_in_a_turn(run: Callable[[], object], clock: Clock) -> int:
    run()
    took = once(run, clock)
    return max(1, min(MOST_CALLS, math.ceil(TURN / took))) if took > 0 else MOST_CALLS


def _turn(run: Callable[[], object], calls: int, clock: Clock) -> float:
    if calls > 1:  # a long call warms itself up within its first moments
        run()
    begun = clock()
    for _ in range(calls):
        run()
    return (clock() - begun) / calls
