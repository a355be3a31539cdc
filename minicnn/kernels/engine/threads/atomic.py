"""Atomic operations on machine words that threads share.

Numba has none for the CPU; LLVM, which compiles Numba's code, has them.
"""

from __future__ import annotations

import os
import platform
import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..codegen.llvm_types import Args, Builder, Context, Intrinsic, Signature, Target, Type, Value

ORDERING = "seq_cst"  # all threads see all changes in the same order
X86 = ("x86_64", "amd64")  # on others a spinning thread does not pause


@intrinsic
def load(_: Context, words: Type, index: Type) -> Intrinsic:
    """words[index], an int64."""

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        return builder.load_atomic(_word(context, builder, signature, args), ORDERING, 8)

    return types.int64(words, types.intp), codegen


@intrinsic
def store(_: Context, words: Type, index: Type, value: Type) -> Intrinsic:
    """words[index] = value."""

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        word = _word(context, builder, signature, args)
        builder.store_atomic(args[2], word, ORDERING, 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), codegen


@intrinsic
def add(_: Context, words: Type, index: Type, value: Type) -> Intrinsic:
    """words[index] += value; returns the previous value."""

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        word = _word(context, builder, signature, args)
        return builder.atomic_rmw("add", word, args[2], ORDERING)

    return types.int64(words, types.intp, types.int64), codegen


@intrinsic
def pause(_: Context) -> Intrinsic:
    """A hint to the processor that this thread is spinning."""

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        if platform.machine().lower() in X86:
            nothing = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, name), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def yield_processor(_: Context) -> Intrinsic:
    """POSIX's sched_yield: run another thread that is ready on this processor."""

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def processor(_: Context) -> Intrinsic:
    """The number of the processor that runs this thread; 0 if unknown."""

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
        if sys.platform != "linux":
            return ir.IntType(64)(0)
        kind = ir.FunctionType(ir.IntType(32), [])
        function = cgutils.get_or_insert_function(builder.module, kind, "sched_getcpu")
        return builder.sext(builder.call(function, []), ir.IntType(64))

    return types.int64(), codegen


def _word(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
    """The address of args[0][args[1]]."""
    words = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(words.data, [args[1]])
