"""Metrics: numbers shown beside the loss. Each gives (N,) values, of which the mean is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .registry import find
from .typing import Array


class Metric:
    """Base: `name` is its key in the logs."""

    name = "metric"

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        """(N,) floats. Targets are one-hot (N, K) or whole numbers (N,)."""
        raise TypeError(f"{type(self).__name__} has no per_sample(): override it")


@dataclass
class Accuracy(Metric):
    """1 where the largest output is the true class, else 0; 0 for outputs with a NaN."""

    name = "accuracy"

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        right = outputs.argmax(axis=-1) == class_indices(targets, outputs)
        return (right & ~np.isnan(outputs).any(axis=-1)).astype(np.float64)


@dataclass
class TopK(Metric):
    """1 where the true class is among the k largest outputs (ties count for it), else 0."""

    k: int = 5

    def __post_init__(self) -> None:
        if not hasattr(self.k, "__index__") or self.k < 1:
            raise ValueError(f"expected k >= 1, received {self.k!r}")
        self.name = f"top_{self.k}_accuracy"

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        true = np.take_along_axis(outputs, class_indices(targets, outputs)[:, None], axis=1)
        larger = ~(outputs <= true)  # a NaN counts as larger
        among = (larger.sum(axis=1) < self.k) & ~np.isnan(true[:, 0])
        return among.astype(np.float64)


@dataclass
class MeanSquaredError(Metric):
    """mean_k (y_k - t_k)²."""

    name = "mean_squared_error"

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        squares = np.square(outputs - targets.reshape(outputs.shape))
        return squares.mean(axis=tuple(range(1, squares.ndim)))


def rises(name: str) -> bool | None:
    """True if a higher value of the metric `name` is better, False if a lower one is, None if the
    name does not say."""
    base = name.removeprefix("val_")
    base = ALIASES.get(base, base)
    if base.startswith("top") or "accuracy" in base:
        return True
    if "loss" in base or "error" in base:
        return False
    return None


def class_indices(targets: Array, outputs: Array) -> Array:
    """(N,) class indices from one-hot (N, K), or from whole numbers (N,) or (N, 1).

    Raises:
        ValueError: targets are neither.
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ValueError(f"expected outputs (N, classes >= 2), received {outputs.shape}")
    if targets.shape == outputs.shape:
        return targets.argmax(axis=-1)
    flat = targets[:, 0] if targets.shape[1:] == (1,) else targets
    if flat.ndim != 1 or flat.dtype.kind not in "iu":
        raise ValueError(
            f"expected targets one-hot {outputs.shape} or whole numbers {outputs.shape[:1]}, "
            f"received {targets.dtype} {targets.shape}"
        )
    return flat.astype(np.intp)


def confusion_matrix(true: Array, predicted: Array, num_classes: int) -> Array:
    """Count how often class i (row) was predicted as class j (column).

    Args:
        true, predicted: (N,) class indices.
        num_classes: K.

    Returns:
        (K, K) int64.

    Raises:
        ValueError: an index is not in 0…K-1, or the lengths differ.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(
            f"expected two vectors of one length, received {true.shape} and {predicted.shape}"
        )
    for name, values in (("true", true), ("predicted", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise ValueError(
                f"expected {name} classes in 0…{num_classes - 1}, "
                f"received {values.min()}…{values.max()}"
            )
    pairs = true.astype(np.int64) * num_classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


Z95 = 1.959964  # standard deviations around the mean that hold 95 % of a normal distribution


def wilson(right: Any, total: Any, z: float = Z95) -> tuple[Any, Any]:
    """The 95 % confidence interval of an accuracy.

        (p + z²/2n ± z·√(p(1 - p)/n + z²/4n²)) / (1 + z²/n),   p = right/n, n = total

    Unlike p ± z·√(p(1 - p)/n), it is valid for few samples, and if all are right.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).

    Args:
        right, total: whole numbers, or arrays of them.

    Returns:
        The lower and the upper limit, in [0, 1], floats or arrays.

    Raises:
        ValueError: not 0 <= right <= total, total >= 1.
    """
    right, n = np.asarray(right), np.asarray(total)
    if np.any(right < 0) or np.any(right > n) or np.any(n < 1):
        raise ValueError(f"expected 0 <= right <= total, total >= 1, received {right} of {n}")
    p = right / n
    middle, scale = p + z**2 / (2 * n), 1 + z**2 / n
    reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low = np.where(right == 0, 0.0, np.maximum((middle - reach) / scale, 0.0))
    high = np.where(right == n, 1.0, np.minimum((middle + reach) / scale, 1.0))
    return (low[()], high[()]) if low.ndim else (float(low), float(high))


ALIASES = {"acc": "accuracy", "mse": "mean_squared_error"}

TABLE: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "top_k_accuracy": TopK,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(metric: object) -> Metric:
    """A metric from an instance or a name; "acc" is accuracy, "top_3_accuracy" is TopK(3).

    Raises:
        ValueError: an unknown name; the message lists what there is.
        TypeError: something else.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        top = re.fullmatch(r"top_(\d+)_accuracy", metric)
        return TopK(int(top[1])) if top else find("metric", metric, TABLE)()
    raise TypeError(f"expected a metric as a name or a Metric, received {metric!r}")
