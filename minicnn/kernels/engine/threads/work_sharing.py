"""Handing out pieces of work between threads, in machine code: what a team does while it is awake.

A kernel calls `share(team, n, piece, args)`. `team` is an array of a few words that all threads
see (team.py makes it, and the threads); its words are read and written as atomic.py says.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import excinfo_ptr_t
from numba.extending import intrinsic

from ....typing import Array
from ...jit import compile_here, jit
from . import atomic

# The words of a team, each in a cache line of its own, so that watching one slows down no other.
LEFT = 0  # pieces that nobody has taken yet; below 1: nothing to do
DONE = 8  # pieces that are finished
FUNCTION, ARGUMENTS = 16, 17  # what to call, with what: written before LEFT, read after it
FAILED = 24  # pieces that raised (out of memory; kernels raise nothing else)
ASLEEP = 32  # helpers that sleep, or are about to
DISMISSED = 40  # 1: helpers shall end
WORDS = 48

PATIENCE = 20_000  # looks at the counter before a helper goes to sleep, about half a millisecond
# Looks between two times that who waits lets others have the processor: a helper may have been
# woken on that of the very thread it waits for, or another program may need it.
COURTESY = 256


@jit
def help_until_idle(team: Array) -> None:
    """A helper's life: take pieces while there are any; return after long idleness."""
    patience = PATIENCE
    while patience > 0 and atomic.load(team, DISMISSED) == 0:
        if atomic.load(team, LEFT) > 0:
            _take_pieces(team)
            patience = PATIENCE
        atomic.pause()
        patience -= 1
        if patience % COURTESY == 0:
            atomic.give_way()
    atomic.add(team, ASLEEP, 1)


@jit
def processor() -> int:
    """The processor that this thread runs on (Linux)."""
    return atomic.processor()


@jit
def count_off(team: Array) -> int:
    """How many are asleep; they are about to be woken, and counted no more."""
    asleep = atomic.load(team, ASLEEP)
    atomic.add(team, ASLEEP, -asleep)
    return asleep


@jit
def _take_pieces(team: Array) -> None:
    """Take a piece, do it, and so on while there is one."""
    while True:
        piece = atomic.add(team, LEFT, -1) - 1
        if piece < 0:
            return
        if _call(atomic.load(team, FUNCTION), atomic.load(team, ARGUMENTS), piece) != 0:
            atomic.add(team, FAILED, 1)
        atomic.add(team, DONE, 1)


@jit
def _hand_out(team: Array, n: int, function: int, arguments: int) -> bool:
    """Let function(arguments, piece) run for each piece < n; whether all went well.

    LEFT is written last: whoever takes a piece sees the function that belongs to it. Nothing is
    written before DONE says that all have finished with what stood there.
    """
    atomic.store(team, FUNCTION, function)
    atomic.store(team, ARGUMENTS, arguments)
    atomic.store(team, DONE, 0)
    atomic.store(team, FAILED, 0)
    atomic.store(team, LEFT, n)
    _take_pieces(team)
    looks = 0
    while atomic.load(team, DONE) < n:
        atomic.pause()
        looks += 1
        if looks % COURTESY == 0:
            atomic.give_way()
    return atomic.load(team, FAILED) == 0


@intrinsic
def share(typing: Any, team: Any, n: Any, piece: Any, args: Any) -> Any:
    """Run piece(number, *args), a part (jit.inner), for each number < n, on all of the team.

    Raises (inside jitted code): MemoryError, where a piece raised.
    """
    signature = types.void(types.intp, *args.types)
    hand_out = typing.resolve_value_type(_hand_out)
    hand_out_signature = hand_out.get_call_type(
        typing, (team, types.intp, types.intp, types.intp), {}
    )

    def codegen(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        words, count, _, packed = values
        inner = _wrapped(context, builder, piece, signature, packed.type)
        slot = cgutils.alloca_once_value(builder, packed)
        word = ir.IntType(64)
        well = context.get_function(hand_out, hand_out_signature)(
            builder,
            [words, count, builder.ptrtoint(inner, word), builder.ptrtoint(slot, word)],
        )
        with cgutils.if_unlikely(builder, builder.not_(well)):
            context.call_conv.return_user_exc(
                builder, MemoryError, ("a kernel could not get the memory it needs",)
            )
        return context.get_dummy_value()

    return types.void(team, types.intp, piece, args), codegen


def _wrapped(context: Any, builder: Any, piece: Any, signature: Any, packed: Any) -> Any:
    """A machine-code function (arguments, where errors go, number) → status, that unpacks the
    arguments and calls `piece`: of one type, whatever `piece` takes."""
    function = ir.Function(
        builder.module, _uniform(packed.as_pointer()), builder.module.get_unique_name("piece")
    )
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block())
    arguments, _, number = function.args
    unpacked = cgutils.unpack_tuple(inside, inside.load(arguments))
    # compiled into the kernel, not beside it: half the work of the compiler. (A piece that raises
    # returns its status from here: Numba's own convention for `args[1]`.)
    part = piece.typing_key.py_func
    compile_here(context, inside, part, signature, [number, *unpacked])
    inside.ret(ir.IntType(32)(0))
    return function


def _uniform(arguments: Any) -> Any:
    return ir.FunctionType(ir.IntType(32), [arguments, excinfo_ptr_t.as_pointer(), ir.IntType(64)])


@intrinsic
def _call(_: Any, function: Any, arguments: Any, number: Any) -> Any:
    """The status that the function at address `function` returns."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        anything = cgutils.voidptr_t
        target = builder.inttoptr(values[0], _uniform(anything).as_pointer())
        errors = cgutils.alloca_once(builder, excinfo_ptr_t)
        where = builder.inttoptr(values[1], anything)
        return builder.call(target, [where, errors, values[2]])

    return types.int32(types.int64, types.int64, types.int64), codegen
