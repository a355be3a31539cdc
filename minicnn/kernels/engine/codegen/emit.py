"""LLVM's instructions on vectors of numbers, for what Numba has no words for.

Numba turns Python loops into LLVM's language and LLVM turns that into machine code, vectors
included, where it finds them. The few kernels that must have their vectors as they are written use
these: each method adds instructions to the function that is being compiled, and returns the value
that they compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

INT32, INT64 = ir.IntType(32), ir.IntType(64)


class Emit:
    """LLVM instructions on vectors of `lanes` numbers."""

    def __init__(self, context: Any, builder: Any, dtype: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.dtype, self.real = dtype, context.get_value_type(dtype)
        self.bits = dtype.bitwidth
        self.vector = ir.VectorType(self.real, lanes)
        self.name = f"v{lanes}f{self.bits}"

    def pointers(self, signature: Any, args: Any, count: int, step: int = 2) -> list[Any]:
        """Where each of the first `count` (array, offset) pairs of `args` points; in the signature
        they stand `step` apart."""
        found = []
        for i in range(count):
            kind = signature.args[i * step]
            array = self.context.make_array(kind)(self.context, self.builder, args[2 * i])
            found.append(self.builder.gep(array.data, [args[2 * i + 1]]))
        return found

    def exchange(self, a: Any, b: Any, distance: int, first: bool) -> Any:
        """Two rows in which every other block of `distance` lanes changes places: the first row,
        or the second."""
        shift = 0 if first else distance
        lanes = [
            (lane + shift) if not lane & distance else (lane - distance + shift + self.lanes)
            for lane in range(self.lanes)
        ]
        mask = ir.Constant(ir.VectorType(INT32, self.lanes), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def variable(self, value: Any) -> Any:
        """A place for a value; LLVM keeps it in a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def load(self, pointer: Any, at: int, used: int | None = None) -> Any:
        """The vector at pointer[at:]; from lane `used` on zeros, and nothing is read."""
        return self.load_those(
            pointer, at, [used is None or lane < used for lane in range(self.lanes)]
        )

    def load_those(self, pointer: Any, at: int, lanes: list[bool]) -> Any:
        """The vector at pointer[at:]; zeros in the other lanes, for which nothing is read."""
        where = self._at(pointer, at, self.vector)
        if all(lanes):
            vector = self.builder.load(where)
            vector.align = self.bits // 8
            return vector
        nothing = ir.Constant(self.vector, None)
        mask = ir.Constant(ir.VectorType(ir.IntType(1), self.lanes), lanes)
        return self._call(
            f"llvm.masked.load.{self.name}.p0{self.name}",
            self.vector,
            [where, INT32(self.bits // 8), mask, nothing],
        )

    def store(self, value: Any, pointer: Any, at: int, used: int) -> None:
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

    def store_bytes(self, value: Any, pointer: Any, at: int, used: int) -> None:
        """The same for small whole numbers, as bytes."""
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

    def step(self, pointer: Any, index: Any, pitch: int) -> Any:
        """pointer + index·pitch."""
        return self.builder.gep(pointer, [self.builder.mul(index, INT64(pitch))])

    def with_lanes(self, lanes: int) -> Emit:
        """The same for vectors of another length."""
        return self if lanes == self.lanes else Emit(self.context, self.builder, self.dtype, lanes)

    def splat(self, pointer: Any, at: int, group: int = 1, there: int = 1) -> Any:
        """The number pointer[at] in every lane; or the `group` numbers that begin there in every
        group of lanes, zeros for those whose bit in `there` is not set: nothing is read there."""
        if group == 1:
            number = self.builder.load(self.builder.gep(pointer, [INT64(at)]))
            undefined = ir.Constant(self.vector, ir.Undefined)
            numbers = self.builder.insert_element(undefined, number, INT32(0))
        else:
            part = self.with_lanes(group)
            numbers = part.load_those(pointer, at, [bool(there >> g & 1) for g in range(group)])
        lanes = ir.Constant(
            ir.VectorType(INT32, self.lanes), [lane % group for lane in range(self.lanes)]
        )
        return self.builder.shuffle_vector(numbers, ir.Constant(numbers.type, ir.Undefined), lanes)

    def fold(self, value: Any, group: int) -> Any:
        """The sums of each `group` neighbouring lanes, in a vector of so many fewer."""
        while group > 1:
            lanes, group = value.type.count // 2, group // 2
            kind = ir.VectorType(INT32, lanes)
            even, odd = (
                self.builder.shuffle_vector(
                    value, value, ir.Constant(kind, [*range(first, 2 * lanes, 2)])
                )
                for first in (0, 1)
            )
            value = self.builder.fadd(even, odd)
        return value

    def whole(self, number: int) -> Any:
        """A whole number in every lane."""
        kind = ir.VectorType(ir.IntType(self.bits), self.lanes)
        return ir.Constant(kind, [number] * self.lanes)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a·b + c, rounded once where the processor can do that."""
        return self._call(f"llvm.fmuladd.{self.name}", self.vector, [a, b, c])

    def relu(self, y: Any) -> Any:
        """0 where y < 0, else y; so a NaN stays."""
        zero = ir.Constant(self.vector, None)
        return self.builder.select(self.builder.fcmp_ordered("<", y, zero), zero, y)

    def positive(self, y: Any) -> Any:
        """Whether y > 0; not for a NaN."""
        return self.builder.fcmp_ordered(">", y, ir.Constant(self.vector, None))

    def first_maximum(self, values: list[Any]) -> tuple[Any, Any]:
        """(the maximum, the index of the first value that has it); the first NaN beats all."""
        best, index = values[0], self.whole(0)
        for number, value in enumerate(values[1:], 1):
            # larger or NaN, unless the best is a NaN already
            larger = self.builder.fcmp_unordered(">", value, best)
            takes = self.builder.and_(larger, self.builder.fcmp_ordered("ord", best, best))
            best = self.builder.select(takes, value, best)
            index = self.builder.select(takes, self.whole(number), index)
        return best, index

    def _first(self, used: int) -> Any:
        bits = [lane < used for lane in range(self.lanes)]
        return ir.Constant(ir.VectorType(ir.IntType(1), self.lanes), bits)

    def _at(self, pointer: Any, at: int, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [INT64(at)]), kind.as_pointer())

    def _call(self, name: str, result: Any, args: list[Any]) -> Any:
        kind = ir.FunctionType(result, [arg.type for arg in args])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, args)


def signature(given: Sequence[Any], *constants: Any) -> Any:
    """void(array, offset, array, offset, …, constants)."""
    pairs = [part for array in given for part in (array, types.intp)]
    return types.void(*pairs, *constants)
