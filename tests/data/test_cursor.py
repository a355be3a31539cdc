import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.data.cursor import Cursor

sizes = st.integers(1, 40)
takes = st.lists(st.integers(1, 90), min_size=1, max_size=8)


def cursor(size: int, seed: int = 0) -> Cursor:
    return Cursor(size, np.random.SeedSequence(seed))


@given(sizes, takes, st.integers(0, 2**32))
@settings(max_examples=60)
def test_every_index_comes_once_before_any_comes_again(size, ns, seed):
    indices = cursor(size, seed)
    order = np.concatenate([indices.take(n) for n in ns])
    assert len(order) == sum(ns)
    assert order.dtype == np.int64
    for start in range(0, len(order) - size + 1, size):
        assert sorted(order[start : start + size]) == list(range(size))
    last = order[len(order) - len(order) % size :]
    assert len(set(last)) == len(last)


@given(sizes, takes, takes)
@settings(max_examples=60)
def test_batch_sizes_do_not_change_the_order(size, ns, ms):
    a, b = cursor(size), cursor(size)
    left = np.concatenate([a.take(n) for n in ns])
    right = np.concatenate([b.take(m) for m in ms])
    common = min(len(left), len(right))
    assert (left[:common] == right[:common]).all()


@given(sizes, takes, takes)
@settings(max_examples=60)
def test_restoring_a_state(size, before, after):
    indices = cursor(size)
    for n in before:
        indices.take(n)
    state = json.loads(json.dumps(indices.state()))
    expected = [indices.take(n) for n in after]
    other = cursor(size, seed=99)
    other.take(3)
    other.set_state(state)
    for n, rows in zip(after, expected, strict=True):
        assert (other.take(n) == rows).all()


def test_each_permutation_is_different():
    indices = cursor(1000)
    assert (indices.take(1000) != indices.take(1000)).any()


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_invalid_numbers(n, error):
    with pytest.raises(error, match="expected the number of images"):
        cursor(5).take(n)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 6},
        {"position": 6},
        {"position": -1},
        {"position": "x"},
        {"generator": {}},
        {"generator": None},
        {"generator": {"bit_generator": "MT19937"}},
    ],
)
def test_an_invalid_state_changes_nothing(change):
    changed, same = cursor(5), cursor(5)
    with pytest.raises(ValueError, match="expected"):
        changed.set_state({**changed.state(), **change})
    assert (changed.take(20) == same.take(20)).all()
