"""The order in which images are handed out: one permutation after another."""

from typing import Any

import numpy as np


class Cursor:
    """Walks seeded permutations of range(size); each number comes once before any comes again.

    When a permutation is used up the next one is drawn, also in the middle of a batch. The
    state is the generator as it was before the present permutation was drawn, and how much of
    that has been handed out: a few numbers, however large `size` is.

    Args:
        size: how many numbers there are, >= 1.
        seed: where the generator (PCG64) starts.
    """

    def __init__(self, size: int, seed: np.random.SeedSequence) -> None:
        self.size = size
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._shuffle()

    def take(self, n: int) -> np.ndarray:
        """The next `n` numbers, (n,) int64; n may be larger than size.

        Raises:
            TypeError, ValueError: n isn't a whole number >= 1.
        """
        if isinstance(n, (bool, np.bool_)) or not isinstance(n, (int, np.integer)):
            raise TypeError(f"expected a whole number of images, received {n!r}")
        if n < 1:
            raise ValueError(f"expected at least 1 image, received {n}")
        pieces = []
        while n > 0:
            if self._position == self.size:
                self._shuffle()
            piece = self._order[self._position : self._position + int(n)]
            self._position += len(piece)
            n -= len(piece)
            pieces.append(piece)
        return np.concatenate(pieces)

    def state(self) -> dict[str, Any]:
        """Plain numbers and strings (JSON can hold them) that set_state understands."""
        return {
            "size": self.size,
            "position": self._position,
            "generator": _plain(self._before),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was read; what follows is the same to the bit.

        Raises:
            ValueError: not a state of a cursor of this size; the cursor stays as it was.
        """
        generator = np.random.Generator(np.random.PCG64(0))
        try:
            size, position = int(state["size"]), int(state["position"])
            generator.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"expected a state that state() gave, received {state!r}") from error
        if size != self.size:
            raise ValueError(f"expected the state of {self.size:,} images, received {size:,}")
        if not 0 <= position <= size:
            raise ValueError(f"expected a position from 0 to {size:,}, received {position:,}")
        self._generator = generator
        self._shuffle()
        self._position = position

    def _shuffle(self) -> None:
        self._before: Any = self._generator.bit_generator.state
        self._order = self._generator.permutation(self.size).astype(np.int64, copy=False)
        self._position = 0


def _plain(value: Any) -> Any:
    """The generator's state with NumPy's integers turned into Python's."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, np.integer) else value
