"""What would make minicnn faster here, judged from the facts of diagnosis.py.

A rule is a function from facts to remedies; RULES has them by what they are worth, most first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .blas import VARIABLE
from .diagnosis import Facts

BUSY = 0.25  # cores that others keep busy: below, figures hardly suffer
WORTH_IT = 1.05  # gain below which a setting is not recommended
WIDTHS = {"128": 128, "neon": 128, "avx2": 256, "avx512": 512}  # bits


class Remedy(NamedTuple):
    """One thing to do."""

    about: str  # the section of the facts that shows the need
    text: str
    broken: bool = False  # something does not work at all


def remedies(facts: Facts) -> list[Remedy]:
    """Everything worth doing: what is broken first, then what is worth most."""
    found = [remedy for rule in RULES for remedy in rule(facts)]
    return sorted(found, key=lambda remedy: not remedy.broken)


def fact(facts: Facts, section: str, name: str) -> Any:
    """A fact; None where it could not be told."""
    found = facts.get(section)
    return found.get(name) if isinstance(found, dict) else None


def broken_numba(facts: Facts) -> Iterator[Remedy]:
    """Numba is there, but its kernels can't be imported, or not compiled and run."""
    error = fact(facts, "backend", "numba_error")
    settings = facts.get("settings") or {}
    if error and settings.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        text = "unset NUMBA_DISABLE_JIT: minicnn's kernels can't run without being compiled"
        yield Remedy("backend", text, broken=True)
    elif error:
        yield Remedy(
            "backend",
            f"repair Numba, which is installed but does not work ({error}): pip install --upgrade "
            "numba, or the NumPy that it asks for; until then MINICNN_BACKEND=numpy works",
            broken=True,
        )
    elif any(wrong_settings(facts)):  # nothing could be measured
        return
    elif isinstance(compiled := fact(facts, "measured", "gflops"), dict):
        yield Remedy(
            "backend",
            f"repair Numba: a kernel could not be compiled and run ({compiled['error']}); pip "
            "install --upgrade numba, or MINICNN_BACKEND=numpy meanwhile",
            broken=True,
        )


def wrong_settings(facts: Facts) -> Iterator[Remedy]:
    """A variable of minicnn's holds what it does not understand."""
    variables = {
        "backend": "MINICNN_BACKEND",
        "threads": "MINICNN_THREADS",
        "vectors": "MINICNN_SIMD",
    }
    for section, variable in variables.items():
        error = fact(facts, section, "error")
        if error and variable in (facts.get("settings") or {}):
            yield Remedy(section, f"correct {variable}: {error}", broken=True)


def no_numba(facts: Facts) -> Iterator[Remedy]:
    """Numba is not there."""
    if fact(facts, "backend", "numba_installed") is False:
        text = 'install Numba, by far the greatest gain: pip install "minicnn[numba]"'
        yield Remedy("backend", text)


def slow_backend(facts: Facts) -> Iterator[Remedy]:
    """Numba works, and a slower backend was chosen."""
    given = fact(facts, "backend", "given")
    if given in ("numpy", "reference") and fact(facts, "backend", "numba_installed"):
        yield Remedy("backend", f"unset MINICNN_BACKEND ({given}): Numba's kernels are faster")


def less_optimized(facts: Facts) -> Iterator[Remedy]:
    """Numba was told to compile other code than the best for this processor."""
    settings = facts.get("settings") or {}
    for name, best in {"NUMBA_OPT": ("3", "max"), "NUMBA_DEBUGINFO": ("0",)}.items():
        text = settings.get(name, "").strip().lower()
        if text and text not in best:
            yield Remedy("settings", f"unset {name} ({text}): kernels are compiled to slower code")
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        if settings.get(name):
            text = f"unset {name}: kernels are not compiled for this processor, but for another"
            yield Remedy("settings", text)


def other_vectors(facts: Facts) -> Iterator[Remedy]:
    """Kernels are made for vectors that are not the processor's widest."""
    given, widest = fact(facts, "vectors", "given"), fact(facts, "processor", "widest")
    if given not in WIDTHS or widest not in WIDTHS or WIDTHS[given] == WIDTHS[widest]:
        return
    than = "narrower" if WIDTHS[given] < WIDTHS[widest] else "wider"
    text = f"unset MINICNN_SIMD ({given}): {than} than what the processor has ({widest})"
    yield Remedy("vectors", text)


