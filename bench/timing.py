"""Timing competitors in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    competitors: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 3
) -> dict[str, list[float]]:
    """Seconds of each call: A B C A B C …, `rounds` times, after `warmup` rounds not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for number in range(warmup + rounds):
        for name, run in competitors.items():
            begun = time.perf_counter()
            run()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def spread(seconds: list[float]) -> tuple[float, float, float]:
    """(first quartile, median, third quartile)."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return low, middle, high
