"""What the commands share: options, error handling, exit codes."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import kernels
from .errors import CallbackError
from .version import __version__


def command_parser(
    name: str,
    description: str,
    epilog: str,
    kind: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """A parser for `python -m minicnn.NAME`, with --version; the texts keep their line breaks."""
    p = kind(
        prog=f"python -m minicnn.{name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--version", action="version", version=f"minicnn {__version__}")
    return p


def add_data(p: argparse.ArgumentParser, default: str | None) -> None:
    """Which sheet, and how it is split; --data is required if there is no default."""
    data = p.add_argument_group("data")
    data.add_argument(
        "--data",
        default=default,
        required=default is None,
        metavar="NAME|FOLDER",
        help=f"sample (12,000 MNIST digits, shipped with minicnn{'; default' if default else ''}), "
        "mnist, fashion, or a folder with a sheet and its labels",
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


def add_kernels(group: argparse._ActionsContainer, backend: str = "numba if installed") -> None:
    """--backend and --threads; `backend` names the default in the help."""
    group.add_argument("--backend", choices=kernels.backend.MODULES, help=f"default: {backend}")
    group.add_argument("--threads", type=positive, help="default: all processors")


@contextmanager
def chosen_kernels(options: argparse.Namespace, default: str | None) -> Iterator[None]:
    """Within the block, use --backend, else MINICNN_BACKEND, else `default` (None: Numba if it is
    installed), and --threads."""
    backend = options.backend or (None if "MINICNN_BACKEND" in os.environ else default)
    threads = kernels.get_threads()
    with kernels.use_backend(backend):
        kernels.set_threads(options.threads or threads)
        try:
            yield
        finally:
            kernels.set_threads(threads)


def run_command(
    name: str,
    work: Callable[[], int | None],
    *,
    interrupted: str = "Interrupted.",
    broken_pipe: int = 0,
) -> int:
    """Run the work of a command, and turn its errors into a line on stderr.

    Args:
        name: of the command, for the message.
        work: returns the exit code; None means 0.
        interrupted: printed after Ctrl-C.
        broken_pipe: the exit code if the program that reads the output ends early (`| head -1`).

    Returns:
        The exit code: that of `work`; 2 after an error; 130 after Ctrl-C; `broken_pipe`.
    """
    escape_unprintable()
    try:
        with ignore_broken_pipe():
            return work() or 0
    except (ValueError, ImportError, OSError, CallbackError) as error:
        print(f"{name}: {str(error).replace(chr(10), ' ')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        return 130
    if broken_pipe:
        print(f"{name}: the reader of the output has ended", file=sys.stderr)
    return broken_pipe


def escape_unprintable() -> None:
    """Print characters that the terminal cannot show, e.g. in file names, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def ignore_broken_pipe() -> Iterator[None]:
    """End the block without an error when the program that reads the output has ended; discard
    what is printed later."""
    try:
        yield
        sys.stdout.flush()  # the flush at the interpreter's exit would be too late
    except BrokenPipeError:
        _discard_output()
    except SystemExit as error:  # rich turns BrokenPipeError into it
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _discard_output()


def _discard_output() -> None:
    """Redirect broken streams to the null device: the interpreter flushes them at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(null, stream.fileno())
    os.close(null)


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
    """A whole number on the command line; argparse prints the error."""
    if not (text.isascii() and text.isdecimal()) or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number >= {minimum}, received {text!r}")
    return int(text)


def positive(text: str) -> int:
    """A whole number >= 1."""
    return whole(text, 1)
