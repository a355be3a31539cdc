"""How minicnn calls Numba: one decorator, used by every jitted kernel.

Kernels are compiled at their first call for each dtype (without fixed signatures, so that float64
gradient checks run too) and cached on disk. Division by zero gives infinity or NaN, as in NumPy,
instead of an error that each division would have to check for. `nogil` lets threads run kernels
in parallel. `parallel=True` is not used: it takes more than twice as long to compile and brings
its own threading layer (engine/threads/team.py replaces it).

A factory can make a kernel for given sizes: the inner function closes over numbers, tuples of
numbers, and other kernels. The cache tells such kernels apart by those values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache as remember
from hashlib import sha256
from pathlib import Path
from typing import TypeVar, cast

import numba
from llvmlite import binding, ir
from numba import types
from numba.core.base import BaseContext
from numba.core.caching import FunctionCache
from numba.core.codegen import CPUCodegen
from numba.core.compiler import CompileResult, Flags
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])
Kernel = Callable[..., object]
"""A compiled kernel. Some return whether non-finite numbers make the result invalid."""

Inlined = Callable[..., None]
"""A function for use inside kernels; see `inlined`."""

with suppress(RuntimeError):  # not Linux: the same is in the system's own library, or not needed
    # LLVM's loop optimizations sometimes emit 128-bit divisions, which call libgcc. If libgcc is
    # not found, the process aborts.
    binding.load_library_permanently("libgcc_s.so.1")


def jit(function: F) -> F:
    """Compile `function`; cache it on disk if a cache folder is writable.

    Numba caches next to the source, or else in the user's cache folder (NUMBA_CACHE_DIR moves
    it). If neither is writable, Numba raises, and the kernel is compiled in each process.
    """
    content = _content(function)
    function.__qualname__ += f"_{content[:12]}"  # see _identify_by_content
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    try:
        compiled = numba.njit(function, cache=True, **options)
        _ignore_failures(compiled._cache)
        _identify_by_content(compiled._cache, content)
    except RuntimeError:  # "cannot cache function: no locator available"
        compiled = numba.njit(function, **options)
    return cast(F, compiled)


def inlined(function: F) -> F:
    """A function that is compiled into each kernel that calls it; it returns nothing.

    When one jitted function calls another, Numba compiles it with a copy of the other's optimized
    machine code. With nested functions, each is optimized several times. This avoids that.
    """
    function.__qualname__ += f"_{_content(function)[:12]}"

    def call(typing: Context, *args: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
        def codegen(
            context: BaseContext, builder: ir.IRBuilder, signature: Signature, values: ir.Value
        ) -> ir.Value:
            return compile_here(context, builder, function, signature, values)

        return types.void(*args), codegen

    own = inspect.signature(function)
    context = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[context, *own.parameters.values()]
    )
    found = intrinsic(call)
    found.py_func = function
    return cast(F, found)


def compile_here(
    context: BaseContext,
    builder: ir.IRBuilder,
    function: Callable[..., object],
    signature: Signature,
    values: Sequence[ir.Value],
) -> ir.Value:
    """Compile a Python function into the one that is being built, and call it.

    As Numba's own `compile_internal`, but with NumPy's rules for division: with Python's rules,
    each division first tests for zero, and LLVM doesn't vectorize a loop with such a test.
    """
    flags = Flags()
    flags.nrt, flags.error_model = True, "numpy"
    compiled = context.compile_subroutine(builder, function, signature, flags=flags)
    return context.call_internal(builder, compiled.fndesc, signature, values)


def _ignore_failures(cache: FunctionCache) -> None:
    """Continue without the cache on a full disk or with a damaged cache file.

    Numba raises instead: OSError when saving, any unpickling error when loading.
    """
    save, load = cache.save_overload, cache.load_overload

    def save_if_possible(signature: Signature, result: CompileResult) -> None:
        with suppress(Exception):
            save(signature, result)

    def load_if_possible(signature: Signature, target: BaseContext) -> CompileResult | None:
        try:
            found = load(signature, target)
            # two dtypes of one kernel share an index: see _identify_by_content
            return found if found is None or found.signature.args == signature else None
        except Exception:
            with suppress(Exception):
                cache.flush()  # an empty index in place of a damaged one
            return None

    cache.save_overload, cache.load_overload = save_if_possible, load_if_possible


def _identify_by_content(cache: FunctionCache, content: str) -> None:
    """Look kernels up by a digest of their content.

    Numba hashes a pickle of what a function closes over, and a kernel's pickle differs from
    process to process. Numba also notices a change of the file that holds the function, but not
    of a file that holds a function it calls.

    The content is also part of the kernel's name, and so of its cache files' names and its symbol
    in machine code. Without it, two kernels of one factory, compiled in two processes, could get
    the same symbol, and a third process that loads both could call the wrong one. Two processes
    that save at the same time could also both number their files 1.
    """

    def index_key(signature: Signature, codegen: CPUCodegen) -> tuple[object, ...]:
        return signature, codegen.magic_tuple(), content

    cache._index_key = index_key
    cache._cache_file._source_stamp = _source()


def _content(function: Callable[..., object]) -> str:
    """A digest of a function's bytecode and of the values it closes over."""
    function = getattr(function, "py_func", function)
    parts = [_source(), function.__qualname__, function.__code__.co_code.hex()]
    for cell in function.__closure__ or ():
        value = cell.cell_contents
        parts.append(_content(value) if callable(value) else repr(value))
    return sha256("\n".join(parts).encode()).hexdigest()


@remember
def _source() -> str:
    """A digest of all source files under kernels/."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
