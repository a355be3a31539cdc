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
def test_every_image_comes_once_before_any_comes_again(size, ns, seed):
    walk = cursor(size, seed)
    order = np.concatenate([walk.take(n) for n in ns])
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
def test_a_restored_cursor_goes_on_where_it_was(size, before, after):
    walk = cursor(size)
    for n in before:
        walk.take(n)
    state = json.loads(json.dumps(walk.state()))
    expected = [walk.take(n) for n in after]
    other = cursor(size, seed=99)
    other.take(3)
    other.set_state(state)
    for n, rows in zip(after, expected, strict=True):
        assert (other.take(n) == rows).all()


def test_reshuffles_on_wrapping_round():
    walk = cursor(1000)
    assert (walk.take(1000) != walk.take(1000)).any()


def test_seeds_differ():
    assert (cursor(1000, 0).take(1000) != cursor(1000, 1).take(1000)).any()


@pytest.mark.parametrize("n", [0, -1])
def test_wants_at_least_one(n):
    with pytest.raises(ValueError, match="the number of images >= 1"):
        cursor(5).take(n)


@pytest.mark.parametrize("n", [1.5, "3", None, True])
def test_wants_a_whole_number(n):
    with pytest.raises(TypeError, match="whole number"):
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
def test_a_foreign_state_is_refused_and_changes_nothing(change):
    walk, twin = cursor(5), cursor(5)
    with pytest.raises(ValueError, match="expected"):
        walk.set_state({**walk.state(), **change})
    assert (walk.take(20) == twin.take(20)).all()
