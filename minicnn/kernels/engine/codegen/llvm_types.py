"""Numba's and LLVM's types in intrinsics: functions that emit LLVM instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite.ir import IRBuilder as Builder
from llvmlite.ir import Value
from numba.core.base import BaseContext as Target
from numba.core.typing import Context, Signature
from numba.types import Type

__all__ = ["Args", "Builder", "Context", "Intrinsic", "Signature", "Target", "Type", "Value"]

Args = Sequence[Value]
Intrinsic = tuple[Signature, Callable[..., Value]]
"""What an intrinsic returns to Numba: its signature, and the function that emits its code."""
