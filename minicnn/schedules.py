"""Learning-rate schedules: functions from the number of training steps to a learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, inf, pi
from sys import float_info

import numpy as np

from .registry import lookup
from .state_checks import whole_number


class Schedule:
    """Base: `schedule(step)` is the learning rate of step 0, 1, 2, …"""

    def __call__(self, step: int) -> float:
        raise TypeError(f"{type(self).__name__} has no rate: override __call__()")


@dataclass
class Constant(Schedule):
    """The same rate for all steps."""

    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)

    def __call__(self, step: int) -> float:
        return self.learning_rate


@dataclass
class StepDecay(Schedule):
    """learning_rate · factor^⌊step / every⌋: multiplied by `factor` every `every` steps."""

    learning_rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)
        self.factor = _rate(self.factor, "factor")
        self.every = whole_number("every", self.every)

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
        self.decay_steps = whole_number("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        return self.learning_rate * _power(self.decay_rate, step / self.decay_steps)


@dataclass
class CosineDecay(Schedule):
    """A linear warm-up, then half a cosine down to `final · learning_rate`.

    In steps 0 … warmup_steps-1 the rate rises from learning_rate/warmup_steps to learning_rate.
    Then it is learning_rate · (final + (1 - final) · (1 + cos πt) / 2), where
    t = (step - warmup_steps) / (decay_steps - warmup_steps), at most 1.

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017),
    equation 5, without restarts.

    Args:
        learning_rate: the peak.
        decay_steps: number of steps, including the warm-up.
        warmup_steps: number of steps of the warm-up.
        final: the last rate as a share of the peak.
    """

    learning_rate: float
    decay_steps: int
    warmup_steps: int = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        self.learning_rate = _rate(self.learning_rate)
        self.final = _rate(self.final, "final")
        self.warmup_steps = whole_number("warmup_steps", self.warmup_steps, 0)
        self.decay_steps = whole_number("decay_steps", self.decay_steps, self.warmup_steps + 1)

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
    """A constant rate as a float, anything else as a schedule; raises like `get`."""
    schedule = get(rate)
    return schedule.learning_rate if isinstance(schedule, Constant) else schedule


def get(rate: object) -> Schedule:
    """A schedule from a number, a saved configuration or an instance.

    Raises:
        ValueError, TypeError: none of these; or a rate that is negative or not finite.
    """
    if isinstance(rate, (int, float, np.number)) and not isinstance(rate, bool):
        return Constant(float(rate))
    return lookup("schedule", rate, TABLE, Schedule)


def _power(base: float, exponent: float) -> float:
    """base^exponent; infinity if it overflows."""
    try:
        return base**exponent
    except OverflowError:
        return inf


def _rate(rate: float, name: str = "a learning rate") -> float:
    """A finite number >= 0 as a Python float: saved schedules hold nothing else."""
    value = rate.item() if isinstance(rate, np.generic) else rate  # in float32, the maximum is inf
    if not 0 <= value <= float_info.max:
        raise ValueError(f"expected {name} >= 0, received {rate!r}")
    return float(value)
