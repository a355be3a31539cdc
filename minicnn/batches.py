"""What fit trains on: samples with targets and weights, taken batch by batch in some order."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from . import state_checks
from .typing import Array, Shape


class ArrayLike(Protocol):
    """What x may be: a NumPy array, or anything that gathers rows by an index array or slice,
    such as `minicnn.data.ScaledImages`, whose pixels stay uint8 until a batch needs them."""

    @property
    def shape(self) -> Shape: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Any: ...


@dataclass
class Samples:
    """x (N, …), targets y (N, …) and weights (N,), the last two or None."""

    x: ArrayLike
    y: Array | None
    weight: Array | None
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Array | slice) -> tuple[Array, Array | None, Array | None]:
        """The batch of these rows: x in `dtype`, y as it is, weights in `dtype`."""
        x = np.ascontiguousarray(self.x[rows], dtype=self.dtype)
        y = None if self.y is None else self.y[rows]
        return x, y, None if self.weight is None else self.weight[rows].astype(self.dtype)

    def split(self, share: float) -> tuple[Samples, Samples]:
        """The first 1 - share of the samples, and the rest, in the order given (as Keras).

        Raises:
            ValueError: share is not in (0, 1), or one part would be empty.
        """
        if not 0 < share < 1:
            raise ValueError(f"expected 0 < validation_split < 1, received {share!r}")
        cut = int(len(self) * (1 - share))
        if not 0 < cut < len(self):
            raise ValueError(f"validation_split={share} of {len(self)} samples leaves a part empty")
        return self._range(0, cut), self._range(cut, len(self))

    def weighted(self, class_weight: Mapping[int, float]) -> Samples:
        """The same samples, each weight times that of its class.

        Raises:
            ValueError: no targets, or a class that class_weight lacks.
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

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            first, stop, step = rows.indices(len(self))
            return self.x[slice(first + self.start, stop + self.start, step)]
        return self.x[np.asarray(rows) + self.start]


def samples(
    x: Any,
    y: Any,
    input_shape: Shape,
    dtype: np.dtype[Any],
    sample_weight: Any = None,
) -> Samples:
    """Check what the user gave, and bind it together.

    Raises:
        ValueError: shapes or lengths do not fit; says what would.
        TypeError: x holds no numbers.
    """
    x = _inputs(x, input_shape)
    if y is not None:
        y = np.asarray(y)
        if y.ndim == 0 or len(y) != len(x):
            raise ValueError(f"expected a target a sample ({len(x)}), received y {y.shape}")
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=np.float64)
        if weight.shape != (len(x),):
            raise ValueError(f"expected sample_weight ({len(x)},), received {weight.shape}")
    return Samples(x, y, weight, dtype)


class Batches:
    """Rows of batch after batch, for ever: each pass visits every sample once, in an order drawn
    anew from `rng` (None: in the order given). The last batch of a pass may be smaller.
    """

    def __init__(self, n: int, batch_size: int, rng: np.random.Generator | None) -> None:
        self.n, self.batch_size, self.rng = n, batch_size, rng
        self._start = n  # the next batch's first place in the order: at first, that of a new pass
        self._order: Array | None = None
        self._before: Mapping[str, Any] | None = None

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Array | slice:
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

    def get_state(self) -> dict[str, Any]:
        """Where the pass is, and what its order was drawn from: a few numbers, however large n."""
        return {"start": self._start, "before": self._before}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        """Go on where get_state() was read. Leaves `rng` as it was when the order was drawn.

        Raises:
            ValueError: it was read from something else; nothing has changed.
        """
        drawn = self.rng is None or saved.get("before") is not None
        start = state_checks.whole(saved, "start", 0 if drawn else self.n, self.n)
        if self.rng is not None and drawn:
            self.rng.bit_generator.state = state_checks.generator(saved, "before", self.rng)
            self._new_pass()
        self._start = start


def _inputs(x: Any, input_shape: Shape) -> ArrayLike:
    if not hasattr(x, "shape") or not hasattr(x, "__getitem__"):
        x = np.asarray(x)
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
            "x holds bytes, which are used as they are; a network trained on 0…1 needs x / 255",
            stacklevel=_callers_level(),
        )
    return x


def _callers_level() -> int:
    """The stacklevel of a warning that shall point at the code outside of this package."""
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
        raise ValueError(f"class_weight lacks classes {missing}; it has {sorted(table)}")
    return np.array([table[int(c)] for c in classes], dtype=np.float64)
