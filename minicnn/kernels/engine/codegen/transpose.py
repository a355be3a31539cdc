"""A square block of a matrix, transposed in registers. Emitted as LLVM instructions."""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic

from .emit import INT64, Emit
from .llvm_types import Args, Builder, Context, Intrinsic, Signature, Target, Type, Value


@intrinsic(prefer_literal=True)
def transpose_block(
    _: Context,
    a: Type,
    a0: Type,
    a_pitch: Type,
    b: Type,
    b0: Type,
    b_pitch: Type,
    lanes: Type,
) -> Intrinsic:
    """b[j, i] = a[i, j] for i, j < lanes (a power of two); rows are a_pitch and b_pitch apart.

    log₂(lanes) rounds exchange blocks of 1, 2, 4, … numbers between pairs of rows.
    """
    count = lanes.literal_value

    def codegen(context: Target, builder: Builder, signature: Signature, args: Args) -> Value:
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
