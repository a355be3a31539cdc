"""The two errors that minicnn adds to Python's own."""


class DataError(ValueError):
    """A file, sheet, label or download is not what it should be.

    The message says what was expected, what came, and what to do.
    """


class ModelError(ValueError):
    """A saved model or checkpoint cannot be read, or belongs to something else."""
