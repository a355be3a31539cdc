"""LLVM instructions on vectors, which Numba can't express.

Numba translates Python loops to LLVM's language, and LLVM vectorizes them if it can. The few
kernels whose vectors must be exactly as written use these methods instead: each adds instructions
to the function that is being compiled, and returns the value that they compute.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .llvm_types import Args, Builder, Signature, Target, Type, Value

INT32, INT64 = ir.IntType(32), ir.IntType(64)


class Emit:
    """LLVM instructions on vectors of `lanes` numbers."""

    def __init__(self, context: Target, builder: Builder, dtype: types.Float, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.dtype, self.real = dtype, context.get_value_type(dtype)
        self.bits = dtype.bitwidth
        self.vector = ir.VectorType(self.real, lanes)
        self.name = f"v{lanes}f{self.bits}"

    def pointers(self, signature: Signature, args: Args, count: int, step: int = 2) -> list[Value]:
        """The address of each of the first `count` (array, offset) pairs of `args`; in the
        signature the arrays are `step` apart."""
        found = []
        for i in range(count):
            kind = signature.args[i * step]
            array = self.context.make_array(kind)(self.context, self.builder, args[2 * i])
            found.append(self.builder.gep(array.data, [args[2 * i + 1]]))
        return found

    def exchange(self, a: Value, b: Value, distance: int, first: bool) -> Value:
        """Two rows after every other block of `distance` lanes is exchanged: the first row, or the
        second."""
        shift = 0 if first else distance
        lanes = [
            (lane + shift) if not lane & distance else (lane - distance + shift + self.lanes)
            for lane in range(self.lanes)
        ]
        mask = ir.Constant(ir.VectorType(INT32, self.lanes), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def variable(self, value: Value) -> Value:
        """A variable with this value; LLVM keeps it in a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def load(self, pointer: Value, at: int, used: int | None = None) -> Value:
        """The vector at pointer[at:]; lanes from `used` on are zero and not read."""
        return self.load_lanes(
            pointer, at, [used is None or lane < used for lane in range(self.lanes)]
        )

    def load_lanes(self, pointer: Value, at: int, lanes: list[bool]) -> Value:
        """The vector at pointer[at:]; the other lanes are zero and not read."""
        where = self._at(pointer, at, self.vector)
        if all(lanes):
            vector = self.builder.load(where)
            vector.align = self.bits // 8
            return vector
        zeros = ir.Constant(self.vector, None)
        mask = ir.Constant(ir.VectorType(ir.IntType(1), self.lanes), lanes)
        return self._call(
            f"llvm.masked.load.{self.name}.p0{self.name}",
            self.vector,
            [where, INT32(self.bits // 8), mask, zeros],
        )

    def store(self, value: Value, pointer: Value, at: int, used: int) -> None:
        """pointer[at : at+used] = the first lanes of value."""
        where = self._at(pointer, at, self.vector)
        if used == self.lanes:
            self.builder.store(value, where).align = self.bits // 8
            return
        self._call(
            f"llvm.masked.store.{self.name}.p0{self.name}",
            ir.VoidType(),
            [value, where, INT32(self.bits // 8), self._first(used)],
        )

    def store_bytes(self, value: Value, pointer: Value, at: int, used: int) -> None:
        """The same for small integers, as bytes."""
        small = self.builder.trunc(value, ir.VectorType(ir.IntType(8), self.lanes))
        where = self._at(pointer, at, small.type)
        if used == self.lanes:
            self.builder.store(small, where).align = 1
            return
        name = f"v{self.lanes}i8"
        self._call(
            f"llvm.masked.store.{name}.p0{name}",
            ir.VoidType(),
            [small, where, INT32(1), self._first(used)],
        )

    def step(self, pointer: Value, index: Value, pitch: int) -> Value:
        """pointer + index·pitch."""
        return self.builder.gep(pointer, [self.builder.mul(index, INT64(pitch))])

    def with_lanes(self, lanes: int) -> Emit:
        """The same for vectors of another length."""
        return self if lanes == self.lanes else Emit(self.context, self.builder, self.dtype, lanes)

    def splat(self, pointer: Value, at: int, count: int = 1, existing: int = 1) -> Value:
        """The number pointer[at] in every lane; or `count` numbers from there, repeated. Numbers
        whose bit in `existing` is not set are zero and not read."""
        if count == 1:
            number = self.builder.load(self.builder.gep(pointer, [INT64(at)]))
            undefined = ir.Constant(self.vector, ir.Undefined)
            numbers = self.builder.insert_element(undefined, number, INT32(0))
        else:
            narrow = self.with_lanes(count)
            numbers = narrow.load_lanes(
                pointer, at, [bool(existing >> i & 1) for i in range(count)]
            )
        lanes = ir.Constant(
            ir.VectorType(INT32, self.lanes), [lane % count for lane in range(self.lanes)]
        )
        return self.builder.shuffle_vector(numbers, ir.Constant(numbers.type, ir.Undefined), lanes)

    def fold(self, value: Value, count: int) -> Value:
        """The sums of each `count` neighbouring lanes, in a narrower vector."""
        while count > 1:
            lanes, count = value.type.count // 2, count // 2
            kind = ir.VectorType(INT32, lanes)
            even, odd = (
                self.builder.shuffle_vector(
                    value, value, ir.Constant(kind, [*range(first, 2 * lanes, 2)])
                )
                for first in (0, 1)
            )
            value = self.builder.fadd(even, odd)
        return value

    def integer(self, number: int) -> Value:
        """An integer in every lane."""
        kind = ir.VectorType(ir.IntType(self.bits), self.lanes)
        return ir.Constant(kind, [number] * self.lanes)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """a·b + c, rounded once if the processor has fused multiply-add."""
        return self._call(f"llvm.fmuladd.{self.name}", self.vector, [a, b, c])

    def relu(self, y: Value) -> Value:
        """0 where y < 0, else y; so NaN propagates."""
        zero = ir.Constant(self.vector, None)
        return self.builder.select(self.builder.fcmp_ordered("<", y, zero), zero, y)

    def positive(self, y: Value) -> Value:
        """Whether y > 0; false for NaN."""
        return self.builder.fcmp_ordered(">", y, ir.Constant(self.vector, None))

    def first_maximum(self, values: list[Value]) -> tuple[Value, Value]:
        """(maximum, argmax). The first of equal values wins; the first NaN beats all numbers."""
        best, index = values[0], self.integer(0)
        for number, value in enumerate(values[1:], 1):
            # larger or NaN, unless the best is already NaN
            larger = self.builder.fcmp_unordered(">", value, best)
            takes = self.builder.and_(larger, self.builder.fcmp_ordered("ord", best, best))
            best = self.builder.select(takes, value, best)
            index = self.builder.select(takes, self.integer(number), index)
        return best, index

    def _first(self, used: int) -> ir.Constant:
        bits = [lane < used for lane in range(self.lanes)]
        return ir.Constant(ir.VectorType(ir.IntType(1), self.lanes), bits)

    def _at(self, pointer: Value, at: int, kind: ir.Type) -> Value:
        return self.builder.bitcast(self.builder.gep(pointer, [INT64(at)]), kind.as_pointer())

    def _call(self, name: str, result: ir.Type, args: list[Value]) -> Value:
        kind = ir.FunctionType(result, [arg.type for arg in args])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, args)


def signature(arrays: Sequence[types.Array], *constants: Type) -> Signature:
    """void(array, offset, array, offset, …, constants)."""
    pairs = [kind for array in arrays for kind in (array, types.intp)]
    return types.void(*pairs, *constants)
