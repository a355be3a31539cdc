"""One file over HTTP, by pooch and requests. Imported only to download: it costs a tenth of a
second.

pooch does the folder, the temporary file and its move, and tries again what broke on the way.
requests (over urllib3) does time-outs, redirects, unpacking, notices a body that is too short,
and asks again where the server says "later". Ours is what they can't:

- the downloader that pooch calls: its own has no retries by status and no limit of size or time;
- its thread: a server that drips bytes never trips a socket's time-out, and http.client reads
  headers and chunk sizes line by line, where nobody else can look at the clock;
- `_Final`: pooch tries again after every error of requests, a 404 too;
- one DataError that says what came and what to do.
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
from typing import Any, BinaryIO

import pooch
import requests
from requests import exceptions as failures
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.util import Retry

from ..errors import DataError

_LATER = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 30.0  # seconds that a server may ask for with Retry-After
_STATUS = dict.fromkeys(_LATER, ": it is busy or broken") | {
    403: ": it refuses access to the file",
    404: ": the file isn't there",
}
_REASONS = {  # the first that fits; True where another attempt may help
    failures.SSLError: ("the server's certificate isn't valid ({})", False),
    failures.ConnectTimeout: ("no connection: the server doesn't answer", True),
    failures.Timeout: ("the server stopped sending", True),
    failures.ConnectionError: ("no connection ({}): is there a network?", True),
    failures.ChunkedEncodingError: ("the file is truncated: the connection broke off ({})", True),
    failures.ContentDecodingError: ("the file was damaged on the way ({})", True),
    failures.TooManyRedirects: ("the server sends us round in circles ({})", False),
}
_HELP = (
    "To do without it: a mirror (base_url=), local copies (images= and labels=, or their folder "
    "as the source), or a cache that has them (--data-dir, cache_dir=, MINICNN_DATA)"
)


@dataclass(frozen=True)
class DownloadLimits:
    """Seconds, attempts and bytes that one download may take.

    Args:
        connect, read: seconds until a connection stands, and between two pieces of data.
        total: seconds for one file, all attempts and waits included.
        attempts: how often a file is tried, >= 1.
        max_bytes: largest file that is accepted.
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
    """Download `url` to `path`, where nothing is yet; half a file never appears there.

    Args:
        accept: looks at the finished file before it gets its name; raises DataError for another
            file than expected, ValueError for one that broke on the way (it is tried again).
        progress: show a bar on stderr; None shows it on a terminal only.

    Raises:
        DataError: names the URL, what went wrong and what to do.
        OSError: the file can't be written.
    """
    limits = limits or DownloadLimits()
    downloader = _Downloader(accept, limits, progress, time.monotonic() + limits.total)
    known = {"registry": {path.name: None}, "urls": {path.name: url}}
    folder = pooch.create(path.parent, "", **known, retry_if_failed=limits.attempts - 1)
    ours = threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != ours

    pooch.get_logger().addFilter(of_others)
    try:
        folder.fetch(path.name, downloader=downloader)
    except (_Final, ValueError) as error:
        tries = f" (tried {downloader.tries} times)" if downloader.tries > 1 else ""
        raise DataError(f"{url}: {error}{tries}. {_HELP}") from error
    finally:
        pooch.get_logger().removeFilter(of_others)


class _Final(Exception):
    """A failure that another attempt can't cure."""


class _Retry(Retry):
    def parse_retry_after(self, retry_after: str) -> float:
        return min(super().parse_retry_after(retry_after), _LONGEST_WAIT)


@dataclass
class _Downloader:
    """What pooch calls for each attempt. It tries again after a ValueError."""

    accept: Callable[[Path], None]
    limits: DownloadLimits
    progress: bool | None
    deadline: float
    tries: int = 0

    def __call__(self, url: str, output_file: str, _: pooch.Pooch) -> None:
        self.tries += 1
        path = Path(output_file)
        path.unlink()  # pooch made it for this user alone; made anew, it obeys the umask
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
        """Run work() in a thread, which is left alone when time is up."""
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
            wait([done], 0.1)  # not longer: Windows sees Ctrl-C between waits only
        done.result()

    def _receive(self, url: str, file: BinaryIO, advance: Callable[..., Any]) -> None:
        left = max(0, self.limits.attempts - self.tries)
        retries = _Retry(
            total=None, connect=0, read=False, other=0, status=left, status_forcelist=_LATER,
            backoff_factor=1, raise_on_status=False,
        )  # fmt: skip
        # Compressed on the way, a file's length couldn't be checked.
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
                    file.write(chunk)  # fails, and ends the thread, when nobody waits any more
                    if max(length or 0, file.tell()) > self.limits.max_bytes:
                        size = f"{self.limits.max_bytes:,} bytes"
                        raise _Final(f"expected at most {size}, and the server sends more")
                    advance(completed=response.raw.tell(), total=length)


def _explain(error: Exception) -> tuple[str, bool]:
    """A failure of requests in words, and whether another attempt may help."""
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
