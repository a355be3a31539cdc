"""python -m minicnn.predict: the class of each picture."""

from .command import main

__all__ = ["main"]
