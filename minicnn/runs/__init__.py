"""The run folder: what a training run writes, and how it is read again."""

from .evaluation import ClassRow, Evaluation, by_class, measure
from .folder import (
    CHECKPOINTS,
    CONFUSION,
    CONTENTS,
    FILTERS,
    HISTORY_CSV,
    HISTORY_PNG,
    LAYERS,
    LIVE,
    MISTAKES,
    MODEL,
    REPORT,
    RUN,
    TENSORBOARD,
    given_folder,
    hold,
    new_folder,
    remove_if_empty,
)
from .models import find_model, find_models
from .pictures import draw, first_filters
from .record import Record, read_record, write_json
from .stopwatch import Stopwatch

__all__ = [
    "CHECKPOINTS",
    "CONFUSION",
    "CONTENTS",
    "FILTERS",
    "HISTORY_CSV",
    "HISTORY_PNG",
    "LAYERS",
    "LIVE",
    "MISTAKES",
    "MODEL",
    "REPORT",
    "RUN",
    "TENSORBOARD",
    "ClassRow",
    "Evaluation",
    "Record",
    "Stopwatch",
    "by_class",
    "draw",
    "find_model",
    "find_models",
    "first_filters",
    "given_folder",
    "hold",
    "measure",
    "new_folder",
    "read_record",
    "remove_if_empty",
    "write_json",
]
