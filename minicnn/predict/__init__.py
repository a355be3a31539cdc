"""python -m minicnn.predict: which class each picture shows."""

from .command import main

__all__ = ["main"]
