"""Looking at a PNG file without decoding it: is it whole, and how large would it become?"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES = 33  # signature and IHDR
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_DEFLATE_LIMIT = 1032  # deflate can't shrink further: a smaller file can't hold the pixels
_BLOCK = 1 << 20


# Adam7: the first column and row of each of the seven passes, and the steps to the next.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip


class PngHeader(NamedTuple):
    """What a PNG says of itself: sizes in pixels, bit depth a channel, PNG colour type."""

    width: int
    height: int
    bit_depth: int
    colour_type: int
    interlaced: bool = False

    @property
    def raw_bytes(self) -> int:
        """Bytes of the unpacked pixels, one filter byte a row included."""
        bits = self.bit_depth * _CHANNELS[self.colour_type]
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for left, top, across, down in passes:
            columns = (self.width - left + across - 1) // across
            rows = (self.height - top + down - 1) // down
            if columns > 0:
                total += rows * (1 + (columns * bits + 7) // 8)
        return total


def read_header(path: Path) -> PngHeader:
    """Read signature and IHDR, 33 bytes, and check them.

    Raises:
        DataError: not a PNG, or a header that no PNG may have.
    """
    with open(path, "rb") as file:
        start = file.read(HEADER_BYTES)
    if not start or not SIGNATURE.startswith(start[:8]):
        raise DataError(f"{path}: expected a PNG file, received {_what_is(start)}")
    if len(start) < HEADER_BYTES:
        raise DataError(f"{path}: the PNG file is truncated: it ends after {len(start)} bytes")
    length, kind, width, height, depth, colour, *rest, crc = struct.unpack(
        ">I4sIIBBBBBI", start[8:]
    )
    if (length, kind) != (13, b"IHDR") or crc != zlib.crc32(start[12:29]):
        raise DataError(f"{path}: the PNG header is damaged; get the file again")
    if depth not in _DEPTHS.get(colour, ()) or rest[:2] != [0, 0] or rest[2] not in (0, 1):
        raise DataError(
            f"{path}: expected a bit depth and colour type that PNG defines, "
            f"received depth {depth}, colour type {colour}"
        )
    if width == 0 or height == 0:
        raise DataError(f"{path}: expected at least one pixel, received a {width}×{height} PNG")
    return PngHeader(width, height, depth, colour, rest[2] == 1)


def check_whole(path: Path, header: PngHeader) -> None:
    """Walk all chunks: lengths, checksums, all pixels there, an IEND at the end.

    Pillow doesn't check the sums of the pixel chunks, and leaves rows black that are missing.
    The pixels are unpacked piece by piece to count them, and dropped.

    Raises:
        DataError: truncated, damaged, or other pixels than the header promises.
    """
    size = path.stat().st_size
    if size * _DEFLATE_LIMIT < header.raw_bytes:
        raise DataError(
            f"{path}: the header promises {header.width}×{header.height} pixels, which "
            f"{size:,} bytes can't hold; the file is truncated or hostile"
        )
    pixels = _PixelCount(header.raw_bytes)
    seen: set[bytes] = set()
    with open(path, "rb") as file:
        file.seek(len(SIGNATURE))
        while b"IEND" not in seen:
            kind = _check_chunk(path, file, size, pixels)
            if kind == b"IHDR" and kind in seen:
                raise DataError(f"{path}: the PNG has two headers; get the file again")
            seen.add(kind)
    if pixels.count != header.raw_bytes:
        raise DataError(
            f"{path}: expected {header.raw_bytes:,} bytes of pixels for {header.width}×"
            f"{header.height}, received {'more' if pixels.count > header.raw_bytes else 'fewer'}; "
            "get the file again"
        )


class _PixelCount:
    """Counts the bytes that a zlib stream unpacks to, up to one more than `expected`."""

    def __init__(self, expected: int) -> None:
        self.count = 0
        self._limit = expected + 1
        self._stream = zlib.decompressobj()

    def feed(self, packed: bytes) -> None:
        while packed and self.count < self._limit and not self._stream.eof:
            room = min(_BLOCK, self._limit - self.count)
            self.count += len(self._stream.decompress(packed, room))
            packed = self._stream.unconsumed_tail


def _check_chunk(path: Path, file: BinaryIO, size: int, pixels: _PixelCount) -> bytes:
    """Read one chunk past its checksum; return its type."""
    offset = file.tell()
    head = file.read(8)
    length = int.from_bytes(head[:4], "big")
    if len(head) < 8 or offset + 12 + length > size:
        raise DataError(
            f"{path}: the PNG file is truncated: the part at byte {offset:,} runs past the end "
            f"({size:,} bytes); get the file again"
        )
    damaged = DataError(
        f"{path}: the PNG file is damaged in the part at byte {offset:,}; get the file again"
    )
    crc = zlib.crc32(head[4:])
    while length:
        block = file.read(min(length, _BLOCK))
        if not block:  # the file shrank while it was read
            raise damaged
        crc = zlib.crc32(block, crc)
        length -= len(block)
        if head[4:] == b"IDAT":
            try:
                pixels.feed(block)
            except zlib.error as error:
                raise damaged from error
    if int.from_bytes(file.read(4), "big") != crc:
        raise damaged
    return head[4:]


def _what_is(start: bytes) -> str:
    """A name for the first bytes of something that isn't a PNG."""
    if not start:
        return "an empty file"
    if start.startswith(b"\xff\xd8\xff"):
        return "a JPEG image (JPEG changes grey values: convert the original to PNG)"
    if start.startswith((b"GIF8", b"RIFF", b"BM")):
        return "an image of another format"
    if start.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        return "a compressed archive (unpack it first)"
    if start.lstrip()[:1] == b"<":
        return "a web page (HTML or XML)"
    return f"a file that starts with {start[:8]!r}"
