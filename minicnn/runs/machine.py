"""The machine: for run.json, the benchmarks and the doctor."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "llvmlite", "pillow", "matplotlib", "safetensors", "rich", "pooch")


def describe() -> dict[str, Any]:
    """Processor, operating system, and the versions of the packages that minicnn needs."""
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in ("minicnn", *PACKAGES)},
    }


def processor() -> str:
    """The processor's name, as far as the operating system knows it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def peak_memory_mib() -> float | None:
    """The peak memory of this process, in MiB; None if the system doesn't report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Processors' worth of time that the container may use, e.g. 1.5; None: no limit.

    It is the smallest quota of this process's control groups (Linux, version 2), up to the root
    group.

    Args:
        root: the folder that holds `proc` and `sys`.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return None
    paths = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    groups = [group for path in paths for group in (Path(path), *Path(path).parents)]
    found = [_quota(root / "sys/fs/cgroup" / group) for group in groups]
    return min((quota for quota in found if quota is not None), default=None)


def cpu_features() -> frozenset[str]:
    """The processor's features by Linux's names, such as "avx2"; empty on other systems."""
    return frozenset(_cpuinfo("flags", "Features").split())


class OtherLoad:
    """How many cores other processes kept busy since this object was made (Linux only).

    On a busy machine, measurements mean little: threads that wait for each other lose far more
    time than the other processes take.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter(), _all_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Processor seconds that others used per second; None if unknown."""
        begun, before, own = self._begun
        after = _all_seconds()
        if before is None or after is None:
            return None
        used = after - before - (_own_seconds() - own)
        return round(max(used, 0.0) / (time.perf_counter() - begun), 2)


def _cpuinfo(*names: str) -> str:
    """The first value of one of these names in Linux's list of processors, or ""."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() in names:
                return value.strip()
    return ""


def _all_seconds() -> float | None:
    """Processor time of all processes on all cores, in seconds."""
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            _, user, nice, system, _idle, _wait, *rest = file.readline().split()
        ticks = sum(map(int, (user, nice, system, *rest[:3])))  # with interrupts and steal time
    except (OSError, ValueError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])  # with children that have ended


def _quota(group: Path) -> float | None:
    """The limit of one control group, in cores."""
    try:
        # "200000 100000", or "max 100000"
        quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no quota, or it cannot be read
        return None


def version_of(package: str) -> str | None:
    """Its installed version; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
