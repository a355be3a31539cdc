"""The register tile: where nearly all of the time goes.

A matrix product C += A · B is computed a tile of C at a time. The tile stays in vector registers
while k runs over the whole sum, so that each step costs, for R×V vectors of C,

    R·V multiply-adds,   V loads of B,   R loads of A (each number copied into all lanes),

and nothing is stored until the end: with R·V = 28 the multipliers are busy all the time.
(Source: Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), section
5; Van Zee & van de Geijn, "BLIS" (2015), section 3, for the register tile itself.)

One tile serves a whole CNN because A need not be a matrix in memory. Row r of A starts anywhere,
and the steps of k are divided into several runs:

    A[r, (run, k)] = a[row(r) + run·run_pitch + k·step]        row(r) = i·row_pitch + j·col_pitch

With rows = neighbouring output pixels, runs = the lines of the window and step 1, this reads the
image in place as if it were the patch matrix (implicit im2col: in NHWC a line of the window is
KW·C contiguous numbers). With rows = the numbers of a patch and k = the output pixels it is the
transposed patch matrix, for the gradient by the weights. With plain pitches it is a dense layer.

Three refinements:

- Padding is neither read nor multiplied. `left_overhang` and `line_length` describe which part of
  A's line exists; steps outside of it are skipped, output by output.
- With few outputs in C's row (eight filters fill half of an AVX-512 register), a vector holds
  `steps_per_vector` neighbouring steps: each number of A is copied into its own lanes, and the
  lanes of an output are added up at the end.
- With one vector for each output, a step would load a number of A for each multiply-add. But
  neighbouring outputs of a convolution read the same numbers, one tap later. So the steps of
  `interleaved_taps` taps are done together, and each number is loaded once for all of them.

This file holds the geometry; multiply.py turns it into instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_UNROLLED = 224  # multiply-adds of straight-line code for a stretch; above that, loops


class Stretch(NamedTuple):
    """Steps of a run with the same pattern: `turns` from `first` on. With each, the steps `apart`
    later belong to the next tap, and so on."""

    first: int
    turns: int
    apart: int
    numbers: tuple[tuple[int, ...], ...]  # by tap and output: bits, which of a step's numbers exist

    @classmethod
    def of_unknown_length(cls, outputs: int) -> Stretch:
        """If the number of turns is known only when the kernel runs."""
        return cls(0, 0, 0, ((1,) * outputs,))

    def work(self, tile: Tile) -> int:
        """Multiply-adds of vectors in a turn."""
        existing = sum(bool(number) for numbers in self.numbers for number in numbers)
        return tile.vectors * tile.b_lines * max(1, existing)

    def turns_at_once(self, tile: Tile) -> int:
        """Turns of straight-line code in a loop over all of them."""
        if not self.turns:
            return 1
        most = MAX_UNROLLED // self.work(tile)
        return max(d for d in range(1, 8) if d == 1 or (self.turns % d == 0 and d <= most))


class Tile(NamedTuple):
    """A tile, in numbers, not bytes; everything is known when the kernel is compiled.

    Kernels close over `tuple(tile)`: Numba then knows the values, and its cache tells tiles apart.
    """

    rows: int  # outputs: rows × cols of them, …
    row_pitch: int  # … and the distance of their operands in A
    cols: int
    col_pitch: int
    runs: int  # the sum: runs × length steps; 0: known only when the kernel runs
    length: int
    run_pitch: int  # in A, from run to run …
    step: int  # … and from step to step
    b_run_pitch: int  # the same of B
    b_pitch: int
    vectors: int  # of each output
    lanes: int  # of a vector
    tail: int  # lanes in use of the last vector
    out_pitch: int  # between outputs in C, down and …
    out_step: int  # … across
    masked: int = 0  # 1: B and bias end with the lanes in use; reading more is out of bounds
    b_lines: int = 1  # an output's vectors come from this many lines of B, …
    b_line_pitch: int = 0  # … this far apart (planes.py)
    steps_per_vector: int = 1  # neighbouring steps in a vector of lanes/steps_per_vector filters
    line_length: int = 0  # numbers in a line of A; 0: all that the tile reads exists
    left_overhang: int = 0  # numbers of the first output's run that lie before its line
    interleaved_taps: int = 1  # taps of a run whose steps are done together

    def outputs(self) -> Iterator[tuple[int, int]]:
        """(offset in A, offset in C) of each output, row by row."""
        for i in range(self.rows):
            for j in range(self.cols):
                yield (
                    i * self.row_pitch + j * self.col_pitch,
                    i * self.out_pitch + j * self.out_step,
                )

    def b_vectors(self) -> Iterator[tuple[int, int]]:
        """(offset in B, lanes in use) of each vector of a step."""
        for line in range(self.b_lines):
            for v in range(self.vectors):
                yield line * self.b_line_pitch + v * self.lanes, self.used(v)

    def first_vectors(self) -> Iterator[tuple[int, int | None]]:
        """The same for the bias, which has one line; None: all lanes are readable."""
        for v in range(self.vectors):
            yield v * self.lanes, self.used(v) if self.masked else None

    def used(self, vector: int) -> int:
        """Lanes in use of a vector after its steps are added up."""
        return self.tail if vector == self.vectors - 1 else self.lanes // self.steps_per_vector

    def stretches(self) -> Iterator[Stretch]:
        """The steps of a run, without padding: what lies outside of the line."""
        patterns = [
            tuple(self._existing(k, j) for j in self._columns()) for k in range(self.steps_of_run)
        ]
        if self.interleaved_taps > 1:
            apart = self.steps_of_run // self.interleaved_taps
            yield Stretch(0, apart, apart, tuple(patterns[::apart]))
            return
        first = 0
        for stop in range(1, self.steps_of_run + 1):
            if stop == self.steps_of_run or patterns[stop] != patterns[first]:
                yield Stretch(first, stop - first, 0, (patterns[first],))
                first = stop

    @property
    def steps_of_run(self) -> int:
        """Steps of a run."""
        return -(-self.length // self.steps_per_vector)

    def _columns(self) -> Iterator[int]:
        return (j for _ in range(self.rows) for j in range(self.cols))

    def _existing(self, k: int, j: int) -> int:
        """Bits: which numbers of step k exist for column j."""
        bits = 0
        for g in range(self.steps_per_vector):
            at = k * self.steps_per_vector + g
            place = j * self.col_pitch + at * self.step - self.left_overhang
            if at < self.length and (not self.line_length or 0 <= place < self.line_length):
                bits |= 1 << g
        return bits
