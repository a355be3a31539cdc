import numpy as np
import pytest

from minicnn import DataError
from minicnn.data.labels import one_hot, read_labels


def test_round_trip(tmp_path):
    labels = one_hot(np.array([2, 0, 1, 1]), 3)
    assert labels.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    (tmp_path / "l").write_bytes(labels.tobytes())
    assert (read_labels(tmp_path / "l", 4) == labels).all()


@pytest.mark.parametrize("row", [[0, 0, 0], [1, 1, 0], [2, 0, 0], [0, 255, 0], [1, 0, 2]], ids=str)
def test_rows_that_are_not_one_hot(tmp_path, row):
    labels = one_hot(np.arange(9) % 3, 3)
    labels[4] = labels[7] = row
    (tmp_path / "l").write_bytes(labels.tobytes())
    with pytest.raises(DataError, match=r"l: expected one-hot.* in row 4 .*2 such rows"):
        read_labels(tmp_path / "l", 9)


@pytest.mark.parametrize("size", [0, 1, 12, 39, 41, 12 * 1001])
def test_invalid_sizes(tmp_path, size):
    (tmp_path / "l").write_bytes(bytes(size))
    with pytest.raises(DataError, match=r"expected 12 rows of labels.*120 bytes for 10"):
        read_labels(tmp_path / "l", 12)


def test_long_rows_are_shortened_in_messages(tmp_path):
    (tmp_path / "l").write_bytes(bytes(200))
    with pytest.raises(DataError, match="and 84 more in row 0"):
        read_labels(tmp_path / "l", 2)
