import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from minicnn import DataError
from minicnn.data import MnistData
from minicnn.data.idx import build_from_idx, read_idx


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3": rng.integers(0, 256, (12, 6, 5)),
        "train-labels-idx1": np.arange(12) % 4,
        "t10k-images-idx3": rng.integers(0, 256, (5, 6, 5)),
        "t10k-labels-idx1": np.arange(5) % 4,
    }


def write(folder, arrays, packed=False):
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        if packed:
            (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / f"{name}-ubyte").write_bytes(idx(array))
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_round_trip(tmp_path, arrays, packed):
    build_from_idx(write(tmp_path / "in", arrays, packed), tmp_path / "out", name="m")
    data = MnistData(tmp_path / "out").load()
    assert data.image_shape == (6, 5, 1)
    assert (data.num_train, data.num_test, data.num_classes) == (12, 5, 4)
    assert (data.train_images == arrays["train-images-idx3"].reshape(12, 30)).all()
    assert (data.test_images == arrays["t10k-images-idx3"].reshape(5, 30)).all()
    assert (data.train_labels.argmax(axis=1) == arrays["train-labels-idx1"]).all()
    assert (data.test_labels.argmax(axis=1) == arrays["t10k-labels-idx1"]).all()


def test_names_with_a_dot_and_class_names(tmp_path, arrays):
    folder = write(tmp_path / "in", arrays)
    (folder / "train-images-idx3-ubyte").rename(folder / "train-images.idx3-ubyte")
    build_from_idx(folder, tmp_path / "out", class_names=list("abcd"))
    assert MnistData(tmp_path / "out").load().class_names == ("a", "b", "c", "d")
    with pytest.raises(ValueError, match="expected 4 class names or more, received 3"):
        build_from_idx(folder, tmp_path / "other", class_names=list("abc"))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-labels-idx1", lambda a: a[:-1], "expected 12 labels.*received 11"),
        ("t10k-images-idx3", lambda a: a[:, :5], "images of one size"),
        ("t10k-images-idx3", lambda a: a[:0], "expected 1 to"),
        ("train-images-idx3", lambda a: a[0], "with 3 dimensions"),
    ],
)
def test_files_that_do_not_match(tmp_path, arrays, name, change, message):
    arrays[name] = change(arrays[name])
    with pytest.raises(DataError, match=message):
        build_from_idx(write(tmp_path / "in", arrays), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_files(tmp_path, arrays):
    with pytest.raises(DataError, match="expected a folder"):
        build_from_idx(tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataError, match="can't be read"):
        read_idx(tmp_path / "x", 3)
    del arrays["t10k-labels-idx1"]
    with pytest.raises(DataError, match="expected a file t10k-labels-idx1-ubyte"):
        build_from_idx(write(tmp_path / "in", arrays), tmp_path / "out")


@pytest.mark.parametrize("packed", [False, True])
def test_truncated_anywhere(tmp_path, arrays, packed):
    body = idx(arrays["t10k-images-idx3"])
    body = gzip.compress(body) if packed else body
    path = tmp_path / ("x.gz" if packed else "x")
    for end in range(len(body)):
        path.write_bytes(body[:end])
        with pytest.raises(DataError):
            read_idx(path, 3)
    path.write_bytes(body)
    assert (read_idx(path, 3) == arrays["t10k-images-idx3"]).all()


def test_damaged_gzip(tmp_path, arrays):
    body = bytearray(gzip.compress(idx(arrays["t10k-images-idx3"])))
    for place in (0, 20, len(body) - 6):
        bad = bytearray(body)
        bad[place] ^= 0x55
        (tmp_path / "x.gz").write_bytes(bad)
        with pytest.raises(DataError):
            read_idx(tmp_path / "x.gz", 3)


@pytest.mark.parametrize(
    "body",
    [
        idx(np.zeros((2, 3, 4))) + b"\0",
        bytes([0, 0, 13, 3]) + idx(np.zeros((2, 3, 4)))[4:],
        bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1),
        b"\x89PNG\r\n\x1a\n" + bytes(40),
    ],
    ids=["too long", "floats", "absurd", "a PNG"],
)
def test_other_formats(tmp_path, body):
    (tmp_path / "x").write_bytes(body)
    with pytest.raises(DataError, match="expected"):
        read_idx(tmp_path / "x", 3)


@pytest.mark.parametrize("shape", [(2, 3, 4), (300_000, 28, 28)])
def test_decompression_bombs(tmp_path, shape):
    """More data than in the header, or a larger size in the header than there is data."""
    body = bytes([0, 0, 8, 3]) + struct.pack(">3I", *shape)
    body += bytes(64 << 20) if shape[0] == 2 else b"\0"
    (tmp_path / "x.gz").write_bytes(gzip.compress(body, 1))
    del body
    tracemalloc.start()
    with pytest.raises(DataError, match="bytes for"):
        read_idx(tmp_path / "x.gz", 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
