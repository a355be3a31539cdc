import os

import numpy as np
import pytest
from PIL import Image

from minicnn import DataError
from minicnn.data import MnistData, loader
from minicnn.data import cache as caching


@pytest.fixture
def decodes(monkeypatch):
    """The decoded PNGs; every sheet is large enough for the cache."""
    monkeypatch.setattr(caching, "MIN_CACHED", 0)
    calls = []

    def counted(path, header, really=loader.decode_sheet):
        calls.append(path)
        return really(path, header)

    monkeypatch.setattr(loader, "decode_sheet", counted)
    return calls


def test_a_second_load_maps_the_file(sheets, cache, decodes):
    folder = sheets.write()
    for _ in range(3):
        data = MnistData(folder).load()
        assert (data.train_images == sheets.pixels()[:25]).all()
        assert not data.train_images.flags.writeable
        data.next_train_batch(30)
    assert len(decodes) == 1
    assert len(list((cache / "decoded").iterdir())) == 1
    base = data.train_images
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-1],
        lambda body: body[:50],
        lambda body: b"",
        lambda body: body[:-1] + bytes([body[-1] ^ 1]),
        lambda body: b"\x80\x04pickle" + body,
        lambda body: body.replace(b"(30, 16)", b"(60, 16)"),
        lambda body: body.replace(b"(30, 16)", b"(16, 30)"),
        lambda body: body.replace(b"|u1", b"|i1"),
        lambda body: body.replace(b"'fortran_order': False", b"'fortran_order': True "),
    ],
)
def test_a_damaged_cache_is_decoded_again(sheets, cache, decodes, damage):
    folder = sheets.write()
    MnistData(folder).load()
    (stored,) = (cache / "decoded").iterdir()
    body = stored.read_bytes()
    assert damage(body) != body
    stored.write_bytes(damage(body))
    for _ in range(2):
        assert (MnistData(folder).load().test_images == sheets.pixels()[25:]).all()
    assert len(decodes) == 2
    assert stored.read_bytes() == body


def test_a_changed_sheet_is_decoded_again(sheets, decodes):
    folder = sheets.write()
    MnistData(folder).load()
    before = os.stat(folder / "x_images.png")
    Image.fromarray(255 - sheets.pixels()).save(folder / "x_images.png")
    os.utime(folder / "x_images.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (MnistData(folder).load().test_images == 255 - sheets.pixels()[25:]).all()


def test_a_cache_that_cannot_be_written(sheets, cache, decodes):
    """A file has the name of the folder: unlike permissions, this fails for root too."""
    (cache / "decoded").touch()
    data = MnistData(sheets.write()).load()
    assert (data.test_images == sheets.pixels()[25:]).all()
    assert not data.test_images.flags.writeable


def test_small_sheets_are_not_cached(sheets, cache):
    MnistData(sheets.write()).load()
    assert not (cache / "decoded").exists()


def test_a_damaged_sheet_is_not_cached(sheets, cache, decodes):
    folder = sheets.write()
    body = (folder / "x_images.png").read_bytes()
    (folder / "x_images.png").write_bytes(body[:-30])
    with pytest.raises(DataError, match="truncated"):
        MnistData(folder).load()
    assert not (cache / "decoded").exists()
