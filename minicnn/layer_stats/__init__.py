"""Statistics of each layer's weights, gradients and activations, and the file that holds them."""

from .stats_file import read_layer_stats

__all__ = ["read_layer_stats"]
