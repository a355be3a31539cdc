"""Download a file over HTTP with pooch and requests. Import it lazily: that takes 0.1 s.

pooch makes the folder, writes to a temporary file, renames it, and retries after a failure.
requests (over urllib3) does time-outs, redirects and decompression, detects a truncated body, and
retries by status. This module adds what they can't do:

- a downloader for pooch, with retries by status and limits of size and time;
- a thread, which enforces the total time: a server that sends a byte now and then never reaches
  the socket's time-out, and http.client reads headers and chunk sizes line by line;
- `_Final`: pooch would retry after every error of requests, even a 404;
- one DataError that says what was received and what to do.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pooch
import requests
from requests import exceptions as failures
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.util import Retry

from ..errors import DataError

_LATER = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 30.0  # seconds; the limit of Retry-After
_STATUS = dict.fromkeys(_LATER, ": it is busy or broken") | {
    403: ": it refuses access to the file",
    404: ": the file isn't there",
}
_REASONS = {  # the first match counts; True: another attempt may help
    failures.SSLError: ("the server's certificate isn't valid ({})", False),
    failures.ConnectTimeout: ("no connection: the server doesn't answer", True),
    failures.Timeout: ("the server stopped sending", True),
    failures.ConnectionError: ("no connection ({}): is there a network?", True),
    failures.ChunkedEncodingError: ("the file is truncated: the connection was closed ({})", True),
    failures.ContentDecodingError: ("the file was damaged in transit ({})", True),
    failures.TooManyRedirects: ("the server redirects in a circle ({})", False),
}
_HELP = (
    "Without this server: use a mirror (base_url=), local copies (images= and labels=, or their "
    "folder as the source), or a cache that holds them (--data-dir, cache_dir=, MINICNN_DATA)"
)


@dataclass(frozen=True)
class DownloadLimits:
    """Limits of one download.

    Args:
        connect, read: seconds until the connection is open, and between two pieces of data.
        total: seconds for one file, including all attempts and waits.
        attempts: per file, >= 1.
        max_bytes: size of the largest file that is accepted.
    """

    connect: float = 10.0
    read: float = 20.0
    total: float = 900.0
    attempts: int = 4
    max_bytes: int = 256 << 20


def download(
    url: str,
    path: Path,
    accept: Callable[[Path], None],
    limits: DownloadLimits | None = None,
    progress: bool | None = None,
) -> None:
    """Download `url` to `path`, which must not exist; an incomplete file never appears there.

    Args:
        accept: checks the complete file before it gets its name; raises DataError for the wrong
            file, ValueError for a damaged one (the download is retried).
        progress: show a bar on stderr; None shows it on a terminal only.

    Raises:
        DataError: names the URL, what went wrong and what to do.
        OSError: the file can't be written.
    """
    limits = limits or DownloadLimits()
    downloader = _Downloader(accept, limits, progress, time.monotonic() + limits.total)
    known = {"registry": {path.name: None}, "urls": {path.name: url}}
    folder = pooch.create(path.parent, "", **known, retry_if_failed=limits.attempts - 1)
    this_thread = threading.get_ident()

    def is_from_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != this_thread

    pooch.get_logger().addFilter(is_from_another_thread)
    try:
        folder.fetch(path.name, downloader=downloader)
    except (_Final, ValueError) as error:
        tries = f" (tried {downloader.tries} times)" if downloader.tries > 1 else ""
        raise DataError(f"{url}: {error}{tries}. {_HELP}") from error
    finally:
        pooch.get_logger().removeFilter(is_from_another_thread)


class _Final(Exception):
    """A failure that another attempt can't fix."""


class _Retry(Retry):
    def parse_retry_after(self, retry_after: str) -> float:
        return min(super().parse_retry_after(retry_after), _LONGEST_WAIT)


@dataclass
class _Downloader:
    """pooch calls it for each attempt, and retries after a ValueError."""

    accept: Callable[[Path], None]
    limits: DownloadLimits
    progress: bool | None
    deadline: float
    tries: int = 0

    def __call__(self, url: str, output_file: str, _: pooch.Pooch) -> None:
        self.tries += 1
        path = Path(output_file)
        path.unlink()  # pooch created it for this user only; a new one follows the umask
        try:
            with open(path, "xb") as file, _bar(self.progress) as bar:
                task = bar.add_task(f"Downloading {url.rsplit('/', 1)[-1]}", total=None)
                self._wait_for(partial(self._receive, url, file, partial(bar.update, task)))
            self.accept(path)
        except (requests.RequestException, Urllib3Error) as error:
            reason, again = _explain(error)
            raise (ValueError if again else _Final)(reason) from error
        except ValueError as error:
            kind = _Final if isinstance(error, DataError) else ValueError
            raise kind(str(error).removeprefix(f"{path}: ")) from error

    def _wait_for(self, work: Callable[[], None]) -> None:
        """Run work() in a thread, and abandon the thread after the time limit."""
        done: Future[None] = Future()

        def run() -> None:
            try:
                work()
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        while not done.done():
            if time.monotonic() > self.deadline:
                raise _Final(f"not finished after {self.limits.total:g} seconds")
            wait([done], 0.1)  # short: Windows handles Ctrl-C between waits only
        done.result()

    def _receive(self, url: str, file: BinaryIO, advance: Callable[..., object]) -> None:
        left = max(0, self.limits.attempts - self.tries)
        retries = _Retry(
            total=None, connect=0, read=False, other=0, status=left, status_forcelist=_LATER,
            backoff_factor=1, raise_on_status=False,
        )  # fmt: skip
        # With compression, the length of the file couldn't be checked.
        headers = {"Accept-Encoding": "identity", "User-Agent": "minicnn"}
        times = (self.limits.connect, self.limits.read)
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retries))
            with session.get(url, headers=headers, timeout=times, stream=True) as response:
                self.tries += len(getattr(response.raw.retries, "history", ()))
                response.raise_for_status()
                length = response.raw.length_remaining
                for chunk in chain([b""], response.iter_content(1 << 14)):
                    file.write(chunk)  # fails, which ends an abandoned thread
                    if max(length or 0, file.tell()) > self.limits.max_bytes:
                        size = f"{self.limits.max_bytes:,} bytes"
                        raise _Final(f"expected at most {size}, but the server sends more")
                    advance(completed=response.raw.tell(), total=length)


def _explain(error: Exception) -> tuple[str, bool]:
    """The reason of a failure of requests, and whether another attempt may help."""
    if isinstance(error, failures.HTTPError):
        status, name = error.response.status_code, error.response.reason or ""
        answer = f"the server answered {status} {name}".rstrip()
        return f"expected the file, but {answer}{_STATUS.get(status, '')}", False
    if "Read timed out" in str(error):  # a stall within the body is a ConnectionError too
        return _REASONS[failures.Timeout]
    root: BaseException = error  # "Connection refused", "Name or service not known", …
    while (cause := root.__cause__ or root.__context__) is not None:
        root = cause
    for kind, (text, again) in _REASONS.items():
        if isinstance(error, kind):
            return text.format(root), again
    return f"can't be downloaded ({type(error).__name__}: {error})", False


def _bar(progress: bool | None) -> Progress:
    console = Console(stderr=True)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    hidden = not (console.is_terminal if progress is None else progress)
    return Progress(*columns, console=console, disable=hidden)
