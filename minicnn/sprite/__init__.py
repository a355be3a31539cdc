"""python -m minicnn.sprite: build sprite sheets, and look into them."""

from .command import main

__all__ = ["main"]
