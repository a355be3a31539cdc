"""What fit trains on: checks, splits and orders."""

from itertools import islice

import numpy as np
import pytest

from minicnn.batches import Batches, Samples, samples

FLOAT = np.dtype("float32")


def make(n=10, **options):
    x = np.arange(n * 4.0).reshape(n, 4)
    return samples(x, options.pop("y", np.arange(n)), (4,), FLOAT, **options)


def first(n, batch_size, count, rng=None):
    batches = islice(Batches(n, batch_size, rng), count)
    return [np.arange(n)[rows].tolist() for rows in batches]


def test_without_a_generator_the_order_is_the_one_given_for_ever():
    assert first(5, 2, 5) == [[0, 1], [2, 3], [4], [0, 1], [2, 3]]


def test_a_batch_may_be_the_whole_or_more_than_the_whole():
    assert first(3, 3, 2) == first(3, 9, 2) == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("rows", [slice(2, 5), np.array([7, 0, 3])])
def test_take_gives_the_rows_in_the_models_dtype_and_targets_as_they_are(rows):
    data = make(sample_weight=np.arange(10.0))
    x, y, weight = data.take(rows)
    np.testing.assert_array_equal(x, np.arange(40.0).reshape(10, 4)[rows])
    np.testing.assert_array_equal(y, np.arange(10)[rows])
    np.testing.assert_array_equal(weight, np.arange(10.0)[rows])
    assert (x.dtype, weight.dtype, y.dtype) == (FLOAT, FLOAT, np.arange(10).dtype)
    assert x.flags.c_contiguous


def test_without_targets_and_weights_there_are_none():
    x, y, weight = make(y=None).take(slice(0, 2))
    assert x.shape == (2, 4)
    assert y is None
    assert weight is None


@pytest.mark.parametrize(("n", "share", "cut"), [(10, 0.2, 8), (10, 0.25, 7), (7, 0.5, 3)])
def test_a_split_holds_out_the_last_share(n, share, cut):
    """Keras: split_at = floor(N · (1 - share))."""
    held = make(n, sample_weight=np.arange(n) / 2).split(share)
    assert [len(part) for part in held] == [cut, n - cut]
    rows = np.arange(n * 4.0).reshape(n, 4)
    for part, expected in zip(held, (slice(0, cut), slice(cut, n)), strict=True):
        assert isinstance(part, Samples)
        x, y, weight = part.take(slice(None))
        np.testing.assert_array_equal(x, rows[expected])
        np.testing.assert_array_equal(y, np.arange(n)[expected])
        np.testing.assert_array_equal(weight, np.arange(n)[expected] / 2)


def test_both_parts_of_a_split_gather_by_slice_and_by_index():
    for part, start in zip(make().split(0.4), (0, 6), strict=True):
        rows = np.arange(len(part)) + start
        for wanted in (slice(1, 3), slice(2, 99), slice(None), np.array([3, 0, 1])):
            np.testing.assert_array_equal(part.take(wanted)[1], rows[wanted])
            np.testing.assert_array_equal(part.take(wanted)[0][:, 0], rows[wanted] * 4)


def test_a_split_neither_copies_nor_reads_x():
    class Untouchable:
        shape = (10, 4)

        def __len__(self):
            return 10

        def __getitem__(self, rows):
            raise AssertionError("x was read")

    data = samples(Untouchable(), np.arange(10), (4,), FLOAT)
    assert [len(part) for part in data.split(0.3)] == [7, 3]


def test_a_share_outside_0_to_1_or_that_leaves_a_part_empty_is_refused():
    for share in (-0.1, 0, 1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="0 < validation_split < 1"):
            make().split(share)
    for n, share in ((10, 0.95), (1, 0.5)):
        with pytest.raises(ValueError, match="samples on both sides"):
            make(n).split(share)


@pytest.mark.parametrize(
    "y",
    [
        np.array([[2], [0], [1], [2]]),
        np.eye(3)[[2, 0, 1, 2]],
        np.eye(3, dtype=np.uint8)[[2, 0, 1, 2]],
        [2, 0, 1, 2],
    ],
)
def test_class_weights_are_looked_up_by_class(y):
    table = {0: 0.5, 1: 3.0, 2: 7.0, 9: 1.0}  # a class that does not occur does no harm
    data = samples(np.zeros((4, 4)), y, (4,), FLOAT).weighted(table)
    np.testing.assert_allclose(data.take(slice(None))[2], [table[c] for c in (2, 0, 1, 2)])


def test_class_weights_multiply_sample_weights_of_a_copy():
    data = make(4, y=[0, 1, 1, 0], sample_weight=[1, 2, 3, 4])
    weighted = data.weighted({0: 10, 1: 100})
    np.testing.assert_allclose(weighted.take(slice(None))[2], [10, 200, 300, 40])
    np.testing.assert_array_equal(data.take(slice(None))[2], [1, 2, 3, 4])


def test_class_weights_need_targets_and_a_weight_for_each_class():
    with pytest.raises(ValueError, match="class_weight"):
        make(y=None).weighted({0: 1.0})
    with pytest.raises(ValueError, match=r"class_weight.*\[2\]"):
        make(3, y=[0, 1, 2]).weighted({0: 10, 1: 100})


def test_targets_need_a_sample_axis():
    with pytest.raises(ValueError, match=r"10"):
        make(y=3)
