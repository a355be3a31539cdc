"""minicnn: a lightweight CNN written from scratch. NumPy for everything, Numba to be fast.

Train from the shell with `python -m minicnn.train`, or from Python:

    from minicnn import MnistData, Sequential, layers
"""

from . import callbacks, initializers, kernels, layers, losses, metrics, optimizers, schedules
from .augmentation import Augmentation
from .data import MnistData
from .errors import CallbackError, DataError, ModelError, RunWarning
from .kernels import current_backend, get_threads, set_threads, use_backend
from .model import Sequential
from .moved import install as _reject_old_names
from .version import __version__

_reject_old_names()

__all__ = [
    "Augmentation",
    "CallbackError",
    "DataError",
    "MnistData",
    "ModelError",
    "RunWarning",
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
