"""Sums of rows in registers: of a table's rows, each times a factor, and of contiguous rows.

Emitted as LLVM instructions, as in multiply.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .emit import INT64, Emit, signature
from .llvm_types import Args, Builder, Context, Intrinsic, Signature, Target, Type, Value


class Rows(NamedTuple):
    """Rows of a table to add up, each from its own offset; all in numbers."""

    number: int  # of rows to add
    stride: int  # between their factors, and between their offsets
    runs: int  # a row: runs × (vectors of lanes, the last one with `tail` in use), …
    run_pitch: int  # … whose runs are this far apart in the table …
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
    _: Context, table: Type, table0: Type, factors: Type, factors0: Type,
    offsets: Type, offsets0: Type, c: Type, c0: Type, rows: Type,
) -> Intrinsic:  # fmt: skip
    """C += Σ_i factor[i] · table[offset[i] : …], with C in registers while i runs.

    fused_backward.py uses it: i runs over the winners; a row is a winner's patch, or its filter.
    """
    shape = Rows(*(t.literal_value for t in rows))

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        emit = Emit(context, builder, signature.args[0].dtype, shape.lanes)
        T, F, at_rows, C = emit.pointers(signature, args, 4)
        places = list(shape.places())
        # an addition takes about four cycles: with few vectors, each has several sums
        sets = max(1, min(4, 16 // len(places), shape.number))
        zero = ir.Constant(emit.vector, None)
        sums = [[emit.variable(zero) for _ in places] for _ in range(sets)]

        def add(index: Value, variables: list[Value]) -> None:
            at = builder.mul(index, INT64(shape.stride))
            factor = emit.splat(builder.gep(F, [at]), 0)
            offset = builder.sext(builder.load(builder.gep(at_rows, [at])), INT64)
            row = builder.gep(T, [offset])
            for variable, (place, _, used) in zip(variables, places, strict=True):
                vector = emit.load(row, place, used)
                builder.store(emit.multiply_add(factor, vector, builder.load(variable)), variable)

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

    return signature((table, factors, offsets, c), rows), codegen


@intrinsic(prefer_literal=True)
def add_up(
    _: Context, a: Type, a0: Type, pitch: Type, sums: Type, sums0: Type, copy: Type, copy0: Type,
    rows: Type, width: Type, copied: Type,
) -> Intrinsic:  # fmt: skip
    """sums += Σ of `rows` rows of a, `pitch` apart and width = (vectors, lanes, tail) numbers wide;
    if `copied`, the rows are also copied to `copy`, vectors·lanes apart."""
    vectors, lanes, tail = (t.literal_value for t in width)

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
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
                vector = emit.load(row, at, used)
                builder.store(builder.fadd(builder.load(total), vector), total)
                if copied.literal_value:
                    emit.store(vector, to, at, used)
        for total, (at, used) in zip(totals, places, strict=True):
            emit.store(builder.load(total), S, at, used)
        return context.get_dummy_value()

    sizes = types.intp
    return types.void(a, sizes, sizes, sums, sizes, copy, sizes, sizes, width, copied), codegen


@intrinsic
def copy_numbers(_: Context, a: Type, a0: Type, c: Type, c0: Type, count: Type) -> Intrinsic:
    """c[c0 : c0+count] = a[a0 : a0+count], contiguous numbers counted from a view's first number.

    Making a slice would take as long as copying a hundred numbers.
    """

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        emit = Emit(context, builder, signature.args[0].dtype, 1)
        A, C = emit.pointers(signature, args, 2)
        size = builder.mul(args[4], INT64(emit.bits // 8))
        cgutils.raw_memcpy(builder, C, A, size, 1)
        return context.get_dummy_value()

    return signature((a, c), types.intp), codegen
