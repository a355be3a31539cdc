"""Kinds of PNG that can hold a sheet, and kinds that can't."""

import numpy as np
import pytest
from PIL import Image
from png_files import chunk, png

from minicnn import DataError
from minicnn.data.png import MAX_PIXELS, read_header
from minicnn.data.sheet import decode_sheet, resolve_shape


def read(path):
    return decode_sheet(path, read_header(path))


@pytest.fixture
def grey(sheets):
    return sheets.pixels(n=40)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("rows", [7, 40])
def test_modes_of_eight_bits(tmp_path, grey, mode, rows, monkeypatch):
    monkeypatch.setattr("minicnn.data.sheet._STRIP_BYTES", rows * 16 * 4)  # several strips
    image = Image.fromarray(grey)
    if mode == "P":
        image.putpalette([k for k in range(256) for _ in range(3)])
    else:
        image = image.convert(mode)
    image.save(tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as saved:
        assert saved.mode == mode
    pixels = read(tmp_path / "s.png")
    assert pixels.dtype == np.uint8
    assert (pixels == grey).all()


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_keep_the_upper_eight(tmp_path, grey, colour):
    """Grey, RGB, grey with alpha, RGBA; values that aren't multiples of 257."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    values = grey.astype(np.uint16) * 256 + 100
    planes = np.repeat(values[:, :, None], channels, axis=2)
    if colour in (4, 6):
        planes[..., -1] = 65535
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in planes)
    (tmp_path / "s.png").write_bytes(png(16, 40, raw, depth=16, colour=colour))
    assert (read(tmp_path / "s.png") == grey).all()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_less_than_eight_bits_are_scaled_to_255(tmp_path, depth, sheets):
    levels = sheets.pixels(8) % (1 << depth)
    bits = (levels[..., None] >> np.arange(depth - 1, -1, -1).astype(np.uint8)) & 1
    raw = b"".join(b"\0" + np.packbits(row.reshape(-1)).tobytes() for row in bits)
    (tmp_path / "s.png").write_bytes(png(16, 8, raw, depth=depth))
    assert (read(tmp_path / "s.png") == levels * (255 // ((1 << depth) - 1))).all()


def adam7(pixels):
    """The rows of the seven passes of an interlaced PNG, unfiltered."""
    raw = b""
    for left, top, across, down in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):  # fmt: skip
        part = pixels[top::down, left::across]
        raw += b"".join(b"\0" + row.tobytes() for row in part if len(row))
    return raw


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 2), (5, 9), (8, 8), (40, 16), (1, 16)])
def test_interlaced(tmp_path, sheets, rows, columns):
    pixels = sheets.pixels(rows, columns)
    body = png(columns, rows, adam7(pixels))
    interlaced = chunk(b"IHDR", body[16:28] + b"\x01")
    (tmp_path / "s.png").write_bytes(body[:8] + interlaced + body[33:])
    assert (read(tmp_path / "s.png") == pixels).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("rows", [7, 40])
def test_channels_that_differ(tmp_path, grey, mode, rows, monkeypatch):
    monkeypatch.setattr("minicnn.data.sheet._STRIP_BYTES", rows * 16 * 4)
    if mode == "P":
        grey = np.where(grey == 200, 0, grey).astype(np.uint8)
        grey[23, 5] = grey[30, 5] = 200
        image = Image.fromarray(grey)
        palette = [k for k in range(256) for _ in range(3)]
        palette[602] = 0
        image.putpalette(palette)
    else:
        planes = np.array(Image.fromarray(grey).convert(mode))
        planes[23, 5, 2] ^= 1
        planes[30, 5, 1] ^= 1
        image = Image.fromarray(planes)
    image.save(tmp_path / "s.png")
    with pytest.raises(DataError, match=r"differ in row 23 .counted from 0"):
        read(tmp_path / "s.png")


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_pixels(tmp_path, grey, mode):
    planes = np.array(Image.fromarray(grey).convert(mode))
    planes[11, 3, -1] = 254
    Image.fromarray(planes).save(tmp_path / "s.png")
    with pytest.raises(DataError, match="transparent ones in row 11"):
        read(tmp_path / "s.png")


def test_transparent_colours(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "l.png", transparency=3)
    with pytest.raises(DataError, match="transparent ones in row"):
        read(tmp_path / "l.png")
    grey[grey == 3] = 4
    image = Image.fromarray(grey)
    image.putpalette([k for k in range(256) for _ in range(3)])
    image.save(tmp_path / "p.png", transparency=3)
    assert (read(tmp_path / "p.png") == grey).all()  # no pixel has that colour
    image.save(tmp_path / "q.png", transparency=int(grey[6, 0]))
    with pytest.raises(DataError, match="transparent ones in row"):
        read(tmp_path / "q.png")


def test_shapes():
    assert resolve_shape(784, None, "s") == (28, 28, 1)
    assert resolve_shape(12, (3, 4), "s") == (3, 4, 1)
    assert resolve_shape(12, [6, 2, 1], "s") == (6, 2, 1)


def test_the_limit_on_pixels(tmp_path):
    path = tmp_path / "s.png"
    side = 1 << 14
    path.write_bytes(png(side, side, b""))
    assert side * side == MAX_PIXELS
    read_header(path)
    path.write_bytes(png(side, side + 1, b""))
    with pytest.raises(DataError, match="at most 268,435,456 pixels"):
        read_header(path)
