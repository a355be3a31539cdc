"""The cache of decoded sheets: the second load maps a file instead of decoding a PNG."""

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pooch

from ..atomic_file import atomic_path

MIN_CACHED = 16 << 20  # bytes; a smaller sheet decodes in a tenth of a second


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder of downloads and decoded sheets: `given`, else MINICNN_DATA, else the user's cache
    folder."""
    chosen = given or os.environ.get("MINICNN_DATA") or pooch.os_cache("minicnn")
    return Path(chosen).expanduser()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return pooch.file_hash(str(path), alg="sha256")


def decoded(
    folder: Path, sha256: str, shape: tuple[int, int], decode: Callable[[], np.ndarray]
) -> np.ndarray:
    """The pixels of the sheet with this hash, from the cache or from `decode`.

    Large sheets are stored as `<sha256>-<crc32>.npy`; the name holds the checksum. If the size or
    the checksum is wrong, the sheet is decoded again. If the folder can't be written, the pixels
    stay in memory. Neither is an error.

    Returns:
        `shape` (N, H*W) uint8, read-only; memory-mapped if it came from the cache.
    """
    large = shape[0] * shape[1] >= MIN_CACHED
    if large and (pixels := _read(folder, sha256, shape)) is not None:
        return pixels
    fresh = decode()
    fresh.flags.writeable = False
    if large and _write(folder, sha256, fresh):
        stored = _read(folder, sha256, shape)  # the system can drop mapped pages, not an array's
        return fresh if stored is None else stored
    return fresh


def _read(folder: Path, sha256: str, shape: tuple[int, int]) -> np.ndarray | None:
    for path in sorted(folder.glob(f"{sha256}-*.npy")):
        try:
            pixels = np.load(path, mmap_mode="r", allow_pickle=False)
            if (pixels.shape, pixels.dtype) == (shape, np.uint8) and pixels.flags.c_contiguous:
                plain = pixels.view(np.ndarray)  # keeps the mapping open
                if path.name == _name(sha256, plain):
                    return plain
        except OSError:
            continue
        except (ValueError, EOFError):
            pass
        with suppress(OSError):
            path.unlink()  # damaged
    return None


def _write(folder: Path, sha256: str, pixels: np.ndarray) -> bool:
    try:
        with atomic_path(folder / _name(sha256, pixels)) as temporary:
            np.save(temporary, pixels, allow_pickle=False)
    except OSError:
        return False
    return True


def _name(sha256: str, pixels: np.ndarray) -> str:
    return f"{sha256}-{zlib.crc32(pixels.data):08x}.npy"
