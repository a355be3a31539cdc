"""What watches a training run, and may end it: five hooks, each with the one `State`."""

from ..hooks import Callback, LambdaCallback, State
from ..layer_stats.stats_file import read_layer_stats
from .averaging import SwapEMA
from .checkpoint import ModelCheckpoint
from .confusion import ConfusionMatrix
from .history import History
from .layer_stats import LayerStats
from .live import LiveLog
from .logs import CSVLogger, JSONLogger
from .plots import PlotMetrics
from .progress import ProgressBar
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .remote import RemoteControl
from .samples import SampleGrid
from .stopping import EarlyStopping, StopOnInterrupt, TerminateOnNaN
from .tensorboard import TensorBoard
from .timer import Timer

__all__ = [
    "CSVLogger",
    "Callback",
    "ConfusionMatrix",
    "EarlyStopping",
    "History",
    "JSONLogger",
    "LambdaCallback",
    "LayerStats",
    "LearningRateScheduler",
    "LiveLog",
    "ModelCheckpoint",
    "PlotMetrics",
    "ProgressBar",
    "ReduceLROnPlateau",
    "RemoteControl",
    "SampleGrid",
    "State",
    "StopOnInterrupt",
    "SwapEMA",
    "TensorBoard",
    "TerminateOnNaN",
    "Timer",
    "read_layer_stats",
]
