"""The processor's vector registers, and how many of them a tile uses."""

from __future__ import annotations

import os
import platform
from functools import cache
from typing import NamedTuple

from llvmlite import binding


class Vectors(NamedTuple):
    """The vector unit for which kernels are compiled."""

    name: str
    bytes: int  # in a register
    registers: int

    def most_lanes(self, itemsize: int) -> int:
        """Numbers of `itemsize` bytes in one register."""
        return self.bytes // itemsize

    def lanes(self, count: int, itemsize: int) -> int:
        """The narrowest vector that holds `count` numbers, or the widest one.

        With few channels, narrow vectors leave no lane idle: eight floats are as fast in half an
        AVX-512 register as in a whole one that is half empty.
        """
        lanes = 16 // itemsize
        while lanes < min(count, self.most_lanes(itemsize)):
            lanes *= 2
        return lanes

    @property
    def accumulators(self) -> int:
        """Registers for sums; the others hold factors."""
        return self.registers - 4


UNITS = {
    "avx512": Vectors("AVX-512", 64, 32),
    "avx2": Vectors("AVX2", 32, 16),
    "neon": Vectors("NEON", 16, 32),
    "128": Vectors("128-bit", 16, 16),
}


@cache
def vectors() -> Vectors:
    """The widest unit of this processor, or the one of UNITS that MINICNN_SIMD names.

    Raises:
        ValueError: MINICNN_SIMD is not in UNITS.
    """
    name = os.environ.get("MINICNN_SIMD", "").strip().lower()
    if name:
        if name not in UNITS:
            raise ValueError(f"expected MINICNN_SIMD out of {', '.join(UNITS)}, received {name!r}")
        return UNITS[name]
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return UNITS["avx512"]
    if features.get("avx2") and features.get("fma"):
        return UNITS["avx2"]
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return UNITS["neon" if arm else "128"]


def split_evenly(total: int, most: int) -> tuple[int, int, int]:
    """Cut `total` into as few pieces of at most `most` as possible, nearly equal.

    Returns:
        (count, size, last): count pieces of `size`, and one of `last` (0: there is none).
    """
    pieces = -(-total // most)
    size = -(-total // pieces)
    count, last = divmod(total, size)
    return count, size, last


def largest_divisor(n: int, most: int) -> int:
    """The largest divisor of n that is at most `most` (1 if most < 1)."""
    return max([d for d in range(1, min(n, most) + 1) if n % d == 0], default=1)
