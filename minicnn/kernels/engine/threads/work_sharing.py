"""Sharing pieces of work between threads, in machine code: what a team does while it is awake.

A kernel calls `share(team, n, piece, args)`. `team` is an array of a few words in shared memory
(team.py makes it, and the threads), read and written with atomic.py.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import excinfo_ptr_t
from numba.extending import intrinsic

from ....typing import Array
from ...jit import compile_here, jit
from ..codegen.llvm_types import Args, Builder, Context, Intrinsic, Signature, Target, Type, Value
from . import atomic

# The words of a team, each in its own cache line, so that polling one does not slow the others.
LEFT = 0  # pieces not yet taken; below 1: nothing to do
DONE = 8  # finished pieces
FUNCTION, ARGUMENTS = 16, 17  # addresses: written before LEFT, read after it
FAILED = 24  # pieces that raised (MemoryError; kernels raise nothing else)
ASLEEP = 32  # helpers that sleep, or will in a moment
DISMISSED = 40  # 1: helpers end
WORDS = 48

SPINS_BEFORE_SLEEP = 20_000  # of an idle helper: about half a millisecond
# Spins between two sched_yield calls of a waiting thread. It may be on the same processor as the
# thread that it waits for, or another program may need the processor.
SPINS_PER_YIELD = 256


@jit
def help_until_idle(team: Array) -> None:
    """A helper's loop: take pieces while there are any; return when idle for long."""
    spins = SPINS_BEFORE_SLEEP
    while spins > 0 and atomic.load(team, DISMISSED) == 0:
        if atomic.load(team, LEFT) > 0:
            _take_pieces(team)
            spins = SPINS_BEFORE_SLEEP
        atomic.pause()
        spins -= 1
        if spins % SPINS_PER_YIELD == 0:
            atomic.yield_processor()
    atomic.add(team, ASLEEP, 1)


@jit
def processor() -> int:
    """The number of the processor that runs this thread (Linux)."""
    return atomic.processor()


@jit
def take_sleepers(team: Array) -> int:
    """How many helpers sleep; resets the count, because the caller wakes them."""
    asleep = atomic.load(team, ASLEEP)
    atomic.add(team, ASLEEP, -asleep)
    return asleep


@jit
def _take_pieces(team: Array) -> None:
    """Take piece after piece while there are any."""
    while True:
        piece = atomic.add(team, LEFT, -1) - 1
        if piece < 0:
            return
        if _call(atomic.load(team, FUNCTION), atomic.load(team, ARGUMENTS), piece) != 0:
            atomic.add(team, FAILED, 1)
        atomic.add(team, DONE, 1)


@jit
def _hand_out(team: Array, n: int, function: int, arguments: int) -> bool:
    """Run function(arguments, piece) for each piece < n; return whether none raised.

    LEFT is written last, so that a thread that takes a piece sees its function. The function
    returns only when DONE says that all pieces are finished, so no word is overwritten in use.
    """
    atomic.store(team, FUNCTION, function)
    atomic.store(team, ARGUMENTS, arguments)
    atomic.store(team, DONE, 0)
    atomic.store(team, FAILED, 0)
    atomic.store(team, LEFT, n)
    _take_pieces(team)
    spins = 0
    while atomic.load(team, DONE) < n:
        atomic.pause()
        spins += 1
        if spins % SPINS_PER_YIELD == 0:
            atomic.yield_processor()
    return atomic.load(team, FAILED) == 0


@intrinsic
def share(typing: Context, team: Type, n: Type, piece: Type, args: Type) -> Intrinsic:
    """Run piece(number, *args), an inlined function, for each number < n, on the whole team.

    Raises (inside jitted code): MemoryError if a piece raised.
    """
    signature = types.void(types.intp, *args.types)
    hand_out = typing.resolve_value_type(_hand_out)
    hand_out_signature = hand_out.get_call_type(
        typing, (team, types.intp, types.intp, types.intp), {}
    )

    def codegen(context: Target, builder: Builder, outer: Signature, values: Args) -> Value:
        words, count, _, packed = values
        function = piece.typing_key.py_func
        wrapped = _wrapped(context, builder, function, signature, packed.type)
        slot = cgutils.alloca_once_value(builder, packed)
        word = ir.IntType(64)
        well = context.get_function(hand_out, hand_out_signature)(
            builder,
            [words, count, builder.ptrtoint(wrapped, word), builder.ptrtoint(slot, word)],
        )
        with cgutils.if_unlikely(builder, builder.not_(well)):
            context.call_conv.return_user_exc(
                builder, MemoryError, ("a kernel could not get the memory it needs",)
            )
        return context.get_dummy_value()

    return types.void(team, types.intp, piece, args), codegen


def _wrapped(
    context: Target,
    builder: Builder,
    piece: Callable[..., None],
    signature: Signature,
    packed: ir.Type,
) -> ir.Function:
    """A machine-code function (arguments, where errors go, number) → status, that unpacks the
    arguments and calls `piece`. Its type is the same for all pieces."""
    function = ir.Function(
        builder.module, _uniform(packed.as_pointer()), builder.module.get_unique_name("piece")
    )
    function.linkage = "internal"
    inside = Builder(function.append_basic_block())
    arguments, _, number = function.args
    unpacked = cgutils.unpack_tuple(inside, inside.load(arguments))
    # Compiled into the kernel instead of separately: half the compile time. A piece that raises
    # returns its status from here (Numba's convention for `args[1]`).
    compile_here(context, inside, piece, signature, [number, *unpacked])
    inside.ret(ir.IntType(32)(0))
    return function


def _uniform(arguments: ir.Type) -> ir.FunctionType:
    return ir.FunctionType(ir.IntType(32), [arguments, excinfo_ptr_t.as_pointer(), ir.IntType(64)])


@intrinsic
def _call(_: Context, function: Type, arguments: Type, number: Type) -> Intrinsic:
    """Call the function at address `function`; returns its status."""

    def codegen(context: Target, builder: Builder, signature: Signature, values: Args) -> Value:
        anything = cgutils.voidptr_t
        target = builder.inttoptr(values[0], _uniform(anything).as_pointer())
        errors = cgutils.alloca_once(builder, excinfo_ptr_t)
        where = builder.inttoptr(values[1], anything)
        return builder.call(target, [where, errors, values[2]])

    return types.int32(types.int64, types.int64, types.int64), codegen
