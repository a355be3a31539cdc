import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minicnn.layer_stats.array_stats import BINS, dead_share, histogram, measure, sample
from minicnn.strict_json import to_json

NUMBERS = ("mean", "std", "norm", "min", "max", "zeros")


def test_statistics_of_an_array():
    found = measure(np.array([[0.0, 3.0], [-4.0, 0.0]], np.float32))
    assert {name: found[name] for name in NUMBERS} == {
        "mean": -0.25, "std": 2.4875, "norm": 5, "min": -4, "max": 3, "zeros": 0.5
    }  # fmt: skip
    assert found["nonfinite"] == 0
    counts = found["histogram"]
    assert (len(counts), sum(counts), counts[0], counts[22], counts[-1]) == (40, 4, 1, 2, 1)


@given(
    npst.arrays(
        np.float64, npst.array_shapes(max_dims=3, max_side=6),
        elements=st.floats(-1e6, 1e6, allow_subnormal=False),
    )
)  # fmt: skip
def test_statistics_equal_those_of_numpy(array):
    found = measure(array)
    size = max(abs(array).max(), 1e-300)
    for name, value in (
        ("mean", array.mean()), ("std", array.std()), ("norm", np.linalg.norm(array)),
        ("min", array.min()), ("max", array.max()), ("zeros", (array == 0).mean()),
    ):  # fmt: skip
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5 * size)
    assert sum(found["histogram"]) == array.size


@given(npst.arrays(np.float64, st.integers(1, 50), elements=st.integers(-1000, 1000).map(float)))
def test_the_histogram_equals_that_of_numpy(x):
    low, high = x.min(), x.max()
    found = histogram(x, low, high)
    if low == high:
        assert found.tolist() == [len(x)] + [0] * (BINS - 1)
        return
    # a number on an edge may fall to either side
    edges = np.linspace(low, high, BINS + 1)
    for edge in range(1, BINS):
        below = np.count_nonzero(x < edges[edge] - 1e-9)
        assert below <= found[:edge].sum() <= np.count_nonzero(x < edges[edge] + 1e-9)
    assert found.sum() == len(x)


def test_nan_and_infinity_are_only_counted():
    array = np.array([1.0, np.nan, np.inf, 3.0, -np.inf], np.float32)
    found = measure(array)
    assert (found["nonfinite"], found["mean"], found["min"], found["max"]) == (3, 2, 1, 3)
    assert sum(found["histogram"]) == 2
    found = measure(np.full(3, np.nan))
    assert [found[name] for name in NUMBERS] == [None] * 6
    assert (found["nonfinite"], found["histogram"]) == (3, [0] * BINS)
    assert measure(np.empty((0, 3)))["nonfinite"] == 0


@pytest.mark.parametrize("value", [3e38, 1e-40, 1e308, 5e-324])
def test_extreme_numbers(value):
    dtype = np.float32 if 1e-45 < value < 3.4e38 else np.float64
    array = np.array([value, -value, 0.0], dtype)
    found = json.loads(to_json(measure(array)))
    assert (found["nonfinite"], sum(found["histogram"])) == (0, 3)


@pytest.mark.parametrize("shape", [(200, 30, 16), (70_000,), (9_000, 10), (300, 300, 3)])
def test_large_arrays_are_sampled_equally_in_all_channels(shape):
    rng = np.random.default_rng(0)
    array = rng.normal(size=shape).astype(np.float32) + np.arange(shape[-1]) % 7
    sampled = sample(array, 8192)
    assert 8192 // (2 * shape[-1] if shape[-1] < 100 else 2) < len(sampled) <= 8192
    channel = np.broadcast_to(np.arange(shape[-1]), shape)
    if shape[-1] < 100:
        counts = np.bincount(sample(channel, 8192))
        assert counts.max() - counts.min() <= 1
    found = measure(array)
    assert found["mean"] == pytest.approx(array.mean(), abs=0.05)
    assert found["norm"] == pytest.approx(np.linalg.norm(array), rel=0.02)


def test_a_nan_outside_of_the_sample_is_found():
    array = np.ones(100_000, np.float32)
    array[1] = np.nan
    assert measure(array)["nonfinite"] == 1


def test_dead_units():
    y = np.zeros((4, 5))
    y[2, 1] = 0.1
    assert dead_share(y) == pytest.approx(0.8)
    assert dead_share(np.zeros((2, 3, 3, 8))) == 1
    maps = np.zeros((2, 3, 3, 2))
    maps[1, 2, 2, 0] = 1e-20
    maps[0, 0, 0, 1] = np.nan  # is not 0
    assert dead_share(maps) == 0
