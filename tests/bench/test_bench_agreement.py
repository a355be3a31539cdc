"""Competitors that disagree are never timed."""

import numpy as np
import pytest

from bench.agreement import Disagreement, check_alike, exact_random


def test_equal_arrays_agree():
    a = {"y": np.arange(4.0)}
    check_alike("here", a, {"y": np.arange(4.0)})
    check_alike("here", a, {"y": np.arange(4.0) + 1e-6})
    check_alike("here", {"y": np.empty(0)}, {"y": np.empty(0)})


@pytest.mark.parametrize(
    ("received", "message"),
    [
        ({"y": np.arange(4.0) + 0.1}, "here, y: off by 0.1"),
        ({"y": np.array([0, 1, 2, np.nan])}, "off by nan"),
        ({"y": np.arange(5.0)}, "expected shape"),
        ({"x": np.arange(4.0)}, r"expected \['y'\], received \['x'\]"),
    ],
)
def test_others_do_not(received, message):
    with pytest.raises(Disagreement, match=message):
        check_alike("here", {"y": np.arange(4.0)}, received)


def test_sums_of_exact_numbers_do_not_depend_on_their_order(rng):
    a, b = exact_random(rng, (100_000,)), exact_random(rng, (100_000,))
    assert a.dtype == np.float32
    assert set(np.unique(a)) == {-0.75, -0.25, 0.25, 0.75}
    products = a * b
    total = np.add.accumulate(products)[-1]
    assert total == np.add.accumulate(products[::-1])[-1]
    assert total == np.dot(a.astype(np.float64), b.astype(np.float64))
