"""One file over HTTP: bounded in time and size, tried again where that can help."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.errors import DataError

if TYPE_CHECKING:
    import requests

_AGAIN = {408, 429, 500, 502, 503, 504}
_CHUNK = 1 << 14
_AHEAD = 64  # chunks that may wait to be written
HELP = (
    "To do without it: a mirror (base_url=), local copies (images= and labels=, or their folder "
    "as the source), or a cache that has them (--data-dir, cache_dir=, MINICNN_DATA)"
)


@dataclass(frozen=True)
class NetworkLimits:
    """Seconds, attempts and bytes that one download may take.

    Args:
        connect, read: seconds until a connection stands, and between two pieces of data.
        total: seconds for one file, all attempts and waits included.
        attempts: how often a file is tried, >= 1.
        backoff: seconds before the second attempt; doubled for each one after.
        max_wait: longest wait that a server may ask for with Retry-After.
        max_bytes: largest file that is accepted.
    """

    connect: float = 10.0
    read: float = 20.0
    total: float = 900.0
    attempts: int = 4
    backoff: float = 1.0
    max_wait: float = 30.0
    max_bytes: int = 256 << 20


class Incomplete(Exception):
    """The download failed in a way that another attempt may cure."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    url: str,
    path: Path,
    check: Callable[[Path], None],
    limits: NetworkLimits,
    progress: bool | None = None,
) -> None:
    """Download `url` to `path`, which the caller made and removes on failure.

    Args:
        check: looks at the finished file; raises Incomplete (try again) or DataError (don't).
        progress: show a bar on stderr; None shows it on a terminal only.

    Raises:
        DataError: names the URL, what went wrong and what to do.
        OSError: the file can't be written.
    """
    deadline = time.monotonic() + limits.total
    for attempt in range(1, limits.attempts + 1):
        try:
            with _bar(url, progress) as advance:
                _receive(url, path, limits, deadline, advance)
            check(path)
            return
        except Incomplete as error:
            reason = str(error)
            wait = max(limits.backoff * 2 ** (attempt - 1), min(error.wait, limits.max_wait))
        except DataError as error:
            raise DataError(f"{error}. {HELP}") from error
        if attempt == limits.attempts or time.monotonic() + wait >= deadline:
            break
        time.sleep(wait)
    tries = "once" if attempt == 1 else f"{attempt} times"
    raise DataError(f"{url}: {reason} (tried {tries}). {HELP}")


def _receive(
    url: str,
    path: Path,
    limits: NetworkLimits,
    deadline: float,
    advance: Callable[[int, int | None], None],
) -> None:
    """One attempt. A thread talks to the server, so that one that drips a byte now and then,
    which no time-out of a socket notices, can't hold us past the deadline."""
    events: queue.Queue[Any] = queue.Queue(_AHEAD)
    stop = threading.Event()
    worker = threading.Thread(target=_talk, args=(url, limits, events, stop), daemon=True)
    worker.start()
    response: requests.Response | None = None
    expected, received = None, 0
    try:
        with open(path, "wb") as file:
            while (event := _next(events, deadline, limits)) is not None:
                if isinstance(event, BaseException):
                    raise _explain(url, event) from event
                if not isinstance(event, bytes):
                    response = event
                    expected = _check_response(url, event, limits)
                    continue
                received += len(event)
                if received > limits.max_bytes:
                    raise DataError(_too_large(url, limits))
                file.write(event)
                advance(received, expected)
    finally:
        stop.set()
        if response is not None and (shutdown := getattr(response.raw, "shutdown", None)):
            with suppress(Exception):  # it may be closed already, which is what is wanted
                shutdown()  # ends a read that waits in the thread (urllib3 from 2.3 on)
    if expected is not None and received != expected:
        raise Incomplete(f"the file is truncated: {received:,} of {expected:,} bytes came")


def _next(events: "queue.Queue[Any]", deadline: float, limits: NetworkLimits) -> Any:
    try:
        return events.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise Incomplete(f"not finished after {limits.total:g} seconds") from None


def _talk(
    url: str, limits: NetworkLimits, events: "queue.Queue[Any]", stop: threading.Event
) -> None:
    """Put the response, pieces of its body and None, or what went wrong, into `events`."""
    import requests  # takes a tenth of a second to import: only for those who download

    def put(event: Any) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                events.put(event, timeout=0.1)
                return

    try:
        with requests.Session() as session:
            session.max_redirects = 10
            # Compressed on the way, a file's length couldn't be checked.
            headers = {"Accept-Encoding": "identity", "User-Agent": "minicnn"}
            times = (limits.connect, limits.read)
            with session.get(url, headers=headers, timeout=times, stream=True) as response:
                put(response)
                for chunk in response.iter_content(_CHUNK):
                    if stop.is_set():
                        return
                    put(chunk)
        put(None)
    except BaseException as error:
        put(error)


def _check_response(url: str, response: "requests.Response", limits: NetworkLimits) -> int | None:
    """Check status and size; return the length of the body, if it is known."""
    status = response.status_code
    text = f"the server answered {status} {response.reason or ''}".rstrip()
    if status in _AGAIN:
        wait = response.headers.get("Retry-After", "")
        raise Incomplete(f"{text}: it is busy or broken", float(wait) if wait.isdigit() else 0.0)
    if status != 200:
        meaning = {
            401: ": it wants a log-in",
            403: ": it refuses access to the file",
            404: ": the file isn't there",
            410: ": the file isn't there any more",
        }.get(status, "")
        raise DataError(f"{url}: expected the file, but {text}{meaning}")
    length = response.headers.get("Content-Length", "")
    if not length.isdigit() or response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    if int(length) > limits.max_bytes:
        raise DataError(_too_large(url, limits))
    return int(length)


def _too_large(url: str, limits: NetworkLimits) -> str:
    return f"{url}: expected at most {limits.max_bytes:,} bytes, and the server sends more"


def _explain(url: str, error: BaseException) -> Exception:
    """The error that a failure of `requests` stands for."""
    from requests import exceptions as known

    if isinstance(error, known.SSLError):
        return DataError(f"{url}: the server's certificate isn't valid ({error})")
    if isinstance(error, known.ConnectTimeout):
        return Incomplete("no connection: the server doesn't answer")
    if isinstance(error, known.Timeout):
        return Incomplete("the server stopped sending")
    if isinstance(error, (known.ChunkedEncodingError, known.ContentDecodingError)):
        return Incomplete("the connection broke off: the file is truncated")
    if isinstance(error, known.ConnectionError):
        stalled = "timed out" in str(error)  # requests calls a stall within the body this
        if stalled:
            return Incomplete("the server stopped sending")
        return Incomplete(f"no connection ({_root(error)}): is there a network?")
    if isinstance(error, known.TooManyRedirects):
        return DataError(f"{url}: the server sends us round in circles ({error})")
    return DataError(f"{url}: can't be downloaded ({type(error).__name__}: {error})")


def _root(error: BaseException) -> BaseException:
    """What an error comes from in the end: "Connection refused", "Name or service not known"."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


@contextmanager
def _bar(url: str, progress: bool | None) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function (bytes so far, bytes in all or None) that moves a bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not (console.is_terminal if progress is None else progress):
        yield lambda received, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, DownloadColumn(), TransferSpeedColumn(), console=console) as bar:
        task = bar.add_task(f"Downloading {url.rsplit('/', 1)[-1]}", total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
