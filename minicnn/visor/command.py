"""The command: python -m minicnn.visor."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .. import kernels, runs
from ..command_line import run_command
from ..data.locate import in_folder
from ..data.sources import OFFICIAL
from ..version import __version__

EPILOG = """\
examples:
  python -m minicnn.visor                                     the newest run in runs/
  python -m minicnn.visor runs/2026-01-31_120000-course       a run, also while it trains
  python -m minicnn.visor digits.safetensors --data mnist     a model, tested on all of MNIST
  python -m minicnn.train --visor                             train, and watch it

The page is for this machine alone, unless --host names another address: then whoever has the link
with its token may use it, and everybody on the way can read along (it is plain HTTP). Ctrl-C ends
it. Exit code: 0; 2 for bad input.
"""
MISSING = """\
the visor needs the packages of its extra: pip install "minicnn[visor]" ({error})"""
DRAWINGS = Path("drawings")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; returns the exit code, see the help."""
    options = parser().parse_args(argv)
    kernels.set_threads(1)  # more would take time from a run that trains beside the page

    def work() -> None:
        try:
            # Ctrl-C before the server runs; the server handles it itself
            with kernels.use_backend("numpy"), suppress(KeyboardInterrupt):
                _serve(options)
        except ImportError as error:
            raise ImportError(MISSING.format(error=error)) from error

    return run_command("minicnn.visor", work)


def _serve(options: argparse.Namespace) -> None:
    from . import server
    from .app import HERE, create_app
    from .subject import Subject

    subject = Subject(
        options.subject or newest_run(Path("runs")),
        options.data,
        _command if options.attached else None,
    )
    if options.data is not None:
        check_data(options.data)
    with server.listen(options.host, options.port) as listener:
        here = server.is_here(listener)
        token = None if here else secrets.token_urlsafe(24)
        names = {*HERE, options.host.lower(), listener.getsockname()[0]} if here else ()
        app = create_app(subject, options.drawings, names, token)
        link = server.link(listener, token)
        running = server.Server(app, lambda: _ready(options, subject.name, link))
        if options.attached:
            threading.Thread(target=_until_alone, args=[running.end], daemon=True).start()
        running.run(sockets=[listener])


def newest_run(folder: Path) -> Path:
    """The run in `folder` that was begun, or went on, last.

    Raises:
        FileNotFoundError: there is none.
    """
    found = []
    for path in folder.glob(f"*/{runs.RUN}"):
        with suppress(OSError):  # it has just been removed
            found.append((path.stat().st_mtime, path.parent))
    if not found:
        raise FileNotFoundError(
            f"expected a run in {folder}/, but there is none; train one: "
            "python -m minicnn.train --visor, or name a run or a model"
        )
    return max(found)[1]


def check_data(name: str) -> None:
    """Whether there is such a sheet: the page would tell that much later. None is read or fetched.

    Raises:
        DataError: it is neither a known name nor a folder that holds a sheet.
    """
    if name not in ("sample", *OFFICIAL):
        in_folder(Path(name).expanduser())


def _ready(options: argparse.Namespace, name: str, link: str) -> None:
    if options.attached:
        _tell({"link": link})
    else:
        text = f"The visor shows {name} at {link}"
        if "?token=" in link:
            text += "\nWhoever has this whole link can use it; without its token nobody can."
        _say(f"{text}\nCtrl-C ends it.")
    if options.browser:
        threading.Thread(target=open_browser, args=[link], daemon=True).start()


def open_browser(link: str) -> None:
    """Show `link`, where there is a screen; a browser for the terminal would take that over."""
    if sys.platform.startswith(("linux", "freebsd")):
        if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
            return
    webbrowser.open(link)


# The command line that trains starts this one with --attached, and listens to its output: a line
# of JSON for the link, and one for each word from the page. Its own end closes our input.


def _command(word: str) -> None:
    _tell({"command": word})


def _tell(value: dict[str, str]) -> None:
    """Raises OSError if nobody listens any more."""
    _write(json.dumps(value))


def _say(text: str) -> None:
    """To nobody, if nobody listens any more."""
    with suppress(OSError):
        _write(text)


def _write(text: str) -> None:
    """A whole line at once, from whatever thread."""
    with _saying:
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except OSError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or Python complains at its end
            raise


_saying = threading.Lock()


def _until_alone(end: Callable[[], None]) -> None:
    """Wait until our input ends; not by sys.stdin, which a thread must not hold at Python's end."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    end()


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    p = argparse.ArgumentParser(
        prog="python -m minicnn.visor",
        description="A page about a run or a model: watch it learn, measure it, draw a digit, look "
        "inside.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "subject",
        type=Path,
        nargs="?",
        metavar="RUN|MODEL",
        help="a run folder, or a model or checkpoint (.safetensors); default: the newest in runs/",
    )
    p.add_argument(
        "--data",
        metavar="NAME|FOLDER",
        help="for a model, the sheet to test on (default: the sample); for a run, where its own "
        "sheet lies now",
    )
    p.add_argument(
        "--drawings",
        type=Path,
        default=DRAWINGS,
        metavar="DIR",
        help="where drawings are kept, as a sheet to train on; default: %(default)s/",
    )
    p.add_argument("--host", default="127.0.0.1", help="address to listen at; default: %(default)s")
    p.add_argument("--port", type=_port, help="default: 8028; where it is taken, the next free one")
    p.add_argument(
        "--no-browser", dest="browser", action="store_false", help="print the link, no more"
    )
    p.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--version", action="version", version=f"minicnn {__version__}")
    return p


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, received {text!r}")
    return int(text)
