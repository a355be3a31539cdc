import numpy as np
import pytest

from minicnn import DataError
from minicnn.data.labels import check_one_hot, check_size, one_hot, read_labels


def test_round_trip(tmp_path):
    labels = one_hot(np.array([2, 0, 1, 1]), 3)
    assert labels.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    (tmp_path / "l").write_bytes(labels.tobytes())
    assert (read_labels(tmp_path / "l", 4) == labels).all()


@pytest.mark.parametrize("row", [[0, 0, 0], [1, 1, 0], [2, 0, 0], [0, 255, 0], [1, 0, 2]], ids=str)
def test_rows_that_are_not_one_hot(row):
    labels = one_hot(np.arange(9) % 3, 3)
    labels[4] = labels[7] = row
    with pytest.raises(DataError, match=r"labels.bin: expected one-hot.* in row 4 .*2 such rows"):
        check_one_hot(labels, "labels.bin")


@pytest.mark.parametrize("size", [0, 1, 12, 39, 41, 12 * 1001])
def test_invalid_sizes(size):
    with pytest.raises(DataError, match=r"expected 12 rows of labels.*120 bytes for 10"):
        check_size(size, 12, "labels.bin")


def test_long_rows_are_shortened_in_messages():
    with pytest.raises(DataError, match="and 84 more in row 0"):
        check_one_hot(np.zeros((2, 100), np.uint8), "l")
