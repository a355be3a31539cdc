"""python -m minicnn.train: train a network, and write a run folder."""

from .command import main

__all__ = ["main"]
