"""The engine reads nothing beside its arrays: each lies against a page that nobody may touch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

COMPUTE = """
import ctypes, mmap, sys
import numpy as np
from engine_cases import *

libc = ctypes.CDLL(None, use_errno=True)
PAGE, kept = mmap.PAGESIZE, []

def fenced(array):
    # a copy that begins (or, as SIDE says, ends) at the edge of pages that nobody may touch
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

SIDE = sys.argv[1]
different = []

def compare(name, mine, theirs):
    if any(not np.array_equal(a, b) for a, b in zip(mine, theirs)):
        different.append(name)

for name, case in CONVOLUTIONS.items():
    x, w, b = map(fenced, arrays(of(case, 2)))
    expected = conv2d(case, x, w, b, **NUMPY)
    compare(name, [conv2d(case, x, w, b)], [expected])
    given = fenced(expected - 3), x, w
    compare(name, conv2d_backward(case, *given), conv2d_backward(case, *given, **NUMPY))
for name, pooled in POOLED.items():
    x, w, b = map(fenced, arrays(pooled.of(2).conv))
    expected = conv_pool(pooled, x, w, b, **NUMPY)
    compare(name, conv_pool(pooled, x, w, b), expected)
    given = (*map(fenced, expected), x, w)
    compare(name, conv_pool_backward(pooled, *given), conv_pool_backward(pooled, *given, **NUMPY))
rng = np.random.default_rng(0)
for D, U, dtype in ((37, 35, np.float32), (5, 17, np.float64), (130, 1, np.float32)):
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
def test_no_kernel_reads_beside_the_arrays_that_it_is_given(side: str) -> None:
    here = Path(__file__).parent
    folders = [str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", COMPUTE, side],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "read in bounds []\n", done.stderr[-2000:]
