"""Improvement: compares the values of one monitored metric; names of metrics in the logs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..metrics import ALIASES, rises

MODES = ("auto", "min", "max")


class Improvement:
    """Compares values of the metric `monitor`.

    Args:
        monitor: a name in the logs; `acc` and `val_acc` are aliases.
        mode: "min", "max", or "auto": by the name (accuracy: max, loss: min).
        min_delta: the smallest improvement, in units of the metric, >= 0.
        caller: the callback's name, for messages.

    Raises:
        ValueError: an argument out of range, or a name from which "auto" can't choose.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float, caller: str) -> None:
        if not min_delta >= 0:
            raise ValueError(f"{caller}: expected min_delta >= 0, received {min_delta}")
        if mode not in MODES:
            raise ValueError(f"{caller}: expected mode in {MODES}, received {mode!r}")
        more_is_better = rises(monitor) if mode == "auto" else mode == "max"
        if more_is_better is None:
            raise ValueError(
                f'{caller}: is more or less of {monitor!r} better? Give mode="min" or mode="max"'
            )
        self.monitor, self.min_delta, self.caller = monitor, min_delta, caller
        self.state_name = f"{caller}({resolve(monitor)})"
        """Of a callback that monitors one metric (Callback.state_name)."""
        self.sign = 1.0 if more_is_better else -1.0
        """1: more is better; -1: less is."""

    def beats(self, value: float, other: float) -> bool:
        """Whether `value` is better than `other` by more than min_delta. NaN is never better; any
        other value is better than NaN (none yet)."""
        if math.isnan(value) or math.isnan(other):
            return not math.isnan(value)
        return self.sign * (value - other) > self.min_delta

    def value(self, logs: Mapping[str, float]) -> float:
        """The metric's value in the logs; ValueError, which lists the names, if it is missing."""
        return float(logs[find(self.monitor, logs, self.caller)])


def resolve(name: str) -> str:
    """The full name: `acc` is `accuracy`, `val_acc` is `val_accuracy`."""
    base = name.removeprefix("val_")
    return name.removesuffix(base) + ALIASES.get(base, base)


def find(name: str, logs: Iterable[str], caller: str) -> str:
    """The name in `logs`: `name`, or its full form.

    Raises:
        ValueError: neither is there; the message lists the names.
    """
    known = list(logs)
    for candidate in (name, resolve(name)):
        if candidate in known:
            return candidate
    hint = ""
    if name.startswith("val_") and not any(entry.startswith("val_") for entry in known):
        hint = "; val_… needs validation_data or validation_split in fit"
    raise ValueError(
        f"{caller}: no metric {name!r} in the logs, which have {', '.join(known)}{hint}"
    )
