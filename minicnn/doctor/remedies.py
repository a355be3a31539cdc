"""What would make minicnn faster here, derived from the facts.

A rule is a function from facts to remedies; RULES lists them by their usual gain, largest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .blas import VARIABLE, WIDE
from .facts import Facts, fact

BUSY = 0.25  # cores used by other processes that measurements tolerate


class Remedy(NamedTuple):
    """One thing to do."""

    about: str  # the section of the facts
    text: str
    broken: bool = False  # something does not work at all


def remedies(facts: Facts) -> list[Remedy]:
    """Everything worth doing: first what is broken, then by gain."""
    found = [remedy for rule in RULES for remedy in rule(facts)]
    return sorted(found, key=lambda remedy: not remedy.broken)


def broken_numba(facts: Facts) -> Iterator[Remedy]:
    """Numba is installed, but its kernels can't be imported, or not compiled and run."""
    error = fact(facts, "backend", "numba_error")
    if not error or any(wrong_settings(facts)):  # the setting can be the reason
        return
    if (fact(facts, "settings", "NUMBA_DISABLE_JIT") or "0") != "0":
        text = "unset NUMBA_DISABLE_JIT: minicnn's kernels only run when compiled"
    else:
        text = (
            f"repair Numba, which is installed but does not work ({error}): pip install --upgrade "
            "numba, or the NumPy that it needs; until then, MINICNN_BACKEND=numpy works"
        )
    yield Remedy("backend", text, broken=True)


def wrong_settings(facts: Facts) -> Iterator[Remedy]:
    """An environment variable of minicnn has an invalid value."""
    variables = {
        "backend": "MINICNN_BACKEND",
        "threads": "MINICNN_THREADS",
        "vectors": "MINICNN_SIMD",
    }
    for section, variable in variables.items():
        error = fact(facts, section, "error")
        if error and fact(facts, "settings", variable):
            yield Remedy(section, f"correct {variable}: {error}", broken=True)


def no_numba(facts: Facts) -> Iterator[Remedy]:
    """Numba is not installed, or not used."""
    given = fact(facts, "backend", "given")
    if fact(facts, "backend", "numba_installed") is False:
        text = 'install Numba, by far the largest gain: pip install "minicnn[numba]"'
        yield Remedy("backend", text)
    elif given in ("numpy", "reference"):
        yield Remedy("backend", f"unset MINICNN_BACKEND ({given}): Numba's kernels are faster")


def wrong_threads(facts: Facts) -> Iterator[Remedy]:
    """More threads than cores, or fewer."""
    count, usable = fact(facts, "threads", "count"), fact(facts, "processor", "usable")
    quota, given = fact(facts, "processor", "quota"), fact(facts, "threads", "given")
    if not count or not usable:
        return
    cores = min(usable, max(1, int(quota))) if quota else usable
    if count > cores:
        text = f"set MINICNN_THREADS={cores}: {count} threads share {cores} cores' time"
        yield Remedy("threads", text)
    elif count < cores and given:
        yield Remedy("threads", f"unset MINICNN_THREADS ({given}): {cores} cores may be used")


def core_type(facts: Facts) -> Iterator[Remedy]:
    """OpenBLAS does not use the processor's AVX-512."""
    if not fact(facts, "blas", "taken_for_older"):
        return
    given = fact(facts, "blas", "core_type")
    numba = fact(facts, "backend", "name") == "numba"
    users = "only the NumPy backend and im2col use it" if numba else "most time is spent there"
    yield Remedy(
        "blas",
        f"{f'unset {VARIABLE} ({given})' if given else f'set {VARIABLE}={WIDE}'}: OpenBLAS takes "
        f"this AVX-512 processor for an older one, at about half the speed ({users})",
    )


def busy(facts: Facts) -> Iterator[Remedy]:
    """Other processes use the cores."""
    others = fact(facts, "load", "others")
    if others is not None and others > BUSY:
        effect = "; the measurements here are too low" if facts.get("measured") else ""
        text = f"wait for other processes, or end them: they use {others:.1f} cores{effect}"
        yield Remedy("load", text)


def no_cache(facts: Facts) -> Iterator[Remedy]:
    """A cache folder cannot be written."""
    effects = {
        "kernel_cache": ("NUMBA_CACHE_DIR", "every start compiles the kernels again"),
        "data_cache": ("MINICNN_DATA", "data is downloaded and decoded again each time"),
    }
    for section, (variable, effect) in effects.items():
        if why_not := fact(facts, section, "why_not_writable"):
            text = f"set {variable} to a writable folder, or {effect} ({why_not})"
            yield Remedy(section, text, broken=True)


RULES: tuple[Callable[[Facts], Iterator[Remedy]], ...] = (
    broken_numba,
    wrong_settings,
    no_numba,
    wrong_threads,
    core_type,
    busy,
    no_cache,
)
