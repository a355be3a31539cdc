"""python -m minicnn.report: a run folder as one page that needs nothing else."""

from .command import main

__all__ = ["main"]
