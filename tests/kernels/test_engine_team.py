"""The team of threads: each piece is computed once, by any thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from kernel_cases import python

pytest.importorskip("numba")

from numba import njit

from minicnn.kernels.engine.threads import atomic, team, work_sharing
from minicnn.kernels.engine.threads.work_sharing import share
from minicnn.kernels.jit import inlined

SetThreads = Callable[[int | None], None]
compiled = njit(nogil=True, error_model="numpy")

LONG, SHORT = 2_000_000, 1000  # spins: a tenth of a second; almost none


@inlined
def _count(number, counts):  # type: ignore[no-untyped-def]
    counts[number] += 1


@compiled
def count(words, counts):  # type: ignore[no-untyped-def]
    """counts[i] += 1, a piece each."""
    share(words, len(counts), _count, (counts,))


@inlined
def _wait_for_all(number, started, met, spins):  # type: ignore[no-untyped-def]
    atomic.add(started, 0, 1)
    while atomic.load(started, 0) < len(met) and spins > 0:
        atomic.pause()
        spins -= 1
    met[number] = atomic.load(started, 0) == len(met)


@compiled
def meet(words, met, spins):  # type: ignore[no-untyped-def]
    """met[i] = whether the other pieces began before piece i ended; it waits for `spins` spins."""
    started = np.zeros(1, np.int64)
    share(words, len(met), _wait_for_all, (started, met, spins))


def side_by_side(n: int, call: Callable[..., None] = team.call) -> bool:
    """Whether n pieces run at the same time in one of 100 calls (a sleeping helper misses some)."""
    for _ in range(100):
        met = np.zeros(n, np.bool_)
        call(meet, met, LONG)
        if met.all():
            return True
    return False


def one_by_one(n: int, call: Callable[..., None] = team.call) -> bool:
    """Whether n pieces run one after the other."""
    met = np.zeros(n, np.bool_)
    call(meet, met, SHORT)
    return int(met.sum()) == 1  # the last one


@inlined
def _take_memory(number, sizes, done):  # type: ignore[no-untyped-def]
    buffer = np.empty(sizes[number], np.uint8)
    done[number] = len(buffer)


@compiled
def take_memory(words, sizes, done):  # type: ignore[no-untyped-def]
    """done[i] = sizes[i], after allocating as many bytes."""
    share(words, len(sizes), _take_memory, (sizes, done))


def helpers() -> set[threading.Thread]:
    """The living threads of all teams."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("minicnn-")}


