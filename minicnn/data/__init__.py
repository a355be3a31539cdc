"""Sprite sheets: one PNG that holds all images, and a file of one-hot labels."""

from .mnist import Batch, MnistData
from .scaled import ScaledImages

__all__ = ["Batch", "MnistData", "ScaledImages"]
