"""What this ran on: for run.json, the benchmarks and the doctor."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "llvmlite", "pillow", "matplotlib", "safetensors", "rich", "pooch")


def describe() -> dict[str, Any]:
    """Processor, operating system, and the versions of what the package stands on."""
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("minicnn", *PACKAGES)},
    }


def processor() -> str:
    """The processor's name, as well as the operating system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1] for line in file if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return (names[0] if names else platform.processor() or platform.machine()).strip()


def peak_memory_mib() -> float | None:
    """The most memory this process has held so far, in MiB; None where it can't be told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def usable_cpus() -> int:
    """Cores that this process may run on: all, or fewer by its affinity (taskset, a container)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Seconds of processor time for each second, as a container allows; None: as many as it likes.

    Args:
        root: where `proc` and `sys` are. Linux's control groups are read, version 1 and 2, up to
            the top: the least counts.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return None
    groups = root / "sys/fs/cgroup"
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts = [groups, groups / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [groups / "cpu", groups / controllers]
        else:
            continue
        parts = [part for part in path.split("/") if part]
        depths = range(len(parts) + 1)
        found += [_quota(mount.joinpath(*parts[:depth])) for mount in mounts for depth in depths]
    return min((quota for quota in found if quota is not None), default=None)


def cpu_features() -> frozenset[str]:
    """What the processor can, by Linux's names for it, such as "avx2"; empty if unknown."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                name, _, words = line.partition(":")
                if name.strip() in ("flags", "Features"):
                    return frozenset(words.split())
    except OSError:  # not Linux: NumPy looks at the processor as well, under names of its own
        pass
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            known = importlib.import_module(name).__cpu_features__
        except (ImportError, AttributeError):
            continue
        names = {feature.lower() for feature, there in known.items() if there}
        skylake = {f"avx512{part}" for part in ("f", "cd", "bw", "dq", "vl")}
        names |= skylake if "avx512_skx" in names else set()
        return frozenset(names | ({"fma"} if "fma3" in names else set()))
    return frozenset()


class Bystanders:
    """How many cores other processes kept busy since this was made (Linux; elsewhere unknown).

    On a busy machine figures mean little, and threads that wait for each other lose far more than
    the share of time that is taken from them.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter(), _all_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Seconds of processor time that others used for each second that passed."""
        begun, before, own = self._begun
        after = _all_seconds()
        if before is None or after is None:
            return None
        used = after - before - (_own_seconds() - own)
        return round(max(used, 0.0) / (time.perf_counter() - begun), 2)


def _all_seconds() -> float | None:
    """Processor time of all processes, by all cores, in seconds."""
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            _, user, nice, system, _idle, _wait, *rest = file.readline().split()
        ticks = sum(map(int, (user, nice, system, *rest[:3])))  # interrupts, and what hosts take
    except (OSError, ValueError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])  # with those of children that have ended


def _quota(group: Path) -> float | None:
    """The limit of one control group, in cores."""
    try:
        if (group / "cpu.max").exists():  # version 2: "200000 100000", or "max 100000"
            quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8").strip()
                for name in ("quota", "period")
            )
        return int(quota) / int(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):  # there is none, or none that can be read
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
