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
from ..command_line import command_parser, run_command
from ..data.locate import in_folder
from ..data.sources import OFFICIAL

EPILOG = """\
examples:
  python -m minicnn.visor                                     the newest run in runs/
  python -m minicnn.visor runs/2026-01-31_120000-course       a run, also while it trains
  python -m minicnn.visor digits.safetensors --data mnist     a model, tested on all of MNIST
  python -m minicnn.train --visor                             train, and watch it

Only this machine can open the page, unless --host names another address: then anyone with the link
and its token can use it, and the traffic is not encrypted (plain HTTP). Ctrl-C ends it.
Exit code: 0; 2 for bad input.
"""
MISSING = """\
the visor needs the packages of its extra: pip install "minicnn[visor]" ({error})"""
DRAWINGS = Path("drawings")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; returns the exit code, see the help."""
    options = parser().parse_args(argv)
    kernels.set_threads(1)  # leave the other processors to a run that is training

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
    from .app import LOCAL, create_app
    from .subject import Subject

    subject = Subject(
        options.subject or newest_run(Path("runs")),
        options.data,
        send_command if options.attached else None,
    )
    if options.data is not None:
        check_data(options.data)
    with server.listen(options.host, options.port) as listener:
        is_local = server.is_loopback(listener)
        token = None if is_local else secrets.token_urlsafe(24)
        hosts = {*LOCAL, options.host.lower(), listener.getsockname()[0]} if is_local else ()
        app = create_app(subject, options.drawings, hosts, token)
        link = server.link(listener, token)
        running = server.Server(app, lambda: _ready(options, subject.name, link))
        if options.attached:
            threading.Thread(target=_end_with_stdin, args=[running.end], daemon=True).start()
        running.run(sockets=[listener])


def newest_run(folder: Path) -> Path:
    """The run in `folder` that started or resumed last.

    Raises:
        FileNotFoundError: there is none.
    """
    found = []
    for path in folder.glob(f"*/{runs.RUN}"):
        with suppress(OSError):  # just deleted
            found.append((path.stat().st_mtime, path.parent))
    if not found:
        raise FileNotFoundError(
            f"expected a run in {folder}/, but there is none; train one: "
            "python -m minicnn.train --visor, or name a run or a model"
        )
    return max(found)[1]


def check_data(name: str) -> None:
    """Check that the data exists, without reading or downloading it.

    Raises:
        DataError: neither a known name nor a folder with a sheet.
    """
    if name not in ("sample", *OFFICIAL):
        in_folder(Path(name).expanduser())


def _ready(options: argparse.Namespace, name: str, link: str) -> None:
    if options.attached:
        _write(json.dumps({"link": link}))
    else:
        text = f"The visor shows {name} at {link}"
        if "?token=" in link:
            text += "\nAnyone with this link and its token can use the page."
        with suppress(OSError):  # the output is closed
            _write(f"{text}\nCtrl-C ends it.")
    if options.browser:
        threading.Thread(target=open_browser, args=[link], daemon=True).start()


def open_browser(link: str) -> None:
    """Open `link` if there is a screen: a text browser would take over the terminal."""
    if sys.platform.startswith(("linux", "freebsd")):
        if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
            return
    webbrowser.open(link)


# The training process starts the visor with --attached and reads its output: a line of JSON with
# the link, and one for each command from the page. The visor's input closes when it ends.


def send_command(word: str) -> None:
    """Send "pause", "continue" or "stop" to the training process.

    Raises:
        OSError: the pipe is closed.
    """
    _write(json.dumps({"command": word}))


def _write(text: str) -> None:
    """One whole line; safe from any thread."""
    with _write_lock:
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except OSError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - else Python reports an error at exit
            raise


_write_lock = threading.Lock()


def _end_with_stdin(end: Callable[[], None]) -> None:
    """Call `end` when the input closes. Not with sys.stdin: a thread must not hold it at exit."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    end()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    description = "A page to watch a run, evaluate a model, draw a digit and look inside."
    p = command_parser("visor", description, EPILOG)
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
        help="for a model, the test data (default: the sample); for a run, the folder its data has "
        "moved to",
    )
    p.add_argument(
        "--drawings",
        type=Path,
        default=DRAWINGS,
        metavar="DIR",
        help="folder for saved drawings, a sheet to train on; default: %(default)s/",
    )
    p.add_argument("--host", default="127.0.0.1", help="address to listen on; default: %(default)s")
    p.add_argument("--port", type=_port, help="default: 8028; if it is in use, the next free one")
    p.add_argument("--no-browser", dest="browser", action="store_false", help="only print the link")
    p.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    return p


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, received {text!r}")
    return int(text)
