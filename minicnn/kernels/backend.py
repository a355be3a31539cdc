"""The backend: which implementation of the kernels is in use, reference, numpy or numba."""

from __future__ import annotations

import importlib
import os
import warnings
from importlib.util import find_spec
from types import ModuleType, TracebackType

MODULES = {"reference": "reference", "numpy": "numpy_kernels", "numba": "numba_kernels"}

NUMBA_HINT = (
    "Numba is not installed: the NumPy kernels work, but train more slowly. "
    'Get it with: pip install "minicnn[numba]" (or choose backend "numpy" to silence this)'
)

_current: str | None = None  # until the first current_backend()
_loaded: dict[str, ModuleType] = {}


class use_backend:
    """Make `name` ("reference", "numpy", "numba"; None: the default) the current backend.

    As a plain call, until the next call; as a context manager, until the block ends.

    Raises:
        ValueError: an unknown name.
        ImportError: "numba" where Numba is not installed.
    """

    def __init__(self, name: str | None) -> None:
        global _current
        self._previous = _current
        if name is not None:
            module(name)
        _current = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _current
        _current = self._previous


def current_backend() -> str:
    """The backend in use; by default MINICNN_BACKEND, else Numba if it is installed."""
    global _current
    if _current is None:
        _current = _default()
    return _current


def available_backends() -> list[str]:
    """The backends that work here, slowest first."""
    return [name for name in MODULES if name != "numba" or find_spec("numba")]


def module(name: str | None = None) -> ModuleType:
    """The module with the kernels of backend `name` (None: of the current one)."""
    name = current_backend() if name is None else name
    if name in _loaded and name in MODULES:
        return _loaded[name]
    if name not in MODULES:
        raise ValueError(f"expected a backend out of {', '.join(MODULES)}, received {name!r}")
    if name not in available_backends():
        raise ImportError(
            'backend "numba" needs Numba, which is not installed: pip install "minicnn[numba]"'
        )
    _loaded[name] = importlib.import_module(f".{MODULES[name]}", __package__)
    return _loaded[name]


def engine() -> ModuleType:
    """The operations that need Numba; imported at the first call.

    Raises:
        ImportError: Numba is not installed.
    """
    if "engine" not in _loaded:
        module("numba")
        _loaded["engine"] = importlib.import_module(".engine.operations", __package__)
    return _loaded["engine"]


def _default() -> str:
    name = os.environ.get("MINICNN_BACKEND", "").strip().lower()
    if name:
        module(name)
        return name
    if not find_spec("numba"):
        warnings.warn(NUMBA_HINT, stacklevel=4)
        return "numpy"
    try:
        importlib.import_module("numba")
    except ImportError as error:  # for example, it does not support this NumPy yet
        warnings.warn(f"Numba is installed but does not work ({error}): using NumPy", stacklevel=4)
        return "numpy"
    return "numba"
