import numpy as np
import pytest

from minicnn.data.split import train_count


@pytest.mark.parametrize(
    ("split", "n", "manifest", "expected"),
    [
        ("standard", 65_000, None, 55_000),
        ("standard", 70_000, None, 60_000),
        ("standard", 1_000, None, 833),
        ("standard", 65_000, 10, 10),
        ("tutorial", 65_000, None, 54_166),
        ("tutorial", 65_000, 10, 54_166),
        ("tutorial", 70_000, None, 58_333),
        (0.5, 9, None, 4),
        (np.float32(0.25), 8, None, 2),
        (7, 9, 3, 7),
        (np.int64(8), 9, None, 8),
    ],
)
def test_counts(split, n, manifest, expected):
    assert train_count(split, n, manifest) == expected


@pytest.mark.parametrize("split", ["half", 0, 9, -1, 10, 0.0, 1.0, -0.5, 1.5, 0.01, float("nan")])
def test_invalid_splits(split):
    with pytest.raises(ValueError, match="expected"):
        train_count(split, 9)


def test_one_image_cannot_be_split():
    with pytest.raises(ValueError, match="at least one in each part"):
        train_count("standard", 1)


@pytest.mark.parametrize("split", [None, True, [1], b"standard"])
def test_wrong_types(split):
    with pytest.raises(TypeError, match="expected split"):
        train_count(split, 9)
