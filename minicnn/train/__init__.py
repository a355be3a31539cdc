"""python -m minicnn.train: options → data → model → fit → run folder."""

from .command import main

__all__ = ["main"]
