"""The register tile's instructions: C = A·B in several variants, for a geometry known when the
kernel is compiled.

Numba compiles loops, but can't keep an array of vectors in registers. So the tile is emitted as
LLVM instructions: the Python loops below run when a kernel is compiled, and emit straight-line
code. Each array comes with the offset of the tile's first number. Tile's fields are in tile.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .emit import INT64, Emit, signature
from .llvm_types import Args, Builder, Context, Intrinsic, Signature, Target, Type, Value
from .tile import MAX_UNROLLED, Stretch, Tile


@intrinsic(prefer_literal=True)
def multiply(
    _: Context, a: Type, a0: Type, b: Type, b0: Type, bias: Type, bias0: Type, c: Type, c0: Type,
    runs: Type, relu: Type, tile: Type,
) -> Intrinsic:  # fmt: skip
    """C = A·B + bias, or its ReLU: each array from its offset on; bias has vectors·lanes numbers
    (or, if the tile is masked, those in use).

    The sum has `runs` runs, unless the tile defines their number. ReLU(NaN) = NaN.
    """
    shape = Tile(*(t.literal_value for t in tile))

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        folded = emit.with_lanes(shape.lanes // shape.steps_per_vector)
        A, B, start, C = emit.pointers(signature, args, 4)
        sums = [
            [emit.variable(emit.load(start, place, used)) for place, used in shape.first_vectors()]
            for _ in shape.outputs()
        ]
        Sums(emit, shape, sums).add(A, B, runs=args[8])
        for (_, out), vectors in zip(shape.outputs(), sums, strict=True):
            for v, variable in enumerate(vectors):
                y = emit.fold(builder.load(variable), shape.steps_per_vector)
                if relu.literal_value:
                    y = folded.relu(y)
                folded.store(y, C, out + v * folded.lanes, shape.used(v))
        return context.get_dummy_value()

    return signature((a, b, bias, c), types.intp, relu, tile), codegen


@intrinsic(prefer_literal=True)
def multiply_add(
    _: Context, a: Type, a0: Type, b: Type, b0: Type, sums: Type, sums0: Type, c: Type, c0: Type,
    runs: Type, length: Type, add_up: Type, tile: Type,
) -> Intrinsic:  # fmt: skip
    """C += A·B over `runs` runs of `length` steps (or the tile's own numbers, if they are not 0).

    With add_up also sums += Σ_k B[k]: the gradient by the bias, from numbers already loaded.
    """
    shape = Tile(*(t.literal_value for t in tile))

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        A, B, S, C = emit.pointers(signature, args, 4)

        def places() -> Iterator[tuple[Value, int, int]]:
            for _, out in shape.outputs():
                for v in range(shape.vectors):
                    yield C, out + v * shape.lanes, shape.used(v)
            for v in range(shape.vectors if add_up.literal_value else 0):
                yield S, v * shape.lanes, shape.used(v)

        variables = [emit.variable(emit.load(*place)) for place in places()]
        rows = [variables[i : i + shape.vectors] for i in range(0, len(variables), shape.vectors)]
        totals = rows.pop() if add_up.literal_value else None
        Sums(emit, shape, rows, totals).add(A, B, args[8], args[9])
        for variable, place in zip(variables, places(), strict=True):
            emit.store(builder.load(variable), *place)
        return context.get_dummy_value()

    return signature((a, b, sums, c), types.intp, types.intp, add_up, tile), codegen


@intrinsic(prefer_literal=True)
def multiply_pool(
    _: Context, a: Type, a0: Type, b: Type, b0: Type, bias: Type, bias0: Type, c: Type, c0: Type,
    argmax: Type, argmax0: Type, across: Type, tile: Type,
) -> Intrinsic:  # fmt: skip
    """C = ReLU(max over the tile's rows, and `across` columns at a time, of A·B + bias).

    The convolution's outputs stay in registers. Stored are the maximum of each window, and its
    argmax (uint8: i·across + j; or rows·across where ReLU is 0, so that no gradient passes). Ties
    go to the first tap. The first NaN wins, and passes no gradient, like the ReLU of NaN.
    """
    shape, width = Tile(*(t.literal_value for t in tile)), across.literal_value

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        folded = emit.with_lanes(shape.lanes // shape.steps_per_vector)
        A, B, start, C, M = emit.pointers(signature, args, 5)
        sums = [
            [emit.variable(emit.load(start, v * shape.lanes)) for v in range(shape.vectors)]
            for _ in shape.outputs()
        ]
        Sums(emit, shape, sums).add(A, B)
        for window in range(shape.cols // width):
            taps = [
                sums[i * shape.cols + window * width + j]
                for i in range(shape.rows)
                for j in range(width)
            ]
            for v in range(shape.vectors):
                y, tap = folded.first_maximum(
                    [
                        emit.fold(builder.load(outputs[v]), shape.steps_per_vector)
                        for outputs in taps
                    ]
                )
                out = window * shape.out_step + v * folded.lanes
                folded.store(folded.relu(y), C, out, shape.used(v))
                folded.store_bytes(
                    builder.select(folded.positive(y), tap, folded.integer(len(taps))),
                    M,
                    out,
                    shape.used(v),
                )
        return context.get_dummy_value()

    return signature((a, b, bias, c, argmax), across, tile), codegen


@intrinsic(prefer_literal=True)
def multiply_planes(
    _: Context,
    a: Type,
    a0: Type,
    b: Type,
    b0: Type,
    c: Type,
    c0: Type,
    tile: Type,
) -> Intrinsic:
    """C = A·B, where an output's vectors are pixels of b_lines lines, one after the other."""
    shape = Tile(*(t.literal_value for t in tile))

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        A, B, C = emit.pointers(signature, args, 3)
        each = range(shape.b_lines * shape.vectors)
        zero = ir.Constant(emit.vector, None)
        sums = [[emit.variable(zero) for _ in each] for _ in shape.outputs()]
        Sums(emit, shape, sums).add(A, B)
        for (_, out), variables in zip(shape.outputs(), sums, strict=True):
            for v, variable in enumerate(variables):
                emit.store(builder.load(variable), C, out + v * shape.lanes, shape.lanes)
        return context.get_dummy_value()

    return signature((a, b, c), tile), codegen


class Sums:
    """The sums of a tile, and the instructions that add to them."""

    def __init__(
        self,
        emit: Emit,
        tile: Tile,
        of: list[list[Value]],  # of[r][v]: vector v of output r
        totals: list[Value] | None = None,
    ) -> None:
        self.emit, self.tile, self.of, self.totals = emit, tile, of, totals or []
        self.outputs = [offset for offset, _ in tile.outputs()]
        self.stretches = (
            list(tile.stretches()) if tile.length else [Stretch.of_unknown_length(len(of))]
        )

    def add(
        self,
        A: Value,
        B: Value,
        runs: Value | None = None,
        length: Value | None = None,
    ) -> None:
        """of[r][v] += Σ_k A[r, k] · B[k, v], and totals[v] += Σ_k B[k, v].

        Short sums are unrolled completely; longer ones loop over runs, and over their steps.
        `runs` and `length` are used if the tile doesn't define them.
        """
        emit, tile = self.emit, self.tile
        work = sum(stretch.turns * stretch.work(tile) for stretch in self.stretches)
        if tile.runs and tile.length and tile.runs * work <= MAX_UNROLLED:
            for run in range(tile.runs):
                self._add_run(A, B, INT64(run), length)
            return
        count = INT64(tile.runs) if tile.runs else runs
        with cgutils.for_range(emit.builder, count) as loop:
            self._add_run(A, B, loop.index, length)

    def _add_run(self, A: Value, B: Value, run: Value, length: Value | None) -> None:
        emit, tile, builder = self.emit, self.tile, self.emit.builder
        a, b = emit.step(A, run, tile.run_pitch), emit.step(B, run, tile.b_run_pitch)
        for stretch in self.stretches:
            if 0 < stretch.turns * stretch.work(tile) <= MAX_UNROLLED:
                for turn in range(stretch.turns):
                    self._add_turn(a, b, stretch.first + turn, stretch)
                continue
            at_once = stretch.turns_at_once(tile)
            times = INT64(stretch.turns // at_once) if tile.length else length
            with cgutils.for_range(builder, times) as loop:
                done = builder.mul(loop.index, INT64(at_once))
                step = builder.add(done, INT64(stretch.first))
                a_step = emit.step(a, step, tile.step * tile.steps_per_vector)
                b_step = emit.step(b, step, tile.b_pitch)
                for turn in range(at_once):
                    self._add_turn(a_step, b_step, turn, stretch)

    def _add_turn(self, a: Value, b: Value, step: int, stretch: Stretch) -> None:
        """Step `step` of each tap. Each number of A is loaded once for all its products."""
        emit, tile = self.emit, self.tile
        vectors = []
        products = []  # (offset in A, which of its numbers exist, tap, output)
        for tap, numbers in enumerate(stretch.numbers):
            k = step + tap * stretch.apart
            vectors.append(self._load(b, k))
            at = k * tile.steps_per_vector * tile.step
            for output, existing in enumerate(numbers):
                if existing:
                    products.append((self.outputs[output] + at, existing, tap, output))
        if tile.interleaved_taps > 1:
            products.sort()
        loaded, number = None, None
        for place, existing, tap, output in products:
            if loaded != (place, existing):
                loaded = place, existing
                number = emit.splat(a, place, tile.steps_per_vector, existing)
            for vector, total in zip(vectors[tap], self.of[output], strict=True):
                now = emit.builder.load(total)
                emit.builder.store(emit.multiply_add(number, vector, now), total)

    def _load(self, b: Value, k: int) -> list[Value]:
        """The vectors of B's row k; also adds them to the totals, if any."""
        emit, tile = self.emit, self.tile
        vectors = [
            emit.load(b, k * tile.b_pitch + place, used if tile.masked else None)
            for place, used in tile.b_vectors()
        ]
        for total, vector in zip(self.totals, vectors, strict=False):
            emit.builder.store(emit.builder.fadd(emit.builder.load(total), vector), total)
        return vectors
