"""Who watches a run, and may have it wait or stop: Ctrl-C, and with --visor a page.

The page is a process of its own. It reads what the run writes into its folder (callbacks/live.py
above all); what it has to say comes back over a pipe, as lines of JSON. So nothing that happens to
the page reaches training, and training waits for it nowhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from .. import runs
from ..callbacks import LiveLog, RemoteControl, StopOnInterrupt

PACKAGES = "starlette", "uvicorn", "plotly"
SECONDS = 20.0  # to wait for its link, at most; it takes one
STOPPED = "stopped on the page"


def check_installed() -> None:
    """
    Raises:
        ImportError: the visor's packages are missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"--visor: expected the packages of the extra visor, but {', '.join(missing)} can't be "
            'found; pip install "minicnn[visor]"'
        )


class Watched:
    """What a run needs in order to be watched: its log, and the ways to interrupt it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.live = LiveLog(folder / runs.LIVE)
        self.interrupt = StopOnInterrupt()
        self.control = RemoteControl(self.live.say, lambda: self.interrupt.interrupted)

    @contextmanager
    def by_visor(self) -> Iterator[Visor]:
        """The page about the run, until the block ends."""
        visor = Visor(self.folder, self.control)
        try:
            yield visor
        finally:
            visor.end()


class Visor:
    """The process that shows the page.

    Args:
        folder: of the run; its run.json is there.
        control: hears what is asked on the page.
    """

    def __init__(self, folder: Path, control: RemoteControl) -> None:
        self._control = control
        self._answered = threading.Event()
        self._link = ""
        self._over = False
        command = [sys.executable, "-m", "minicnn.visor", "--attached", str(folder)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end tells the page that we are gone, however that came
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self._answered.wait(SECONDS)
        if self._link:
            print(f"Watch it: {self._link}", flush=True)
        else:
            print("The page did not start; training goes on without it.")

    def stay(self) -> None:
        """Leave the page open until Ctrl-C, or until it ends by itself."""
        if not self._link or self._process.poll() is not None:
            return
        print(f"\nThe page stays open: {self._link} (Ctrl-C ends it)", flush=True)
        with suppress(KeyboardInterrupt):
            self._process.wait()

    def end(self) -> None:
        """Close the page."""
        self._over = True
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        """In a thread: what the page says, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                told = json.loads(line)
            except (ValueError, RecursionError):
                continue  # something that a library prints
            if not isinstance(told, dict):
                continue
            if "link" in told:
                self._link = str(told["link"])
                self._answered.set()
            self._obey(told.get("command"))
        self._answered.set()
        self._control.go_on()  # nobody could tell it any more
        if self._link and not self._over:
            print("\nThe page has ended; training goes on.")

    def _obey(self, word: object) -> None:
        if word == "pause":
            self._control.pause()
        elif word == "continue":
            self._control.go_on()
        elif word == "stop":
            self._control.stop(STOPPED)
