"""Learning-rate schedules: functions from the number of steps taken (batches) to a rate."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, inf, pi
from sys import float_info
from typing import Any

import numpy as np

from .registry import lookup


class Schedule:
    """Base: `schedule(step)` is the learning rate of step 0, 1, 2, …"""

    def __call__(self, step: int) -> float:
        raise TypeError(f"{type(self).__name__} gives no rate: override __call__()")


@dataclass
class Constant(Schedule):
    """Always the same rate."""

    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)

    def __call__(self, step: int) -> float:
        return self.learning_rate


@dataclass
class StepDecay(Schedule):
    """learning_rate · factor^⌊step / every⌋: a drop every so many steps."""

    learning_rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)
        self.factor = _rate(self.factor, "factor")
        _check_steps("every", self.every, 1)

    def __call__(self, step: int) -> float:
        return self.learning_rate * _power(self.factor, step // self.every)


@dataclass
class ExponentialDecay(Schedule):
    """learning_rate · decay_rate^(step / decay_steps)."""

    learning_rate: float
    decay_steps: int
    decay_rate: float

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)
        self.decay_rate = _rate(self.decay_rate, "decay_rate")
        _check_steps("decay_steps", self.decay_steps, 1)

    def __call__(self, step: int) -> float:
        return self.learning_rate * _power(self.decay_rate, step / self.decay_steps)


@dataclass
class CosineDecay(Schedule):
    """A linear warm-up, then half a cosine down to `final · learning_rate`, which then stays.

    Steps 0 … warmup_steps-1 climb from learning_rate/warmup_steps to learning_rate; with
    t = (step - warmup_steps) / (decay_steps - warmup_steps) in [0, 1] the rate is then
    learning_rate · (final + (1 - final) · (1 + cos πt) / 2).

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017),
    equation 5, without restarts.

    Args:
        learning_rate: the peak.
        decay_steps: all steps, the warm-up among them.
        warmup_steps: steps of the warm-up.
        final: the last rate as a share of the peak.
    """

    learning_rate: float
    decay_steps: int
    warmup_steps: int = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)
        self.final = _rate(self.final, "final")
        _check_steps("warmup_steps", self.warmup_steps, 0)
        _check_steps("decay_steps", self.decay_steps, self.warmup_steps + 1)

    def __call__(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        t = min(1.0, (step - self.warmup_steps) / (self.decay_steps - self.warmup_steps))
        return self.learning_rate * (self.final + (1 - self.final) * (1 + cos(pi * t)) / 2)


TABLE: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step_decay": StepDecay,
    "exponential_decay": ExponentialDecay,
    "cosine_decay": CosineDecay,
}


def checked(rate: object) -> Schedule | float:
    """A valid constant rate as a float, anything else as a schedule; raises as `get` does."""
    schedule = get(rate)
    return schedule.learning_rate if isinstance(schedule, Constant) else schedule


def get(rate: object) -> Schedule:
    """A schedule from a number, a saved configuration or an instance.

    Raises:
        ValueError, TypeError: neither; or a rate that is negative or not finite.
    """
    if isinstance(rate, (int, float, np.number)) and not isinstance(rate, bool):
        return Constant(float(rate))
    return lookup("schedule", rate, TABLE, Schedule)


def _power(base: float, exponent: float) -> float:
    """base^exponent; infinity where it is beyond a float's range."""
    try:
        return base**exponent
    except OverflowError:
        return inf


def _rate(rate: float, name: str = "a learning rate") -> float:
    """A number >= 0 as Python's own: a schedule that comes back from a file has no other."""
    value = rate.item() if isinstance(rate, np.generic) else rate  # float32 would take max for inf
    if not 0 <= value <= float_info.max:
        raise ValueError(f"expected {name} >= 0, received {rate!r}")
    return float(value)


def _check_steps(name: str, steps: int, minimum: int) -> None:
    if not hasattr(steps, "__index__") or steps < minimum:
        raise ValueError(f"expected {name} as a whole number >= {minimum}, received {steps!r}")
