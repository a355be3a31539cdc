"""The engine reads nothing outside its arrays: each borders on a page without access."""

from __future__ import annotations

import os

import pytest
from kernel_cases import python

pytest.importorskip("numba")

COMPUTE = """
import ctypes, mmap, sys
import numpy as np
from engine_cases import *

libc = ctypes.CDLL(None, use_errno=True)
PAGE, kept = mmap.PAGESIZE, []

def fenced(array):
    # a copy that begins or ends (SIDE) at the edge of a page without access
    pages = -(-array.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    kept.append(memory)
    whole = np.frombuffer(memory, np.uint8)
    first = PAGE if SIDE == "begin" else (pages + 1) * PAGE - array.nbytes
    copy = whole[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    for page in (0, pages + 1):
        address = ctypes.c_void_p(whole.ctypes.data + page * PAGE)
        assert libc.mprotect(address, ctypes.c_size_t(PAGE), 0) == 0
    return copy

SIDE, *names = sys.argv[1:]
different = []

def compare(name, mine, theirs):
    if any(not np.array_equal(a, b) for a, b in zip(mine, theirs)):
        different.append(name)

for name in CONVOLUTIONS if names == ["all"] else DEFAULT_CONVOLUTIONS:
    case = CONVOLUTIONS[name]
    x, w, b = map(fenced, arrays(of(case, 2)))
    expected = conv2d(case, x, w, b, **NUMPY)
    compare(name, [conv2d(case, x, w, b)], [expected])
    given = fenced(expected - 3), x, w
    compare(name, conv2d_backward(case, *given), conv2d_backward(case, *given, **NUMPY))
for name in POOLED if names == ["all"] else DEFAULT_POOLED:
    pooled = POOLED[name]
    x, w, b = map(fenced, arrays(pooled.of(2).conv))
    expected = conv_pool(pooled, x, w, b, **NUMPY)
    compare(name, conv_pool(pooled, x, w, b), expected)
    given = (*map(fenced, expected), x, w)
    compare(name, conv_pool_backward(pooled, *given), conv_pool_backward(pooled, *given, **NUMPY))
rng = np.random.default_rng(0)
for D, U, dtype in ((37, 35, np.float32), (5, 17, np.float64)):
    for N in (3, 29):
        shapes = (N, D), (D, U), (U,), (N, U)
        x, w, b, dy = (fenced(rng.integers(-6, 7, shape).astype(dtype)) for shape in shapes)
        how, plain = {"algorithm": "tile", "backend": "numba"}, {"backend": "numpy"}
        compare((D, U), [kernels.dense(x, w, b, **how)], [kernels.dense(x, w, b, **plain)])
        mine, theirs = (kernels.dense_backward(dy, x, w, **each) for each in (how, plain))
        compare((D, U), mine, theirs)
print("read in bounds", different)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs mprotect")
@pytest.mark.parametrize("side", ["end", "begin"])
@pytest.mark.parametrize("names", [(), pytest.param(("all",), marks=pytest.mark.exhaustive)])
def test_no_kernel_reads_outside_its_arrays(side: str, names: tuple[str, ...]) -> None:
    done = python(COMPUTE, side, *names, seconds=600)
    assert done.stdout == "read in bounds []\n", done.stderr[-2000:]
