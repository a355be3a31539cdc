import os
import time

import numpy as np
import pytest
from PIL import Image

from minicnn import DataError
from minicnn.data import MnistData, loader
from minicnn.data import cache as caching


@pytest.fixture
def decodes(monkeypatch):
    """Counts how often a PNG is decoded; every sheet is large enough to be kept."""
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


def test_a_changed_sheet_is_another_sheet(sheets, decodes):
    folder = sheets.write()
    MnistData(folder).load()
    before = os.stat(folder / "x_images.png")
    Image.fromarray(255 - sheets.pixels()).save(folder / "x_images.png")
    os.utime(folder / "x_images.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (MnistData(folder).load().test_images == 255 - sheets.pixels()[25:]).all()


def test_a_cache_that_cannot_be_written(sheets, cache, decodes):
    """A file stands where the folder should be: fails for root too, unlike permissions."""
    (cache / "decoded").touch()
    data = MnistData(sheets.write()).load()
    assert (data.test_images == sheets.pixels()[25:]).all()
    assert not data.test_images.flags.writeable


def test_a_full_disk(sheets, cache, decodes, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.np, "save", full)
    assert (MnistData(sheets.write()).load().test_images == sheets.pixels()[25:]).all()
    assert list((cache / "decoded").iterdir()) == []


def test_small_sheets_are_not_kept(sheets, cache):
    MnistData(sheets.write()).load()
    assert not (cache / "decoded").exists()


def test_a_bad_sheet_leaves_nothing(sheets, cache, decodes):
    folder = sheets.write()
    body = (folder / "x_images.png").read_bytes()
    (folder / "x_images.png").write_bytes(body[:-30])
    with pytest.raises(DataError, match="truncated"):
        MnistData(folder).load()
    assert not (cache / "decoded").exists()


def test_the_second_load_of_a_large_sheet_is_quick(sheets):
    folder = sheets.folder / "large"
    folder.mkdir()
    pixels = np.tile(np.arange(256, dtype=np.uint8), (70_000, 1))
    Image.fromarray(pixels).save(folder / "x_images.png", compress_level=1)
    (folder / "x_labels_uint8").write_bytes(sheets.labels(70_000).tobytes())
    times = []
    for _ in range(4):
        start = time.perf_counter()
        data = MnistData(folder).load()
        times.append(time.perf_counter() - start)
    assert data.num_train == 60_000
    assert min(times[1:]) < 0.5 * times[0]
