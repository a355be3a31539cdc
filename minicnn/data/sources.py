"""Downloaded sheets and their cache."""

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..atomic_file import atomic_path
from ..errors import DataError
from .cache import sha256_of
from .locate import SheetFiles
from .png import check_whole, read_header

if TYPE_CHECKING:
    from .download import DownloadLimits

BASE_URL = "https://storage.googleapis.com/learnjs-data/model-builder/"
FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_log = logging.getLogger(__name__)


class Official(NamedTuple):
    """An official sheet: 28×28 pixels, 10 classes, num_images rows."""

    images: str
    labels: str
    num_images: int


OFFICIAL = {
    "mnist": Official("mnist_images.png", "mnist_labels_uint8", 65_000),
    "fashion": Official("fashion_mnist_images.png", "fashion_mnist_labels_uint8", 70_000),
}


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether it is an http(s) URL."""
    return isinstance(path, str) and path.lower().startswith(("http://", "https://"))


def fetch_official(
    name: str,
    base_url: str | None,
    cache: Path,
    limits: "DownloadLimits | None" = None,
    progress: bool | None = None,
) -> SheetFiles:
    """Both files of an official sheet ("mnist", "fashion"), from the cache or the network.

    Their checksums aren't published; instead, their sizes are checked.

    Raises:
        DataError: a download failed, or a file is not the expected one.
        ValueError: base_url isn't an http(s) URL.
    """
    official = OFFICIAL[name]
    base = (base_url or BASE_URL).rstrip("/") + "/"
    if not is_url(base):
        raise ValueError(
            f"expected base_url to start with http:// or https://, received {base_url!r}; give a "
            "local folder as the source"
        )
    labels = fetch(base + official.labels, "labels", cache, limits, progress, official)
    images = fetch(base + official.images, "images", cache, limits, progress, official)
    return SheetFiles(images, labels)


def fetch(
    url: str,
    kind: str,
    cache: Path,
    limits: "DownloadLimits | None" = None,
    progress: bool | None = None,
    official: Official | None = None,
) -> Path:
    """The file at `url`, from the cache if it is there and unchanged, else from the network.

    Args:
        kind: "images" (a PNG) or "labels" (bytes that are 0 or 1).
        cache: its folder "downloads" holds the file and a record of its URL, size and SHA-256.
        official: the expected file; None: any file of this kind.

    Raises:
        DataError: the download failed, is of another kind, or can't be stored.
    """
    path = cache / "downloads" / _file_name(url)
    record = path.with_name(path.name + ".json")
    check = _check_images if kind == "images" else _check_labels

    def accept(file: Path) -> None:
        check(file, official)
        with atomic_path(record) as temporary:  # first: each file has a record
            temporary.write_text(json.dumps(_record(url, file), indent=1) + "\n", encoding="utf-8")

    try:
        if not _verified(path, record, url):
            from .download import download  # its import takes 0.1 s

            download(url, path, accept, limits, progress)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise DataError(
            f"{path.parent}: downloads can't be stored here ({cause.strerror or cause}); choose "
            "another folder with --data-dir, cache_dir= or MINICNN_DATA"
        ) from error
    return path


def _file_name(url: str) -> str:
    """A file name that is unique to this URL and ends like it."""
    name = re.split("[?#]", url)[0].rsplit("/", 1)[-1]
    end = re.sub(r"[^A-Za-z0-9._]", "_", name)[-80:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{end}"


def _record(url: str, path: Path) -> dict[str, object]:
    return {"url": url, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _verified(path: Path, record: Path, url: str) -> bool:
    """Whether the cached file is unchanged; if not, log the reason and delete the file."""
    if not path.exists():
        return False
    try:
        if json.loads(record.read_text(encoding="utf-8")) == _record(url, path):
            return True
        reason = "it has changed since the download"
    except (OSError, ValueError, RecursionError):
        reason = "its record is missing or damaged"
    _log.warning("%s is downloaded again: %s", path, reason)
    path.unlink(missing_ok=True)
    return False


def _check_images(path: Path, official: Official | None) -> None:
    header = read_header(path)
    if official and (header.width, header.height) != (784, official.num_images):
        raise DataError(
            f"{path}: expected a sheet of 784×{official.num_images} pixels, received "
            f"{header.width}×{header.height}; use another mirror (base_url=)"
        )
    try:
        check_whole(path, header)
    except DataError as error:  # truncated or damaged in transit: download again
        raise ValueError(str(error)) from error


def _check_labels(path: Path, official: Official | None) -> None:
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(16)
    if not start or start[0] > 1:
        received = f"a file that starts with {start!r}" if start else "an empty file"
        raise DataError(f"{path}: expected label bytes, 0 or 1, received {received}")
    if official and size != 10 * official.num_images:
        raise DataError(
            f"{path}: expected {10 * official.num_images:,} bytes of labels, received {size:,}; "
            "use another mirror (base_url=)"
        )
