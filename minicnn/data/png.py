"""A PNG file's header, and whether the file is complete and undamaged."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import PngImagePlugin

from ..errors import DataError

MAX_PIXELS = 1 << 28  # 268 million: 342,000 images of 28×28; at most 1 GiB inside Pillow
SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES = 33  # signature and IHDR
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_DEFLATE_LIMIT = 1032  # deflate's largest compression ratio
_BLOCK = 1 << 20
# Adam7: the first column and row of each of the seven passes, and the steps to the next.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip


class PngHeader(NamedTuple):
    """Sizes in pixels, bits a channel, PNG colour type."""

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
    """Read signature and IHDR, 33 bytes, and check them, before memory is allocated for pixels.

    Raises:
        DataError: not a PNG, an invalid header, or more than MAX_PIXELS.
        OSError: it can't be read.
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
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{path}: expected at most {MAX_PIXELS:,} pixels, received {width}×{height} = "
            f"{width * height:,}; split the sheet"
        )
    return PngHeader(width, height, depth, colour, rest[2] == 1)


def check_whole(path: Path, header: PngHeader) -> None:
    """Check the checksum of each chunk, that IEND ends the file, and that no pixel is missing.

    Pillow's verify() does all but the last: it reads missing rows as black ones.

    Raises:
        DataError: truncated, damaged, or a number of pixels that the header doesn't give.
    """
    size = path.stat().st_size
    if size * _DEFLATE_LIMIT < header.raw_bytes:
        raise DataError(
            f"{path}: the header promises {header.width}×{header.height} pixels, which "
            f"{size:,} bytes can't hold; the file is truncated or hostile"
        )
    try:
        with open(path, "rb") as file:
            # Image.open would check the size against a limit that belongs to the whole process.
            PngImagePlugin.PngImageFile(file).verify()
        with open(path, "rb") as file:
            count = _count_unpacked(file, header.raw_bytes + 1)
    except Exception as error:  # Pillow raises nearly any exception on a damaged file
        raise DataError(
            f"{path}: the PNG file is truncated or damaged ({error}); get the file again"
        ) from error
    if count != header.raw_bytes:
        raise DataError(
            f"{path}: expected {header.raw_bytes:,} bytes of pixels for {header.width}×"
            f"{header.height}, received {'more' if count > header.raw_bytes else f'{count:,}'}; "
            "get the file again"
        )


def _count_unpacked(file: BinaryIO, limit: int) -> int:
    """The size of the unpacked pixel data of a PNG with valid chunks, at most `limit` bytes."""
    stream, count = zlib.decompressobj(), 0
    file.seek(len(SIGNATURE))
    while (head := file.read(8)) and head[4:] != b"IEND":
        packed = file.read(int.from_bytes(head[:4], "big"))
        file.seek(4, 1)  # the checksum
        while head[4:] == b"IDAT" and packed and count < limit and not stream.eof:
            count += len(stream.decompress(packed, min(_BLOCK, limit - count)))
            packed = stream.unconsumed_tail
    return count


def _what_is(start: bytes) -> str:
    """A name for the first bytes of a file that isn't a PNG."""
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
