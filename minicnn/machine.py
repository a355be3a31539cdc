"""What this ran on: for run.json and the benchmarks."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any

PACKAGES = ("numpy", "numba", "pillow", "matplotlib", "safetensors", "rich", "pooch")


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


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
