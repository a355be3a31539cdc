"""The facts of diagnosis.py in words: headed groups of (section of the facts, name, text)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .blas import VARIABLE
from .diagnosis import Facts

Words = Callable[[Any, Facts], Iterator[tuple[str, str]]]  # (section, all facts) → (name, text)
Parts = list[tuple[str, Words]]


NAMES = {  # of lines that say only that they can't say
    "vectors": "vector unit",
    "load": "busy",
    "blas": "BLAS",
    "kernel_cache": "kernels",
    "data_cache": "data",
}


class Row(NamedTuple):
    """A line of the report."""

    section: str  # of the facts; a remedy about it marks the line
    name: str
    text: str


def groups(facts: Facts) -> list[tuple[str, list[Row]]]:
    """(heading, rows); of what could not be told, the reason."""
    machine: Parts = [("processor", _processor), ("vectors", _vectors), ("load", _load)]
    arithmetic: Parts = [("backend", _backend), ("threads", _threads), ("blas", _blas)]
    return [
        ("Machine", _rows(facts, machine)),
        ("Arithmetic", _rows(facts, arithmetic)),
        ("Measured just now", _rows(facts, [("measured", _measured)])),
        ("Caches", _rows(facts, [("kernel_cache", _kernel_cache), ("data_cache", _data_cache)])),
        ("Optional extras", _rows(facts, [("extras", _extras)])),
        ("Software", _rows(facts, [("versions", _versions), ("settings", _settings)])),
    ]


def _rows(facts: Facts, parts: Parts) -> list[Row]:
    rows = []
    for section, words in parts:
        found = facts.get(section)
        try:
            # a backend that can't be chosen leaves something to say about Numba
            if isinstance(found, dict) and "error" in found and "numba_installed" not in found:
                rows.append(_untold(section, found["error"]))
            else:
                rows += [Row(section, name, text) for name, text in words(found, facts)]
        except Exception as error:  # a report with a gap is better than none
            rows.append(_untold(section, f"{type(error).__name__}: {error}"))
    return rows


def _untold(section: str, why: str) -> Row:
    return Row(section, NAMES.get(section, section), f"can't be told: {why}")


def _processor(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    yield "processor", f"{found['name']}; {found['system']}"
    usable, cores = found["usable"], found["cores"]
    text = f"{usable}" if usable == cores else f"{usable} of {cores}, as this process is bound"
    if found["quota"]:
        text += f", for {found['quota']:g} cores' time, by its container's limit"
    yield "cores", text


def _vectors(found: Facts | None, facts: Facts) -> Iterator[tuple[str, str]]:
    widest = facts["processor"].get("widest")
    if found is None:
        has = f"; the processor has {widest}" if widest else ""
        yield "vector unit", f"only Numba's kernels choose one{has}"
        return
    text = f"{found['name']}, {found['bits']} bits"
    if found["given"]:
        text += f", by MINICNN_SIMD={found['given']}"
    if widest and found["key"]:
        same = found["key"] == widest
        text += ", the widest there is" if same else f"; the processor has {widest}"
    yield "vector unit", text


def _load(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    parts = []
    if found["others"] is not None:
        parts.append(f"other processes kept {found['others']:.1f} cores busy just now")
    if found["average"] is not None:
        parts.append(f"load average {found['average']:.1f} over the last minute")
    yield "busy", "; ".join(parts) or "unknown on this system"


def _backend(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    version = version_of(facts, "numba")
    if not found["numba_installed"]:
        numba = "Numba is not installed"
    elif found["numba_error"]:
        numba = f"Numba {version} is installed but does not work: {found['numba_error']}"
    elif isinstance((facts["measured"] or {}).get("gflops"), dict):
        numba = f"Numba {version} is installed, but a kernel did not run"
    else:
        numba = f"Numba {version} is installed and works"
    chosen = f"MINICNN_BACKEND={found['given']}; " if found["given"] else ""
    if "error" in found:
        yield "backend", f"none: {found['error']}; {numba}"
    else:
        yield "backend", f"{found['name']} ({chosen}{numba})"


def _threads(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    count: int = found["count"]
    why = "MINICNN_THREADS" if found["given"] else "all cores; MINICNN_THREADS changes it"
    if facts["backend"].get("name") == "numba":
        helpers = f"{count - 1} helper{'s' if count > 2 else ''}"
        how = f"the caller and {helpers}, minicnn's own team" if count > 1 else "the caller alone"
    else:
        how = "a pool that shares a batch's pieces" if count > 1 else "the caller alone"
    yield "threads", f"{count} ({why}): {how}"


def _blas(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    for library in found["libraries"]:
        parts = [" ".join(filter(None, (library["library"], library["version"])))]
        if library["architecture"]:
            by = f" by {VARIABLE}" if found["core_type"] else ""
            parts.append(f"{library['architecture']} kernels{by}")
        if library["threads"]:
            kind = f" ({library['threading']})" if library["threading"] else ""
            plural = "s" if library["threads"] > 1 else ""
            parts.append(f"{library['threads']} thread{plural}{kind}")
        yield "BLAS", ", ".join(parts)
    yield "", "called by the NumPy backend and by algorithm im2col only, on one thread a piece"


def _measured(found: Facts | None, facts: Facts) -> Iterator[tuple[str, str]]:
    if found is None:
        yield "", "nothing (--no-measure)"
        return
    threads = facts["threads"].get("count", "all")
    names = {
        "gflops": ("multiply-adds", f"GFLOP/s at most, float32, {threads} threads"),
        "gbytes": ("memory", f"GB/s, {threads} threads"),
        "product_gflops": ("BLAS", f"GFLOP/s, a matrix product on each of {threads} threads"),
    }
    for key, (name, unit) in names.items():
        value = found[key]
        if isinstance(value, dict):
            yield name, f"could not be measured: {value['error']}"
        elif value is not None:
            yield name, f"{value:,.0f} {unit}"
    compared = found["core_types"]
    if isinstance(compared, dict):
        yield "BLAS kernels", f"could not be compared: {compared['error']}"
    for entry in compared if isinstance(compared, list) else []:
        setting = f"={entry['core_type']}" if entry["core_type"] else " not set"
        yield (
            "BLAS kernels",
            f"{entry['gflops']:,.0f} GFLOP/s on one thread with {VARIABLE}{setting}: "
            f"{entry['architecture']}, {entry['gain']:.2f} ×",
        )


def _kernel_cache(found: Facts | None, facts: Facts) -> Iterator[tuple[str, str]]:
    if found is None:
        yield "kernels", "none: only Numba's kernels are compiled"
        return
    if not found["folder"]:
        yield "kernels", f"nowhere: {found['why_not']}"
        return
    yield "kernels", found["folder"]
    old, count = found["older_than_sources"], found["kernels"]
    if not count:
        state = "cold (empty)"
    elif old == count:
        state = f"probably cold: all {count:,} kernels are older than the sources"
    else:
        state = f"warm: {count - old:,} kernels" + (
            f", and {old:,} older than the sources" if old else ""
        )
    size = f", {found['mib']:,.1f} MiB" if count else ""
    writable = "can be written" if found["writable"] else f"can't be written: {found['why_not']}"
    yield "", f"{state}{size}; {writable}"
    if old == count:
        yield "", "a first run compiles what it needs, which takes some seconds"
    if found["given"] and not found["folder"].startswith(found["given"]):
        yield "", f"not in NUMBA_CACHE_DIR={found['given']}, which can't be written"
    yield "", "to move it, set NUMBA_CACHE_DIR; to empty it, delete its *.nbi and *.nbc files"


def _data_cache(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    yield "data", found["folder"]
    if found["exists"]:
        state = f"{found['files']:,} files, {found['mib']:,.1f} MiB" if found["files"] else "empty"
    else:
        state = "not made yet"
    writable = "can be written" if found["writable"] else f"can't be written: {found['why_not']}"
    yield "", f"{state}; {writable}; to move it, set MINICNN_DATA"


def _extras(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    for extra in found["list"]:
        missing = ", ".join(extra["missing"])
        purpose = extra["purpose"] or ", ".join(extra["needs"])
        yield (
            extra["name"],
            f"missing: {extra['command']} ({extra['purpose'] or f'for {missing}'})"
            if missing
            else f"there ({purpose})",
        )


def _versions(found: Facts, facts: Facts) -> Iterator[tuple[str, str]]:
    python = f"Python {found['python']}"
    others = [f"{name} {v}" for name, v in found.items() if v and name != "python"]
    yield "versions", ", ".join([python, *others])


def _settings(found: dict[str, str], facts: Facts) -> Iterator[tuple[str, str]]:
    yield "settings", " ".join(f"{name}={text}" for name, text in found.items()) or "none"


def version_of(facts: Facts, package: str) -> str:
    """The version of a package, or as little as is known of it."""
    return facts["versions"].get(package) or "(version unknown)"
