"""A few machine words that threads share, read and changed in one indivisible step each.

Numba has no such operations of its own for the CPU; LLVM, which compiles Numba's code, does.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ORDERING = "seq_cst"  # all threads see all changes in one order: the easiest to reason about
X86 = ("x86_64", "amd64")  # elsewhere a waiting thread just looks again


@intrinsic
def load(_: Any, words: Any, index: Any) -> Any:
    """words[index], an int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_word(context, builder, signature, args), ORDERING, 8)

    return types.int64(words, types.intp), codegen


@intrinsic
def store(_: Any, words: Any, index: Any, value: Any) -> Any:
    """words[index] = value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = _word(context, builder, signature, args)
        builder.store_atomic(args[2], word, ORDERING, 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), codegen


@intrinsic
def add(_: Any, words: Any, index: Any, value: Any) -> Any:
    """words[index] += value; returns what stood there before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = _word(context, builder, signature, args)
        return builder.atomic_rmw("add", word, args[2], ORDERING)

    return types.int64(words, types.intp, types.int64), codegen


@intrinsic
def pause(_: Any) -> Any:
    """Tell the processor that this thread only waits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if platform.machine().lower() in X86:
            nothing = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, name), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def give_way(_: Any) -> Any:
    """Let another thread that waits for this processor have it (POSIX's sched_yield)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def processor(_: Any) -> Any:
    """The number of the processor that this thread runs on; 0 where it can't be told."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if sys.platform != "linux":
            return ir.IntType(64)(0)
        kind = ir.FunctionType(ir.IntType(32), [])
        function = cgutils.get_or_insert_function(builder.module, kind, "sched_getcpu")
        return builder.sext(builder.call(function, []), ir.IntType(64))

    return types.int64(), codegen


def _word(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The address of args[0][args[1]]."""
    words = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(words.data, [args[1]])
