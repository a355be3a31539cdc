"""The register tile: where nearly all of the time goes.

A matrix product C += A · B is computed a tile of C at a time. The tile stays in vector registers
while k runs over the whole sum, so that each step costs, for R×V vectors of C,

    R·V multiply-adds,   V loads of B,   R loads of A (each number copied into all lanes),

and nothing is stored until the end: with R·V = 28 the multipliers are busy all the time.
(Source: Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), section
5; Van Zee & van de Geijn, "BLIS" (2015), section 3, for the register tile itself.)

What makes one tile serve a whole CNN is that A need not be a matrix in memory. Row r of A starts
at any place, and the steps of k may go on in several runs:

    A[r, (run, k)] = a[row(r) + run·run_pitch + k·step]        row(r) = i·row_pitch + j·col_pitch

With rows = neighbouring output pixels, runs = the lines of the window and step 1 this reads the
image in place as if it were the patch matrix (implicit im2col: in NHWC a line of the window is
KW·C numbers side by side). With rows = the numbers of a patch and k = the output pixels it is the
transposed patch matrix, for the gradient by the weights. With plain pitches it is a dense layer.

Numba compiles loops, but can't be told to keep an array of vectors in registers. So the tile is
written here as LLVM's own instructions: the Python loops below run when a kernel is compiled, and
what they emit is straight-line code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .emit import INT64, Emit

UNROLLED = 224  # multiply-adds of straight-line code at most; beyond, loops


class Stretch(NamedTuple):
    """Steps of a run that are alike: `turns` from `first` on, and with each those that come `apart`
    later, for each of the other taps."""

    first: int
    turns: int
    apart: int
    numbers: tuple[tuple[int, ...], ...]  # by tap and output: which of a step's numbers there are

    @classmethod
    def of_unknown_length(cls, outputs: int) -> Stretch:
        """Where the number of turns is known only when the kernel runs."""
        return cls(0, 0, 0, ((1,) * outputs,))

    def work(self, tile: Tile) -> int:
        """Multiply-adds of vectors in a turn."""
        there = sum(bool(number) for numbers in self.numbers for number in numbers)
        return tile.vectors * tile.b_lines * max(1, there)

    def turns_at_once(self, tile: Tile) -> int:
        """Turns of straight-line code in a loop over all of them."""
        if not self.turns:
            return 1
        most = UNROLLED // self.work(tile)
        return max(d for d in range(1, 8) if d == 1 or (self.turns % d == 0 and d <= most))


class Tile(NamedTuple):
    """A tile, all of it known when the kernel is compiled; in numbers, not bytes.

    Kernels close over `tuple(tile)`: Numba then knows the values, and its cache tells tiles apart.
    """

    rows: int  # outputs: rows × cols of them, …
    row_pitch: int  # … whose operands in A lie so far apart
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
    masked: int = 0  # 1: B and bias end with the lanes in use, and no more may be read
    b_lines: int = 1  # an output's vectors come from so many lines of B, …
    b_line_pitch: int = 0  # … so far apart (planes.py)
    group: int = 1  # steps side by side in a vector, whose lanes are then lanes/group filters
    line: int = 0  # numbers in a line of A that may be read; 0: all that the tile would read
    lead: int = 0  # numbers of the first output's run that lie before its line
    taps: int = 1  # parts of a run whose steps are taken together: where they meet the same numbers

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
        """The same for the bias, which has one line; None: all lanes may be read."""
        for v in range(self.vectors):
            yield v * self.lanes, self.used(v) if self.masked else None

    def used(self, vector: int) -> int:
        """Lanes in use of a vector (of the filters, where steps are grouped)."""
        return self.tail if vector == self.vectors - 1 else self.lanes // self.group

    def stretches(self) -> Iterator[Stretch]:
        """The steps of a run. What lies outside of its line is padding: it is left out."""
        patterns = [tuple(self._there(k, j) for j in self._columns()) for k in range(self.count)]
        if self.taps > 1:
            apart = self.count // self.taps
            yield Stretch(0, apart, apart, tuple(patterns[::apart]))
            return
        first = 0
        for stop in range(1, self.count + 1):
            if stop == self.count or patterns[stop] != patterns[first]:
                yield Stretch(first, stop - first, 0, (patterns[first],))
                first = stop

    @property
    def count(self) -> int:
        """Steps of a run."""
        return -(-self.length // self.group)

    def _columns(self) -> Iterator[int]:
        return (j for _ in range(self.rows) for j in range(self.cols))

    def _there(self, k: int, j: int) -> int:
        bits = 0
        for g in range(self.group):
            at = k * self.group + g
            place = j * self.col_pitch + at * self.step - self.lead
            if at < self.length and (not self.line or 0 <= place < self.line):
                bits |= 1 << g
        return bits


@intrinsic(prefer_literal=True)
def multiply(
    _: Any,
    a: Any,
    a0: Any,
    b: Any,
    b0: Any,
    bias: Any,
    bias0: Any,
    c: Any,
    c0: Any,
    runs: Any,
    relu: Any,
    tile: Any,
) -> Any:
    """C = A·B + bias, or its ReLU: each array from its offset on; bias has vectors·lanes numbers.

    The sum has `runs` runs, unless the tile has a number of its own. The ReLU is max(y, 0) with a
    NaN staying NaN.
    """
    shape = Tile(*(t.literal_value for t in tile))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        folded = emit.with_lanes(shape.lanes // shape.group)
        A, B, start, C = emit.pointers(signature, args, 4)
        sums = [
            [emit.variable(emit.load(start, place, used)) for place, used in shape.first_vectors()]
            for _ in shape.outputs()
        ]
        _accumulate(emit, shape, A, B, sums, runs=args[8])
        for (_, out), vectors in zip(shape.outputs(), sums, strict=True):
            for v, variable in enumerate(vectors):
                y = emit.fold(builder.load(variable), shape.group)
                if relu.literal_value:
                    y = folded.relu(y)
                folded.store(y, C, out + v * folded.lanes, shape.used(v))
        return context.get_dummy_value()

    return _signature(4, (a, b, bias, c), types.intp, relu, tile), codegen


@intrinsic(prefer_literal=True)
def multiply_add(
    _: Any,
    a: Any,
    a0: Any,
    b: Any,
    b0: Any,
    sums: Any,
    sums0: Any,
    c: Any,
    c0: Any,
    runs: Any,
    length: Any,
    add_up: Any,
    tile: Any,
) -> Any:
    """C += A·B over `runs` runs of `length` steps (the tile's own numbers, where they are not 0).

    With add_up also sums += Σ_k B[k]: the gradient by the bias, from numbers that are at hand.
    """
    shape = Tile(*(t.literal_value for t in tile))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        A, B, S, C = emit.pointers(signature, args, 4)

        def places() -> Iterator[tuple[Any, int, int]]:
            for _, out in shape.outputs():
                for v in range(shape.vectors):
                    yield C, out + v * shape.lanes, shape.used(v)
            for v in range(shape.vectors if add_up.literal_value else 0):
                yield S, v * shape.lanes, shape.used(v)

        variables = [emit.variable(emit.load(*place)) for place in places()]
        rows = [variables[i : i + shape.vectors] for i in range(0, len(variables), shape.vectors)]
        totals = rows.pop() if add_up.literal_value else None
        _accumulate(emit, shape, A, B, rows, totals, args[8], args[9])
        for variable, place in zip(variables, places(), strict=True):
            emit.store(builder.load(variable), *place)
        return context.get_dummy_value()

    return _signature(4, (a, b, sums, c), types.intp, types.intp, add_up, tile), codegen


@intrinsic(prefer_literal=True)
def multiply_pool(
    _: Any,
    a: Any,
    a0: Any,
    b: Any,
    b0: Any,
    bias: Any,
    bias0: Any,
    c: Any,
    c0: Any,
    winner: Any,
    winner0: Any,
    across: Any,
    tile: Any,
) -> Any:
    """C = ReLU(max over the tile's rows, and `across` columns at a time, of A·B + bias).

    The convolution's outputs never leave the registers: what is stored is the maximum of each
    window, and which tap won (uint8: i·across + j; taps = rows·across where ReLU cut it off, so
    that no gradient passes). Ties go to the first tap; the first NaN wins, and is cut off from
    gradients, as a NaN's ReLU is.
    """
    shape, width = Tile(*(t.literal_value for t in tile)), across.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        A, B, start, C, W = emit.pointers(signature, args, 5)
        sums = [
            [emit.variable(emit.load(start, v * shape.lanes)) for v in range(shape.vectors)]
            for _ in shape.outputs()
        ]
        _accumulate(emit, shape, A, B, sums)
        for window in range(shape.cols // width):
            taps = [
                sums[i * shape.cols + window * width + j]
                for i in range(shape.rows)
                for j in range(width)
            ]
            for v in range(shape.vectors):
                y, tap = emit.first_maximum([builder.load(outputs[v]) for outputs in taps])
                out = window * shape.out_step + v * shape.lanes
                emit.store(emit.relu(y), C, out, shape.used(v))
                emit.store_bytes(
                    builder.select(emit.positive(y), tap, emit.whole(len(taps))),
                    W,
                    out,
                    shape.used(v),
                )
        return context.get_dummy_value()

    return _signature(5, (a, b, bias, c, winner), across, tile), codegen


@intrinsic(prefer_literal=True)
def multiply_planes(_: Any, a: Any, a0: Any, b: Any, b0: Any, c: Any, c0: Any, tile: Any) -> Any:
    """C = A·B, where an output's vectors are pixels: b_lines lines of them, one after the other."""
    shape = Tile(*(t.literal_value for t in tile))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        A, B, C = emit.pointers(signature, args, 3)
        each = range(shape.b_lines * shape.vectors)
        zero = ir.Constant(emit.vector, None)
        sums = [[emit.variable(zero) for _ in each] for _ in shape.outputs()]
        _accumulate(emit, shape, A, B, sums)
        for (_, out), variables in zip(shape.outputs(), sums, strict=True):
            for v, variable in enumerate(variables):
                emit.store(builder.load(variable), C, out + v * shape.lanes, shape.lanes)
        return context.get_dummy_value()

    return _signature(3, (a, b, c), tile), codegen


class Rows(NamedTuple):
    """Rows of a table that are added up, each from an offset of its own; all in numbers."""

    number: int  # of rows added
    stride: int  # between their factors, and between their offsets
    runs: int  # a row: runs × (vectors of lanes, the last one with `tail` in use), …
    run_pitch: int  # … whose runs lie so far apart in the table …
    out_pitch: int  # … and in C
    vectors: int
    lanes: int
    tail: int

    def places(self) -> Iterator[tuple[int, int, int]]:
        """(offset in the table, offset in C, lanes in use) of each vector of a row."""
        for run in range(self.runs):
            for v in range(self.vectors):
                used = self.tail if v == self.vectors - 1 else self.lanes
                at = v * self.lanes
                yield run * self.run_pitch + at, run * self.out_pitch + at, used


@intrinsic(prefer_literal=True)
def add_rows(
    _: Any,
    table: Any,
    table0: Any,
    factors: Any,
    factors0: Any,
    offsets: Any,
    offsets0: Any,
    c: Any,
    c0: Any,
    rows: Any,
) -> Any:
    """C += Σ_i factor[i] · table[offset[i] : …], with C in registers while i runs.

    This is the backward pass of convolution and max-pooling in one: i runs over the winners, a
    row is the patch that a winner saw, or its filter.
    """
    shape = Rows(*(t.literal_value for t in rows))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        T, F, at_rows, C = emit.pointers(signature, args, 4)
        places = list(shape.places())
        # a sum waits for the one before it, some four steps: with few vectors, several sums each
        sets = max(1, min(4, 8 // len(places), shape.number))
        zero = ir.Constant(emit.vector, None)
        sums = [[emit.variable(zero) for _ in places] for _ in range(sets)]

        def add(index: Any, variables: list[Any]) -> None:
            at = builder.mul(index, INT64(shape.stride))
            factor = emit.splat(builder.gep(F, [at]), 0)
            offset = builder.sext(builder.load(builder.gep(at_rows, [at])), INT64)
            row = builder.gep(T, [offset])
            for variable, (place, _, used) in zip(variables, places, strict=True):
                part = emit.load(row, place, used)
                builder.store(emit.multiply_add(factor, part, builder.load(variable)), variable)

        with cgutils.for_range(builder, INT64(shape.number // sets)) as loop:
            first = builder.mul(loop.index, INT64(sets))
            for number, variables in enumerate(sums):
                add(builder.add(first, INT64(number)), variables)
        for index in range(shape.number - shape.number % sets, shape.number):
            add(INT64(index), sums[0])
        for v, (_, out, used) in enumerate(places):
            total = emit.load(C, out, used)
            for variables in sums:
                total = builder.fadd(total, builder.load(variables[v]))
            emit.store(total, C, out, used)
        return context.get_dummy_value()

    return _signature(4, (table, factors, offsets, c), rows), codegen


@intrinsic(prefer_literal=True)
def add_up(
    _: Any,
    a: Any,
    a0: Any,
    pitch: Any,
    sums: Any,
    sums0: Any,
    copy: Any,
    copy0: Any,
    rows: Any,
    width: Any,
    copied: Any,
) -> Any:
    """sums += Σ of `rows` rows of a, `pitch` apart and width = (vectors, lanes, tail) numbers wide;
    if `copied`, they are also stored one after the other, vectors·lanes apart."""
    vectors, lanes, tail = (t.literal_value for t in width)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, lanes)
        arrays = signature.args[0], types.intp, signature.args[3], types.intp, signature.args[5]
        pointers = types.void(*arrays, types.intp)
        A, S, C = emit.pointers(pointers, [*args[:2], *args[3:7]], 3)
        places = [(v * lanes, tail if v == vectors - 1 else lanes) for v in range(vectors)]
        totals = [emit.variable(emit.load(S, *place)) for place in places]
        with cgutils.for_range(builder, args[7]) as loop:
            row = builder.gep(A, [builder.mul(loop.index, args[2])])
            to = emit.step(C, loop.index, vectors * lanes)
            for total, (at, used) in zip(totals, places, strict=True):
                part = emit.load(row, at, used)
                builder.store(builder.fadd(builder.load(total), part), total)
                if copied.literal_value:
                    emit.store(part, to, at, used)
        for total, (at, used) in zip(totals, places, strict=True):
            emit.store(builder.load(total), S, at, used)
        return context.get_dummy_value()

    sizes = types.intp
    return types.void(a, sizes, sizes, sums, sizes, copy, sizes, sizes, width, copied), codegen


@intrinsic(prefer_literal=True)
def transpose_block(
    _: Any, a: Any, a0: Any, a_pitch: Any, b: Any, b0: Any, b_pitch: Any, lanes: Any
) -> Any:
    """b[j, i] = a[i, j] for i, j < lanes (a power of two); rows lie a_pitch and b_pitch apart.

    Log₂(lanes) rounds of exchanging blocks of 1, 2, 4, … numbers between pairs of rows.
    """
    count = lanes.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, signature.args[0].dtype, count)
        A, B = emit.pointers(signature, [args[0], args[1], args[3], args[4]], 2, step=3)
        rows = [
            emit.load(builder.gep(A, [builder.mul(INT64(i), args[2])]), 0) for i in range(count)
        ]
        distance = 1
        while distance < count:
            for i in (i for i in range(count) if not i & distance):
                pair = rows[i], rows[i + distance]
                rows[i] = emit.exchange(*pair, distance, first=True)
                rows[i + distance] = emit.exchange(*pair, distance, first=False)
            distance *= 2
        for j, row in enumerate(rows):
            emit.store(row, builder.gep(B, [builder.mul(INT64(j), args[5])]), 0, count)
        return context.get_dummy_value()

    sizes = (types.intp, types.intp)
    return types.void(a, *sizes, b, *sizes, lanes), codegen


def _signature(arrays: int, given: Any, *constants: Any) -> Any:
    """void(array, offset, array, offset, …, constants)."""
    pairs = [part for array in given for part in (array, types.intp)]
    return types.void(*pairs, *constants)


def _accumulate(
    emit: Emit,
    tile: Tile,
    A: Any,
    B: Any,
    sums: list[list[Any]],
    totals: list[Any] | None = None,
    runs: Any = None,
    length: Any = None,
) -> None:
    """sums[r][v] += Σ_k A[r, k] · B[k, v] (and totals[v] += Σ_k B[k, v]).

    Short sums are unrolled altogether; else a loop over the runs holds loops over their steps.
    `runs` and `length` say how many there are where the tile doesn't.
    """
    builder = emit.builder
    outputs = [offset for offset, _ in tile.outputs()]
    stretches = list(tile.stretches()) if tile.length else [Stretch.of_unknown_length(len(sums))]

    def steps(a: Any, b: Any, at: int, stretch: Stretch) -> None:
        """Those of one turn of a stretch: each number of A is loaded once, and multiplied with all
        that it meets."""
        loaded, wanted = [], []
        for tap, numbers in enumerate(stretch.numbers):
            k = at + tap * stretch.apart
            loaded.append(
                [
                    emit.load(b, k * tile.b_pitch + place, used if tile.masked else None)
                    for place, used in tile.b_vectors()
                ]
            )
            for v, variable in enumerate(totals or ()):
                builder.store(builder.fadd(builder.load(variable), loaded[tap][v]), variable)
            for output, there in enumerate(numbers):
                if there:
                    wanted.append((outputs[output] + k * tile.group * tile.step, there, tap, output))
        if tile.taps > 1:
            wanted.sort()
        last = None
        for place, there, tap, output in wanted:
            if last != (place, there):
                number, last = emit.splat(a, place, tile.group, there), (place, there)
            for vector, variable in zip(loaded[tap], sums[output], strict=True):
                builder.store(
                    emit.multiply_add(number, vector, builder.load(variable)), variable
                )

    def run_of(a: Any, b: Any) -> None:
        for stretch in stretches:
            if 0 < stretch.turns * stretch.work(tile) <= UNROLLED:
                for turn in range(stretch.turns):
                    steps(a, b, stretch.first + turn, stretch)
                continue
            at_once = stretch.turns_at_once(tile)
            times = INT64(stretch.turns // at_once) if tile.length else length
            with cgutils.for_range(builder, times) as loop:
                index = builder.add(
                    builder.mul(loop.index, INT64(at_once)), INT64(stretch.first)
                )
                a_step = emit.step(a, index, tile.step * tile.group)
                b_step = emit.step(b, index, tile.b_pitch)
                for turn in range(at_once):
                    steps(a_step, b_step, turn, stretch)

    in_all = sum(stretch.turns * stretch.work(tile) for stretch in stretches)
    if tile.runs and tile.length and tile.runs * in_all <= UNROLLED:
        for run in range(tile.runs):
            run_of(
                emit.step(A, INT64(run), tile.run_pitch), emit.step(B, INT64(run), tile.b_run_pitch)
            )
        return
    with cgutils.for_range(builder, INT64(tile.runs) if tile.runs else runs) as run:
        run_of(
            emit.step(A, run.index, tile.run_pitch), emit.step(B, run.index, tile.b_run_pitch)
        )
