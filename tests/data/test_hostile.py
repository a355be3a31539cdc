"""Damaged or hostile PNG files raise a DataError, without a large allocation."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from png_files import chunk, png

from minicnn import DataError
from minicnn.data import MnistData
from minicnn.data.png import read_header
from minicnn.data.sheet import decode_sheet


def read(path):
    return decode_sheet(path, read_header(path))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "good.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (30, 16)).astype(np.uint8)).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def spot(tmp_path_factory):
    return tmp_path_factory.mktemp("spot") / "bad.png"


def test_truncated_anywhere(good, spot):
    for end in range(len(good) - 4):  # without the last 4 bytes, the checksum of IEND is missing
        spot.write_bytes(good[:end])
        with pytest.raises(DataError, match=r"truncated|empty file"):
            read(spot)


def test_one_bit_flipped_in_any_byte(good, spot):
    for place in range(len(good) - 12):  # IEND holds no data, and Pillow doesn't check it
        spot.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        with pytest.raises(DataError):
            read(spot)


@pytest.mark.exhaustive
@given(st.data())
@settings(max_examples=150)
def test_changed_chunks_with_valid_checksums(good, spot, data):
    """Chunks that are changed, doubled, dropped or renamed by a hostile writer."""
    parts, offset = [], 8
    while offset < len(good):
        length = int.from_bytes(good[offset : offset + 4], "big")
        parts.append(
            [good[offset + 4 : offset + 8], bytearray(good[offset + 8 : offset + 8 + length])]
        )
        offset += 12 + length
    for _ in range(data.draw(st.integers(1, 4))):
        kind, body = data.draw(st.sampled_from(parts))
        action = data.draw(st.sampled_from(["flip", "double", "drop", "cut", "rename"]))
        at = parts.index([kind, body])
        if action == "flip" and body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        elif action == "double":
            parts.insert(at, [kind, bytearray(body)])
        elif action == "drop" and len(parts) > 1:
            del parts[at]
        elif action == "cut":
            del body[data.draw(st.integers(0, len(body))) :]
        elif action == "rename":
            parts[at][0] = data.draw(st.sampled_from([b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"IDAT"]))
    out = good[:8]
    for kind, body in parts:
        out += struct.pack(">I", len(body)) + kind + body
        out += struct.pack(">I", zlib.crc32(kind + bytes(body)))
    spot.write_bytes(out)
    tracemalloc.start()
    try:
        pixels = read(spot)
    except DataError:
        pass
    else:
        assert pixels.dtype == np.uint8
        assert pixels.size < 1 << 20
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


def error_and_peak(path):
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read(path)
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (784, 300_000, "can't hold"),  # within the limits, but not in 67 bytes
        (784, 2**31 - 1, "at most"),
        (2**31 - 1, 2**31 - 1, "at most"),
        (0, 10, "at least one pixel"),
        (10, 0, "at least one pixel"),
    ],
)
def test_huge_and_empty_sizes(tmp_path, width, height, words, monkeypatch):
    monkeypatch.setattr(
        "minicnn.data.sheet.PngImagePlugin.PngImageFile",
        lambda file: pytest.fail("the PNG was opened for decoding"),
    )
    path = tmp_path / "s.png"
    path.write_bytes(png(width, height, b"\0" * 20))
    message, peak = error_and_peak(path)
    assert words in message
    assert peak < 4 << 20


def test_a_bomb_is_rejected_before_it_is_decoded(tmp_path, sheets, monkeypatch):
    """A real 100-megapixel PNG in 100 kB; its labels are for 30 images."""
    monkeypatch.setattr(
        "minicnn.data.loader.decode_sheet", lambda *a: pytest.fail("the bomb was decoded")
    )
    (tmp_path / "s_images.png").write_bytes(png(10_000, 10_000, b"\0" * 10_001 * 10_000))
    (tmp_path / "s_labels_uint8").write_bytes(sheets.labels(30).tobytes())
    with pytest.raises(DataError, match="expected 10,000 rows of labels"):
        MnistData(tmp_path).load()


def test_more_pixels_than_in_the_header(tmp_path):
    (tmp_path / "s.png").write_bytes(png(16, 30, bytes(64 << 20)))
    message, peak = error_and_peak(tmp_path / "s.png")
    assert "received more" in message
    assert peak < 4 << 20


def test_a_second_header(tmp_path):
    body = png(16, 30, bytes(17 * 30))
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 16384, 16384, 8, 0, 0, 0, 0))
    (tmp_path / "s.png").write_bytes(body[:33] + huge + body[33:])
    message, peak = error_and_peak(tmp_path / "s.png")
    assert "two headers" in message
    assert peak < 4 << 20


def test_a_text_bomb(tmp_path):
    body = png(16, 30, bytes(17 * 30))
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(64 << 20)))
    (tmp_path / "s.png").write_bytes(body[:33] + bomb + body[33:])
    message, peak = error_and_peak(tmp_path / "s.png")
    assert "truncated or damaged" in message
    assert peak < 16 << 20


@pytest.mark.parametrize("size", [0, 1, 17, 17 * 29, 17 * 30 - 1, 17 * 30 + 1, 17 * 31])
def test_too_few_or_too_many_pixels(tmp_path, size):
    """Pillow would decode missing pixels as black."""
    (tmp_path / "s.png").write_bytes(png(16, 30, bytes(size)))
    with pytest.raises(DataError, match="expected 510 bytes of pixels for 16×30, received"):
        read(tmp_path / "s.png")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>no", "a web page"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG"),
        (b"GIF89a" + bytes(40), "another format"),
        (b"\x1f\x8b\x08" + bytes(40), "archive"),
        (b"hello world, I am text", "starts with b'hello wo'"),
    ],
)
def test_not_a_png(tmp_path, body, words):
    (tmp_path / "s.png").write_bytes(body)
    with pytest.raises(DataError, match="expected a PNG file, received .*" + words):
        read(tmp_path / "s.png")


@pytest.mark.parametrize(("depth", "colour"), [(3, 0), (1, 2), (16, 3), (8, 1), (8, 5), (0, 0)])
def test_invalid_bit_depths_and_colour_types(tmp_path, depth, colour):
    (tmp_path / "s.png").write_bytes(png(16, 30, bytes(510), depth=depth, colour=colour))
    with pytest.raises(DataError, match=f"depth {depth}, colour type {colour}"):
        read(tmp_path / "s.png")
