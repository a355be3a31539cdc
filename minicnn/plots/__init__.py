"""Figures of training, of predictions, of a network's inside, and of how a convolution is computed.

Every function takes plain arrays and returns a new `matplotlib.figure.Figure`, without pyplot (no
windows, no list of open figures). `save` writes one.
"""

from .activation import activation_maps
from .compare import compare
from .confusion import confusion_matrix, per_class_accuracy
from .curves import history
from .diagram import model_diagram
from .distributions import layer_histograms, values_distribution
from .filters import filters
from .images import mistakes, samples
from .maps import occlusion, saliency
from .patches import patch_matrix
from .seen import seen
from .style import save

__all__ = [
    "activation_maps",
    "compare",
    "confusion_matrix",
    "filters",
    "history",
    "layer_histograms",
    "mistakes",
    "model_diagram",
    "occlusion",
    "patch_matrix",
    "per_class_accuracy",
    "saliency",
    "samples",
    "save",
    "seen",
    "values_distribution",
]
