"""The number of threads does not change results, and BLAS gets one thread during a kernel."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from kernel_cases import FAST, close, python
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from minicnn import kernels
from minicnn.kernels.batch_pieces import pieces, run

SetThreads = Callable[[int | None], None]


def everything(N: int, dtype: type) -> list[NDArray[Any]]:
    """The results of every kernel for a batch of N."""
    rng = np.random.default_rng(N)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((N, 9, 8, 3), (3, 3, 3, 5), (5,)))
    y = kernels.conv2d(x, w, b, padding="same")
    dy = rng.standard_normal(y.shape).astype(dtype)
    pooled, argmax = kernels.max_pool2d(x, 3, stride=2, padding="same")
    averaged = kernels.avg_pool2d(x, 3, stride=2, padding="same")
    cols = kernels.im2col(x, 3, stride=2)
    rows, matrix = y.reshape(N, -1), rng.standard_normal((9 * 8 * 5, 7)).astype(dtype)
    out = kernels.dense(rows, matrix, matrix[0])
    dx, dw, db = kernels.conv2d_backward(dy, x, w, padding="same")
    drows, dmatrix, dbias = kernels.dense_backward(out, rows, matrix)
    assert dx is not None
    assert drows is not None
    options: dict[str, Any] = {"stride": 2, "padding": "same"}
    matrices = (np.eye(2, 3) + 0.1 * rng.standard_normal((N, 2, 3))).astype(dtype)
    field = rng.standard_normal((N, 5, 5, 2)).astype(dtype)
    return [
        *(y, pooled, argmax, averaged, cols, out, dx, dw, db, drows, dmatrix, dbias),
        kernels.max_pool2d_backward(pooled, argmax, x.shape, 3, **options),
        kernels.avg_pool2d_backward(averaged, x.shape, 3, **options),
        kernels.col2im(cols, x.shape, 3, stride=2),
        kernels.warp(x, matrices, field),
    ]


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize(
    ("N", "dtype"),
    [pytest.param(31, np.float64, marks=pytest.mark.exhaustive), (300, np.float32)],
)
def test_every_kernel_gives_the_same_bits_with_1_2_or_5_threads(
    fast: str, N: int, dtype: type, threads: SetThreads
) -> None:
    with kernels.use_backend(fast):
        threads(1)
        expected = everything(N, dtype)
        for n in (2, 5):
            threads(n)
            for mine, theirs in zip(everything(N, dtype), expected, strict=True):
                assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("n", [0, 1, 15, 16, 31, 32, 33, 100, 255, 256, 257, 5000])
def test_pieces_cover_the_batch_once_in_order_and_are_never_many(n: int) -> None:
    parts = pieces(n)
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    assert len(parts) <= 16
    assert len(parts) >= 2 or n < 32
    assert all(part.stop > part.start for part in parts)


# ---- set_threads ----


@pytest.mark.parametrize("n", [1, 2, 7, np.int64(3)])
def test_set_threads_takes_whole_numbers(n: int, threads: SetThreads) -> None:
    threads(n)
    assert kernels.get_threads() == n
    assert type(kernels.get_threads()) is int


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "expected threads >= 1, received 0"),
        (-1, ValueError, "expected threads >= 1, received -1"),
        *((n, TypeError, "expected threads as a whole number, received") for n in (1.0, "2", True)),
    ],
)
def test_another_number_of_threads_is_refused(
    n: Any, error: type[Exception], message: str, threads: SetThreads
) -> None:
    threads(2)
    with pytest.raises(error, match=message):
        threads(n)
    assert kernels.get_threads() == 2


def test_none_means_minicnn_threads(threads: SetThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINICNN_THREADS", " 3 ")
    threads(None)
    assert kernels.get_threads() == 3


def test_without_minicnn_threads_none_means_all_processors_of_the_process(
    threads: SetThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unset in (None, ""):
        if unset is None:
            monkeypatch.delenv("MINICNN_THREADS", raising=False)
        else:
            monkeypatch.setenv("MINICNN_THREADS", unset)
        threads(None)
        own = getattr(os, "sched_getaffinity", None)
        assert kernels.get_threads() == (len(own(0)) if own else os.cpu_count())


@pytest.mark.parametrize("text", ["0", "-2", "1.5", "two", "²"])
def test_a_minicnn_threads_that_is_no_positive_whole_number_is_a_value_error(
    text: str, threads: SetThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINICNN_THREADS", text)
    with pytest.raises(ValueError, match=f"expected MINICNN_THREADS .*received '{text}'"):
        threads(None)


def test_minicnn_threads_is_read_at_the_first_use() -> None:
    done = python("from minicnn import kernels; print(kernels.get_threads())", MINICNN_THREADS="5")
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


# ---- errors, and several callers at once ----


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("failing", [0, 15])
def test_an_exception_in_any_piece_reaches_the_caller(
    fast: str, n: int, failing: int, threads: SetThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minicnn.kernels.backend import module

    class Boom(Exception):
        pass

    def broken(x: NDArray[Any], window: Any, y: NDArray[Any]) -> None:
        if x[0, 0, 0, 0] == failing:
            raise Boom(f"piece {failing}")

    threads(n)
    x = np.zeros((256, 2, 2, 1)) + np.repeat(np.arange(16.0), 16)[:, None, None, None]
    monkeypatch.setattr(module(fast), "avg_pool2d", broken)
    with pytest.raises(Boom, match=f"piece {failing}"):
        kernels.avg_pool2d(x, backend=fast)
    monkeypatch.undo()
    close(kernels.avg_pool2d(x, backend=fast), x[:, :1, :1])  # later calls work


def test_an_exception_is_raised_once_the_other_tasks_have_ended(threads: SetThreads) -> None:
    threads(2)
    ended, started = [], threading.Barrier(2, timeout=10)

    def fails() -> None:
        started.wait()
        raise KeyError("first")

    def slow() -> None:
        started.wait()
        time.sleep(0.05)
        ended.append(True)

    with pytest.raises(KeyError, match="first"):
        run([fails, slow])
    assert ended == [True]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_task_is_run_once(n: int, threads: SetThreads) -> None:
    threads(n)
    done: list[int] = []
    run([lambda i=i: done.append(i) for i in range(50)])  # type: ignore[misc]
    assert sorted(done) == list(range(50))
    run([])


def test_no_more_threads_work_than_were_set(threads: SetThreads) -> None:
    threads(2)
    working: list[int] = []
    lock, most = threading.Lock(), 0

    def task() -> None:
        nonlocal most
        with lock:
            working.append(1)
            most = max(most, len(working))
        time.sleep(0.002)
        with lock:
            working.pop()

    run([task] * 20)
    assert most == 2


@pytest.mark.parametrize("fast", FAST)
def test_several_python_threads_at_once_get_right_results(fast: str, threads: SetThreads) -> None:
    threads(3)
    with kernels.use_backend(fast):
        sizes = [40, 100, 33, 64, 40, 100, 33, 64]
        expected = {N: everything(N, np.float32) for N in set(sizes)}
        with ThreadPoolExecutor(4) as callers:
            results = list(callers.map(lambda N: everything(N, np.float32), sizes))
    for N, arrays in zip(sizes, results, strict=True):
        for mine, theirs in zip(arrays, expected[N], strict=True):
            assert mine.tobytes() == theirs.tobytes()


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("fast", FAST)
def test_blas_has_its_threads_back_after_a_kernel_even_one_that_failed(
    fast: str, threads: SetThreads
) -> None:
    threads(2)
    during: list[int] = []

    def looks() -> None:
        during.extend(blas_threads())

    def fails() -> None:
        raise KeyError

    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with kernels.use_backend(fast):
            everything(64, np.float32)
        assert blas_threads() == before
        with pytest.raises(KeyError):
            run([looks, fails, fails])
        assert blas_threads() == before
    assert set(during) == {1}


TWO_BLAS_THREADS = {f"{name}_NUM_THREADS": "2" for name in ("OPENBLAS", "MKL", "OMP", "BLIS")}
LIMITS = """
import json
import threading
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from minicnn import kernels
from minicnn.kernels.batch_pieces import run