def wrong_threads(facts: Facts) -> Iterator[Remedy]:
    """More threads than cores, or fewer."""
    count, usable = fact(facts, "threads", "count"), fact(facts, "processor", "usable")
    quota, given = fact(facts, "processor", "quota"), fact(facts, "threads", "given")
    if not count or not usable:
        return
    room = min(usable, max(1, int(quota))) if quota else usable
    if count > room:
        why = f"{room} of {usable} cores' time" if room < usable else f"{usable} cores"
        yield Remedy(
            "threads",
            f"set MINICNN_THREADS={room}: {count} threads share {why}, and wait for each other",
        )
    elif count < room and given:
        text = f"unset MINICNN_THREADS ({given}): {room} cores may be used"
        yield Remedy("threads", text)


def no_kernel_cache(facts: Facts) -> Iterator[Remedy]:
    """Compiled kernels can't be kept."""
    if fact(facts, "kernel_cache", "writable") is False:
        yield Remedy(
            "kernel_cache",
            f"give compiled kernels a place, or every start compiles them, for seconds: "
            f"NUMBA_CACHE_DIR=FOLDER, one that can be written ({_why_not(facts, 'kernel_cache')})",
            broken=True,
        )


def core_type(facts: Facts) -> Iterator[Remedy]:
    """OpenBLAS has kernels that were measured to be faster than those it took."""
    compared = fact(facts, "measured", "core_types")
    if not isinstance(compared, list) or not compared:
        return
    present, *others = compared
    best = max((c["gain"] for c in others), default=0)
    # the first that comes near the best: not to set anything comes before setting it
    chosen = next((c for c in others if c["gain"] >= 0.97 * best), None)
    if chosen is None or chosen["gain"] <= WORTH_IT:
        return
    setting, now = chosen["core_type"], present["core_type"]
    what = f"set {VARIABLE}={setting}" if setting else f"unset {VARIABLE}"
    what += f" (now {now})" if now else ""
    reason = f"OpenBLAS takes this AVX-512 processor for {_article(present['architecture'])}"
    yield Remedy(
        "blas",
        f"{what}: {reason}; matrix products then run {chosen['gain']:.2g} times as fast "
        f"({present['gflops']:.0f} → {chosen['gflops']:.0f} GFLOP/s on one thread). "
        + _who_calls_blas(facts),
    )


def core_type_of_what_is_used(facts: Facts) -> Iterator[Remedy]:
    """What BLAS could gain is worth much where all products go through it, and little elsewhere."""
    if fact(facts, "backend", "name") != "numba":
        yield from core_type(facts)


def core_type_of_what_is_hardly_used(facts: Facts) -> Iterator[Remedy]:
    """The same where minicnn's own kernels multiply."""
    if fact(facts, "backend", "name") == "numba":
        yield from core_type(facts)


def busy(facts: Facts) -> Iterator[Remedy]:
    """Other processes take the cores away."""
    others = fact(facts, "load", "others")
    if others is not None and others > BUSY:
        meanwhile = "; what was measured here suffers from it" if facts.get("measured") else ""
        text = f"wait for, or end, the other processes: they keep {others:.1f} cores busy"
        yield Remedy("load", text + meanwhile)


def no_data_cache(facts: Facts) -> Iterator[Remedy]:
    """Downloads and decoded sheets can't be kept."""
    if fact(facts, "data_cache", "writable") is False:
        yield Remedy(
            "data_cache",
            "give downloads and decoded sheets a place, or they are fetched and decoded again each "
            f"time: MINICNN_DATA=FOLDER ({_why_not(facts, 'data_cache')})",
            broken=True,
        )


RULES: tuple[Callable[[Facts], Iterator[Remedy]], ...] = (
    broken_numba,
    wrong_settings,
    no_numba,
    slow_backend,
    other_vectors,
    less_optimized,
    wrong_threads,
    core_type_of_what_is_used,
    busy,
    no_kernel_cache,
    core_type_of_what_is_hardly_used,
    no_data_cache,
)


def _why_not(facts: Facts, section: str) -> str:
    folder, why_not = fact(facts, section, "folder"), fact(facts, section, "why_not")
    return ": ".join(str(part) for part in (folder, why_not) if part)


def _article(architecture: str | None) -> str:
    """ "Haswell" → "a Haswell"."""
    name = architecture or "older one"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _who_calls_blas(facts: Facts) -> str:
    if fact(facts, "backend", "name") == "numba":
        return "Numba's kernels do without BLAS, so only the NumPy backend and im2col gain"
    return "The NumPy backend does nearly all its work there"