def wait_until(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it becomes true within `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


# ---- sharing ----


@pytest.mark.parametrize("threads_used", [1, 2, 5])
def test_every_piece_is_run_once(threads_used: int, threads: SetThreads) -> None:
    threads(threads_used)
    for n in (0, 1, 2, 3, 16, 1000):
        counts = np.zeros(n, np.int64)
        for _ in range(50):
            team.call(count, counts)
        assert (counts == 50).all(), n


def test_as_many_pieces_run_side_by_side_as_there_are_threads(threads: SetThreads) -> None:
    for n in (2, 3):
        threads(n)
        assert all(side_by_side(n) for _ in range(3))


def test_with_one_thread_pieces_run_one_after_the_other(threads: SetThreads) -> None:
    threads(1)
    assert one_by_one(3)


def test_call_alone_runs_on_the_calling_thread(threads: SetThreads) -> None:
    threads(2)
    assert side_by_side(2)  # a helper is awake
    assert one_by_one(2, team.call_alone)


def test_helpers_fall_asleep_and_wake_for_the_next_call(threads: SetThreads) -> None:
    threads(3)
    for _ in range(3):
        counts = np.zeros(100, np.int64)
        team.call(count, counts)
        assert (counts == 1).all()
        current = team._current_team()
        assert wait_until(lambda words=current.words: words[work_sharing.ASLEEP] == 2)
        time.sleep(0.02)
        assert side_by_side(3)


# ---- errors ----


@pytest.mark.parametrize("threads_used", [1, 2])
@pytest.mark.parametrize("failing", [0, 3, 9])
def test_a_piece_without_memory_raises_memory_error_and_the_others_finish(
    threads_used: int, failing: int, threads: SetThreads
) -> None:
    threads(threads_used)
    sizes, done = np.full(10, 8), np.zeros(10, np.int64)
    sizes[failing] = 1 << 60
    with pytest.raises(MemoryError, match="a kernel could not get the memory it needs"):
        team.call(take_memory, sizes, done)
    assert np.delete(done, failing).tolist() == [8] * 9
    assert done[failing] == 0
    sizes[failing] = 8
    team.call(take_memory, sizes, done)  # later calls work
    assert done.tolist() == [8] * 10


# ---- helpers ----


def test_another_number_of_threads_replaces_the_helpers(
    threads: SetThreads,
) -> None:
    counts = np.zeros(10, np.int64)
    threads(3)
    team.call(count, counts)
    before = helpers()
    threads(2)
    team.call(count, counts)
    after = helpers() - before
    assert len(after) == 1
    assert all(thread.daemon for thread in after)
    assert wait_until(lambda: not any(thread.is_alive() for thread in before))
    threads(1)
    team.call(count, counts)
    assert wait_until(lambda: not helpers())
    assert (counts == 3).all()


# ---- several callers at once ----


def test_a_kernel_runs_alone_while_the_team_is_busy(threads: SetThreads) -> None:
    threads(2)
    assert side_by_side(2)
    with team._busy:
        assert one_by_one(2)
        counts = np.zeros(100, np.int64)
        team.call(count, counts)
    assert (counts == 1).all()
    assert side_by_side(2)


MANY_CALLERS = """
import sys, threading
import numpy as np
from minicnn import kernels

sys.setswitchinterval(1e-5)
kernels.set_threads(2)
rng = np.random.default_rng(0)
w = rng.integers(-6, 7, (37, 35)).astype(np.float32)
sizes = (300, 500, 700, 3) if SHARED else (3, 2, 1, 4)
xs = [rng.integers(-6, 7, (n, 37)).astype(np.float32) for n in sizes]
expected = [x @ w for x in xs]
kernels.dense(xs[0], w, algorithm="tile", backend="numba")
wrong = []

def caller(x, y):
    for _ in range(200):
        if not np.array_equal(kernels.dense(x, w, algorithm="tile", backend="numba"), y):
            wrong.append(len(x))

callers = [threading.Thread(target=caller, args=pair) for pair in zip(xs, expected)]
for thread in callers:
    thread.start()
for thread in callers:
    thread.join()
print(wrong)
"""


@pytest.mark.parametrize("shared", [True, pytest.param(False, marks=pytest.mark.exhaustive)])
def test_concurrent_calls_from_several_threads_are_correct(shared: bool) -> None:
    done = python(MANY_CALLERS.replace("SHARED", str(shared)), seconds=30)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


# ---- processes ----

BEGIN = """
import os, sys, time, warnings
import numpy as np
from minicnn import kernels

kernels.set_threads(3)
x, w = np.ones((300, 37), np.float32), np.ones((37, 35), np.float32)

def right():
    return bool((kernels.dense(x, w, algorithm="tile", backend="numba") == 37).all())

assert right()
"""


def test_helpers_compile_nothing() -> None:
    """A helper that compiles holds Numba's lock; a child forked meanwhile would wait forever."""
    code = """
import threading
from minicnn.kernels.engine.threads import work_sharing

right = []
start = threading.Thread.start

def watched(thread):
    compiled = work_sharing.help_until_idle.signatures, work_sharing.take_sleepers.signatures
    right.append(all(compiled))
    start(thread)

threading.Thread.start = watched
kernels.set_threads(3)
kernels.dense(x, w, algorithm="tile", backend="numba")
print(right)
"""
    begin = BEGIN.replace("kernels.set_threads(3)", "kernels.set_threads(1)")
    done = python(begin + code)
    assert done.stdout == "[True, True]\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_after_use_has_its_own_team() -> None:
    code = """
warnings.simplefilter("ignore")  # Python warns of forks in a process with threads
child = os.fork()
if child == 0:
    os._exit(0 if right() and right() else 1)
after = right()
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), after)
"""
    done = python(BEGIN + code)
    assert done.stdout == "0 True\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_the_team_is_busy_can_call_kernels() -> None:
    code = """
import threading
from minicnn.kernels.engine.threads import team

warnings.simplefilter("ignore")
taken, leave = threading.Event(), threading.Event()

def hold():
    with team._busy:
        taken.set()
        leave.wait(30)

holder = threading.Thread(target=hold)
holder.start()
taken.wait(30)
child = os.fork()
if child == 0:
    os._exit(0 if right() and not team._busy.locked() else 1)
leave.set()
holder.join()
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), right())
"""
    done = python(BEGIN + code)
    assert done.stdout == "0 True\n", done.stderr


@pytest.mark.parametrize(
    ("last_line", "code"),
    [
        ("pass  # the helpers are awake", 0),
        pytest.param("time.sleep(0.1)  # the helpers sleep", 0, marks=pytest.mark.exhaustive),
        pytest.param("kernels.set_threads(2); right()", 0, marks=pytest.mark.exhaustive),
        ("raise KeyError('the end')", 1),
    ],
)
def test_a_process_with_a_team_ends_at_once(last_line: str, code: int) -> None:
    done = python(BEGIN + last_line, seconds=30)
    assert done.returncode == code, done.stderr
    assert done.stderr.endswith("KeyError: 'the end'\n" if code else "")
