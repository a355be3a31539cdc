"""Samples with targets and weights, and the order in which they become batches."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from . import state_checks
from .typing import Array, FloatDType, Shape

Rows = Array | slice


class ArrayLike(Protocol):
    """What x may be: a NumPy array, or anything that gathers rows by an index array or a slice,
    such as `minicnn.data.ScaledImages`, whose pixels stay uint8 until a batch needs them."""

    @property
    def shape(self) -> Shape: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows, /) -> Array: ...


Inputs = ArrayLike | npt.ArrayLike
"""What a user may pass as x."""


@dataclass
class Samples:
    """x (N, …), targets y (N, …) and weights (N,), the last two or None."""

    x: ArrayLike
    y: Array | None
    weight: Array | None
    dtype: FloatDType

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Rows) -> tuple[Array, Array | None, Array | None]:
        """The batch of these rows: x in `dtype`, y as it is, weights in `dtype`."""
        x = np.ascontiguousarray(self.x[rows], dtype=self.dtype)
        y = None if self.y is None else self.y[rows]
        return x, y, None if self.weight is None else self.weight[rows].astype(self.dtype)

    def split(self, share: float) -> tuple[Samples, Samples]:
        """The first 1 - share of the samples, and the rest, in their order (as Keras).

        Raises:
            ValueError: share is not in (0, 1), or one of the two would be empty.
        """
        if not 0 < share < 1:
            raise ValueError(f"expected 0 < validation_split < 1, received {share!r}")
        cut = int(len(self) * (1 - share))
        if not 0 < cut < len(self):
            raise ValueError(
                f"expected samples on both sides of the split, received validation_split={share} "
                f"of {len(self)} samples"
            )
        return self._range(0, cut), self._range(cut, len(self))

    def weighted(self, class_weight: Mapping[int, float]) -> Samples:
        """The same samples, each weight multiplied by that of its class.

        Raises:
            ValueError: no targets, or a class without an entry in class_weight.
        """
        by_class = _class_weights(self.y, class_weight)
        return replace(self, weight=by_class if self.weight is None else self.weight * by_class)

    def _range(self, start: int, stop: int) -> Samples:
        part = slice(start, stop)
        return Samples(
            _Range(self.x, start, stop),
            None if self.y is None else self.y[part],
            None if self.weight is None else self.weight[part],
            self.dtype,
        )


class _Range:
    """Rows start…stop of x, without copying or decoding them."""

    def __init__(self, x: ArrayLike, start: int, stop: int) -> None:
        self.x, self.start, self.stop = x, start, stop
        self.shape = (stop - start, *x.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows, /) -> Array:
        if isinstance(rows, slice):
            first, stop, step = rows.indices(len(self))
            return self.x[slice(first + self.start, stop + self.start, step)]
        return self.x[np.asarray(rows) + self.start]


def samples(
    x: Inputs,
    y: npt.ArrayLike | None,
    input_shape: Shape,
    dtype: FloatDType,
    sample_weight: npt.ArrayLike | None = None,
) -> Samples:
    """Check a user's arrays, and combine them.

    Raises:
        ValueError: shapes or lengths do not fit; the message says what is expected.
        TypeError: x does not hold numbers.
    """
    x = _inputs(x, input_shape)
    targets = weight = None
    if y is not None:
        targets = np.asarray(y)
        if targets.ndim == 0 or len(targets) != len(x):
            raise ValueError(
                f"expected one target for each sample ({len(x)}), received y {targets.shape}"
            )
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=np.float64)
        if weight.shape != (len(x),):
            raise ValueError(f"expected sample_weight ({len(x)},), received {weight.shape}")
    return Samples(x, targets, weight, dtype)


class Batches:
    """The rows of batch after batch, without end: each pass visits every sample once, in a new
    order from `rng` (None: in their own order). The last batch of a pass may be smaller.
    """

    def __init__(self, n: int, batch_size: int, rng: np.random.Generator | None) -> None:
        self.n, self.batch_size, self.rng = n, batch_size, rng
        self._start = n  # the next batch's first index in the order; n: a new pass begins
        self._order: Array | None = None
        self._before: Mapping[str, object] | None = None  # state of rng before the order was drawn

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Rows:
        if self._start >= self.n:
            self._new_pass()
        rows = slice(self._start, min(self._start + self.batch_size, self.n))
        self._start = rows.stop
        return rows if self._order is None else self._order[rows]

    def _new_pass(self) -> None:
        self._start = 0
        if self.rng is not None:
            self._before = self.rng.bit_generator.state
            self._order = self.rng.permutation(self.n)

    def get_state(self) -> dict[str, object]:
        """The position in the pass, and the generator's state from which its order was drawn: a few
        numbers, however large n is."""
        return {"start": self._start, "before": self._before}

    def set_state(self, saved: Mapping[str, object]) -> None:
        """Restore what get_state() returned. Leaves `rng` as it was after the order was drawn.

        Raises:
            ValueError: `saved` does not fit; nothing has changed.
        """
        drawn = self.rng is None or saved.get("before") is not None
        start = state_checks.whole(saved, "start", 0 if drawn else self.n, self.n)
        if self.rng is not None and drawn:
            self.rng.bit_generator.state = state_checks.generator(saved, "before", self.rng)
            self._new_pass()
        self._start = start


def _inputs(x: Inputs, input_shape: Shape) -> ArrayLike:
    gathers = hasattr(x, "shape") and hasattr(x, "__getitem__")
    x = cast(ArrayLike, x if gathers else np.asarray(x))
    if isinstance(x, np.ndarray) and x.dtype.kind not in "fiub":
        raise TypeError(f"expected x to hold numbers, received dtype {x.dtype}")
    if len(x.shape) < 2 or tuple(x.shape[1:]) != tuple(input_shape):
        hint = ""
        if np.prod(x.shape[1:]) == np.prod(input_shape):
            sizes = ", ".join(str(size) for size in input_shape)
            hint = f"; reshape it: x.reshape(-1, {sizes})"
        raise ValueError(f"expected x (N, *{input_shape}), received {tuple(x.shape)}{hint}")
    if x.shape[0] == 0:
        raise ValueError("expected at least one sample, received none")
    if isinstance(x, np.ndarray) and x.dtype == np.uint8:
        warnings.warn(
            "x holds bytes (0…255), used without scaling; a network trained on 0…1 needs x / 255",
            stacklevel=_callers_level(),
        )
    return x


def _callers_level() -> int:
    """The stacklevel of a warning that points to the code outside of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame, level = frame.f_back, level + 1
    return level


def _class_weights(y: Array | None, class_weight: Mapping[int, float]) -> Array:
    if y is None:
        raise ValueError("class_weight needs targets y")
    classes = y.argmax(axis=-1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y))
    table = {int(k): float(v) for k, v in class_weight.items()}
    missing = sorted(set(np.unique(classes).tolist()) - table.keys())
    if missing:
        raise ValueError(
            f"expected class_weight for all classes, received none for {missing}; it has "
            f"{sorted(table)}"
        )
    return np.array([table[int(c)] for c in classes], dtype=np.float64)