kernels.set_threads(1)

def blas():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

def elsewhere(call, *given):
    thread = threading.Thread(target=call, args=given)
    thread.start()
    return thread

def in_any_thread(during):
    look = lambda: during.append(blas())
    run([look])
    elsewhere(run, [look]).join()
    elsewhere(run, [look]).join()
    run([look])

def overlapping(during, first_in_leaves_first):
    inside, leave, threads = threading.Event(), threading.Event(), []

    def long():
        inside.set()
        leave.wait(10)
        during.append(blas())

    def short():
        threads.append(elsewhere(run, [long]))
        inside.wait(10)
        during.append(blas())

    if first_in_leaves_first:
        run([short])
    else:
        threads.append(elsewhere(run, [long]))
        inside.wait(10)
        run([lambda: during.append(blas())])
    leave.set()
    threads[0].join()

def limited_elsewhere(during):
    with threadpool_limits(2, "blas"):
        before = blas()
        elsewhere(run, [lambda: during.append(blas())]).join()
        assert blas() == before

for example, options in [
    (in_any_thread, []), (overlapping, [True]), (overlapping, [False]), (limited_elsewhere, [])
]:
    before, during = blas(), []
    example(during, *options)
    print(example.__name__, *options, during, before, blas())

rng = np.random.default_rng(0)
x, w, dy = (
    rng.standard_normal(s).astype(np.float32)
    for s in ((200, 12, 12, 16), (3, 3, 16, 32), (200, 10, 10, 32))
)
results = []
compute = lambda: results.append(b"".join(a.tobytes() for a in kernels.conv2d_backward(dy, x, w)))
compute()
elsewhere(compute).join()
print(results[0] == results[1])
"""


def test_blas_has_one_thread_during_a_kernel_in_any_thread_and_then_its_own_again() -> None:
    """And the thread that calls changes no bit."""
    done = python(LIMITS, MINICNN_BACKEND="numpy", **TWO_BLAS_THREADS)
    assert done.stdout.splitlines() == [
        "in_any_thread [1, 1, 1, 1] 2 2",
        "overlapping True [1, 1] 2 2",
        "overlapping False [1, 1] 2 2",
        "limited_elsewhere [1] 2 2",
        "True",
    ], done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_after_use_goes_on_computing() -> None:
    """With NumPy; tests/kernels/test_engine_team.py does the same with Numba."""
    code = """
import os, warnings
import numpy as np
from minicnn import kernels

warnings.simplefilter("ignore")  # Python warns of forks in a process with threads
kernels.set_threads(3)
x, w = np.random.default_rng(0).standard_normal((100, 8, 8, 2)), np.ones((3, 3, 2, 4))
before = kernels.conv2d(x, w).tobytes() + kernels.max_pool2d(x)[0].tobytes()
child = os.fork()
after = kernels.conv2d(x, w).tobytes() + kernels.max_pool2d(x)[0].tobytes()
if child == 0:
    os._exit(0 if after == before else 1)
_, status = os.waitpid(child, 0)
print("child", os.waitstatus_to_exitcode(status), "parent", int(after != before))
"""
    done = python(code, MINICNN_BACKEND="numpy")
    assert done.stdout == "child 0 parent 0\n", done.stderr
