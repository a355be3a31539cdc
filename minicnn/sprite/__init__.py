"""python -m minicnn.sprite: build and show sprite sheets."""

from .command import main

__all__ = ["main"]
