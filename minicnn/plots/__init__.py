"""Figures of a training run: curves, confusion matrix, mistakes, samples, filters.

Every function takes plain arrays and returns a `matplotlib.figure.Figure` that belongs to nobody
else: pyplot, its windows and its memory of figures stay out of it. `save` writes one.
"""

from .confusion import confusion_matrix
from .curves import history
from .filters import filters
from .images import mistakes, samples
from .style import save

__all__ = ["confusion_matrix", "filters", "history", "mistakes", "samples", "save"]
