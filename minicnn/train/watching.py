"""Pausing and stopping a run: Ctrl-C, and with --visor a page.

The page is a separate process. It reads what the run writes into its folder (mainly
callbacks/live.py) and sends its commands over a pipe, as lines of JSON. So the page cannot disturb
training, and training never waits for it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from .. import runs
from ..callbacks import LiveLog, RemoteControl, StopOnInterrupt
from ..strict_json import object_from_json

PACKAGES = "starlette", "uvicorn", "plotly"
SECONDS = 20.0  # to wait for its link at most; it usually takes one second
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
    """The callbacks that log a run for the page, and that pause and stop it."""

    def __init__(self, folder: Path) -> None:
        self.live = LiveLog(folder / runs.LIVE)
        self.interrupt = StopOnInterrupt()
        self.control = RemoteControl(self.live.say, lambda: self.interrupt.interrupted)


class Visor:
    """The process that shows the page.

    Args:
        folder: of the run; its run.json is there.
        control: gets the page's commands.
    """

    def __init__(self, folder: Path, control: RemoteControl) -> None:
        self._control = control
        self._answered = threading.Event()
        self._link = ""
        self._ended = False
        command = [sys.executable, "-m", "minicnn.visor", "--attached", str(folder)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closed when this process ends, so that the page ends too
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C goes to this process only
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self._answered.wait(SECONDS)
        if self._link:
            print(f"Watch it: {self._link}", flush=True)
        else:
            print("The page did not start; training continues without it.")

    def stay(self) -> None:
        """Wait until Ctrl-C, or until the page ends."""
        if not self._link or self._process.poll() is not None:
            return
        print(f"\nThe page stays open: {self._link} (Ctrl-C ends it)", flush=True)
        with suppress(KeyboardInterrupt):
            self._process.wait()

    def end(self) -> None:
        """Close the page."""
        self._ended = True
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        """In a thread: read the page's messages until it ends."""
        assert self._process.stdout is not None
        control = self._control
        commands = {
            "pause": control.pause,
            "continue": control.go_on,
            "stop": lambda: control.stop(STOPPED),
        }
        for line in self._process.stdout:
            try:
                message = object_from_json(line)
            except ValueError:
                continue  # printed by a library
            if "link" in message:
                self._link = str(message["link"])
                self._answered.set()
            if (command := commands.get(str(message.get("command")))) is not None:
                command()
        self._answered.set()
        self._control.go_on()  # a paused run could not be continued any more
        if self._link and not self._ended:
            print("\nThe page has ended; training continues.")
