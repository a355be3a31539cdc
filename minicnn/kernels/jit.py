"""How minicnn calls Numba: one decorator, used by every jitted kernel.

Kernels are compiled at their first call for the dtypes they meet (no fixed signatures, so that
float64 gradient checks run too) and cached on disk. Division by zero gives infinity or NaN, as in
NumPy, not an error that each division would have to check for. `nogil` lets threads run them side
by side; `parallel=True` is not used: it takes more than twice as long to compile and brings in a
threading layer of its own (team.py says what takes its place).

A factory may make a kernel for given sizes: the inner function closes over numbers, tuples of
them, and other kernels. The cache tells such kernels apart by those values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache as remember
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import binding
from numba import types
from numba.core.compiler import Flags
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

with suppress(RuntimeError):  # not Linux: the same is in the system's own library, or not needed
    # Rewriting a loop, LLVM now and then divides 128-bit numbers, by a function of GCC's library;
    # where it can't be found the process would be ended.
    binding.load_library_permanently("libgcc_s.so.1")


def jit(function: F) -> F:
    """Compile `function`, cached on disk where any cache folder can be written.

    Numba caches beside the source, else in the user's cache folder (NUMBA_CACHE_DIR moves it);
    where neither can be written it raises, and the kernel is compiled anew in each process.
    """
    content = _content(function)
    function.__qualname__ += f"_{content[:12]}"  # see _know_by_content
    options: Any = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    compiled: Any
    try:
        compiled = numba.njit(function, cache=True, **options)
        _let_fail(compiled._cache)
        _know_by_content(compiled._cache, content)
    except RuntimeError:  # "cannot cache function: no locator available"
        compiled = numba.njit(function, **options)
    return compiled


def inner(function: F) -> F:
    """A part of kernels: compiled into whatever calls it, as if it stood there; returns nothing.

    A jitted function that calls another is compiled with a copy of the other's machine code, which
    was optimized once by itself already; with parts within parts the compiler's time adds up.
    """
    function.__qualname__ += f"_{_content(function)[:12]}"

    def call(typing: Any, *args: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return compile_here(context, builder, function, signature, values)

        return types.void(*args), codegen

    own = inspect.signature(function)
    context = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[context, *own.parameters.values()]
    )
    part: Any = intrinsic(call)
    part.py_func = function
    return part


def compile_here(
    context: Any, builder: Any, function: Any, signature: Any, values: Sequence[Any]
) -> Any:
    """Compile a Python function into the one that is being built, and call it.

    As Numba's own `compile_internal`, but with NumPy's rules for division: by Python's, each is
    preceded by a test for zero, and no loop with such a test becomes vector code.
    """
    flags = Flags()
    flags.nrt, flags.error_model = True, "numpy"
    compiled = context.compile_subroutine(builder, function, signature, flags=flags)
    return context.call_internal(builder, compiled.fndesc, signature, values)


def _let_fail(cache: Any) -> None:
    """A full disk or a damaged cache file shall cost the cache, not the run.

    Numba itself raises: what the disk said from saving, what unpickling said from loading.
    """
    save, load = cache.save_overload, cache.load_overload

    def save_if_possible(signature: Any, result: Any) -> None:
        with suppress(Exception):
            save(signature, result)

    def load_if_possible(signature: Any, target: Any) -> Any:
        try:
            found = load(signature, target)
            # two dtypes of one kernel share an index: see _know_by_content
            return found if found is None or found.signature.args == signature else None
        except Exception:
            with suppress(Exception):
                cache.flush()  # an empty index in place of a damaged one
            return None

    cache.save_overload, cache.load_overload = save_if_possible, load_if_possible


def _know_by_content(cache: Any, content: str) -> None:
    """Look kernels up by what they are made of.

    Numba itself hashes what a function closes over by pickling it, and a kernel's pickle is another
    one in each process; and it notices a change of the file that holds the function, but not of
    one that holds what the function calls.

    The content is also part of the kernel's name, and so of its cache files' names and of its
    symbol in machine code. Of two kernels from one factory, compiled in two processes, Numba might
    give both the same symbol, and a third process that loads both would call one for the other; and
    two processes that save them at once might number both files 1.
    """

    def index_key(signature: Any, codegen: Any) -> Any:
        return signature, codegen.magic_tuple(), content

    cache._index_key = index_key
    cache._cache_file._source_stamp = _source()


def _content(function: Any) -> str:
    """A digest of a function's bytecode and of the values it closes over."""
    function = getattr(function, "py_func", function)
    parts = [_source(), function.__qualname__, function.__code__.co_code.hex()]
    for cell in function.__closure__ or ():
        value = cell.cell_contents
        parts.append(_content(value) if callable(value) else repr(value))
    return sha256("\n".join(parts).encode()).hexdigest()


@remember
def _source() -> str:
    """A digest of all the source that kernels may be made of."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
