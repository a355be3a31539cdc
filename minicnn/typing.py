"""Type aliases shared by the whole package."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""A float32 or float64 array, unless its docstring says otherwise."""

Shape = tuple[int, ...]
"""A shape without the batch axis, e.g. (28, 28, 1)."""

FloatDType = np.dtype[Any]
"""numpy.dtype("float32") or numpy.dtype("float64")."""

DType = np.dtype[Any] | type[np.floating[Any]] | str
