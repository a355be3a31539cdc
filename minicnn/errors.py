"""The errors and the warning that minicnn adds to Python's own."""


class DataError(ValueError):
    """A file, sheet, label or download is not what it should be.

    The message says what was expected, what came, and what to do.
    """


class ModelError(ValueError):
    """A saved model or checkpoint cannot be read, or belongs to something else."""


class CallbackError(RuntimeError):
    """A callback raised while training; the message names it, its hook and what it raised."""


class RunWarning(RuntimeWarning):
    """Training goes on, but something that it should have left behind could not be written, or
    its numbers look ill."""
