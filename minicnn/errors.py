"""The errors and the warning that minicnn adds to Python's own."""


class DataError(ValueError):
    """A file, sheet, label or download is missing, damaged or of the wrong kind.

    The message says what was expected, what was received, and what to do.
    """


class ModelError(ValueError):
    """A saved model or checkpoint cannot be read, or is of another model or run."""


class CallbackError(RuntimeError):
    """A callback raised an error; the message names the callback, its hook and the error."""


class RunWarning(RuntimeWarning):
    """Training continues, but a file could not be written, or its numbers look wrong."""
