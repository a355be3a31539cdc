"""minicnn: a lightweight CNN written from scratch. NumPy for everything, Numba to be fast.

Train from the shell with `python -m minicnn.train`, or from Python:

    from minicnn import MnistData, Sequential, layers
"""

from . import callbacks, initializers, kernels, layers, losses, metrics, optimizers, schedules
from .data import MnistData
from .errors import DataError, ModelError
from .kernels import current_backend, get_threads, set_threads, use_backend
from .model import Sequential
from .version import __version__

__all__ = [
    "DataError",
    "MnistData",
    "ModelError",
    "Sequential",
    "__version__",
    "callbacks",
    "current_backend",
    "get_threads",
    "initializers",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "schedules",
    "set_threads",
    "use_backend",
]
