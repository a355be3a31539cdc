"""python -m minicnn.report: a run folder as one HTML page without other files."""

from .command import main

__all__ = ["main"]
