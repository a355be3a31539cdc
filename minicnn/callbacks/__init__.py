"""What watches a training run, and may end it: five hooks, each with the one `State`."""

from .base import Callback, LambdaCallback, State
from .history import History
from .interrupt import StopOnInterrupt
from .logs import CSVLogger
from .plots import PlotMetrics
from .progress import ProgressBar
from .stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "PlotMetrics",
    "ProgressBar",
    "State",
    "StopOnInterrupt",
    "TerminateOnNaN",
]
