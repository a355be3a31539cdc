"""The sprite loader: one PNG that holds all images, and a file of one-hot labels."""

from minicnn.data.mnist import Batch, MnistData
from minicnn.data.scaled import ScaledImages

__all__ = ["Batch", "MnistData", "ScaledImages"]
