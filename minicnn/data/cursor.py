"""The order of the batches: one permutation after another."""

from collections.abc import Mapping

import numpy as np

from ..state_checks import generator, whole, whole_number


class Cursor:
    """Indices in seeded random order: permutations of range(size), one after another.

    A batch that reaches the end of a permutation goes on with the next one. The state is the
    generator's state before it drew the current permutation, and the position in that permutation.

    Args:
        size: number of indices, >= 1.
        seed: of the generator (PCG64).
    """

    def __init__(self, size: int, seed: np.random.SeedSequence) -> None:
        self.size = size
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._shuffle()

    def take(self, n: int) -> np.ndarray:
        """The next `n` indices, (n,) int64; n may be larger than size.

        Raises:
            TypeError, ValueError: n isn't a whole number >= 1.
        """
        n = whole_number("the number of images", n)
        pieces = []
        while n > 0:
            if self._position == self.size:
                self._shuffle()
            piece = self._order[self._position : self._position + n]
            self._position += len(piece)
            n -= len(piece)
            pieces.append(piece)
        return np.concatenate(pieces)

    def state(self) -> dict[str, object]:
        """The state for set_state; JSON can hold it."""
        return {"size": self.size, "position": self._position, "generator": self._before}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Go back to a saved state: the same indices follow.

        Raises:
            ValueError: not a state of a cursor of this size; the cursor is unchanged.
        """
        size = whole(state, "size")
        if size != self.size:
            raise ValueError(f"expected the state of {self.size:,} images, received {size:,}")
        position = whole(state, "position", 0, size)
        before = generator(state, "generator", self._generator)
        self._generator.bit_generator.state = before
        self._shuffle()
        self._position = position

    def _shuffle(self) -> None:
        self._before = dict(self._generator.bit_generator.state)
        self._order = self._generator.permutation(self.size).astype(np.int64, copy=False)
        self._position = 0
