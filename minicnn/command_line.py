"""Options that several commands share."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import kernels


def add_data(p: argparse.ArgumentParser, default: str | None) -> None:
    """Which sheet, and how it is split; required where there is no default."""
    data = p.add_argument_group("data")
    data.add_argument(
        "--data",
        default=default,
        required=default is None,
        metavar="NAME|FOLDER",
        help=f"sample (12,000 MNIST digits, shipped with minicnn{'; default' if default else ''}), "
        "mnist, fashion, or a folder that holds a sheet and its labels",
    )
    data.add_argument(
        "--split",
        type=split,
        help="standard (default), tutorial, the training share (0.8), or its number (55000)",
    )
    data.add_argument("--data-dir", metavar="DIR", help="where downloads are kept (MINICNN_DATA)")
    data.add_argument("--mirror", metavar="URL", help="base URL of a mirror of the official files")


def add_model(p: argparse.ArgumentParser) -> None:
    """Which saved model."""
    p.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="a model or checkpoint (.safetensors), or the folder of a run",
    )


def add_kernels(group: argparse._ActionsContainer, backend: str = "numba if there") -> None:
    """Who computes; `backend` says what the default is."""
    group.add_argument("--backend", choices=kernels.backend.MODULES, help=f"default: {backend}")
    group.add_argument("--threads", type=positive, help="default: all processors")


@contextmanager
def chosen_kernels(options: argparse.Namespace, default: str | None) -> Iterator[None]:
    """Compute as --backend and --threads say, else MINICNN_BACKEND, else by `default` (None:
    Numba where it is installed), until the block ends."""
    backend = options.backend or (None if "MINICNN_BACKEND" in os.environ else default)
    threads = kernels.get_threads()
    with kernels.use_backend(backend):
        kernels.set_threads(options.threads or threads)
        try:
            yield
        finally:
            kernels.set_threads(threads)


def bear_any_text() -> None:
    """A file or a class may be called what the terminal can't show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Whoever reads what is printed in the block may have seen enough (`| head -1`): it ends there,
    without an error, and what is printed later goes nowhere."""
    try:
        yield
        sys.stdout.flush()  # at the interpreter's exit it would be too late
    except BrokenPipeError:
        _write_nowhere()
    except SystemExit as error:  # which rich makes of it
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _write_nowhere()


def _write_nowhere() -> None:
    """Or the interpreter would try once more, at its exit, to write what could not be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def split(text: str) -> str | float | int:
    """The value of --split."""
    if text in ("standard", "tutorial"):
        return text
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected standard, tutorial, a share such as 0.8 or a number, received {text!r}"
        ) from None


def whole(text: str, minimum: int) -> int:
    """A whole number, as typed; argparse shows the message of what isn't one."""
    if not (text.isascii() and text.isdecimal()) or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number >= {minimum}, received {text!r}")
    return int(text)


def positive(text: str) -> int:
    """A whole number >= 1."""
    return whole(text, 1)
