import time

import pytest

from minicnn.callbacks.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def work(pace, clock, seconds):
    with pace.working():
        clock[0] += seconds


def test_the_first_is_due_after_every_seconds(clock):
    pace = Pace(2.0)
    assert not pace.due()
    clock[0] += 1.99
    assert not pace.due()
    clock[0] += 0.01
    assert pace.due()
    assert pace.due()  # until it is done


def test_quick_work_comes_every_seconds(clock):
    pace = Pace(2.0, 0.1)
    work(pace, clock, 0.1)
    clock[0] += 1.99
    assert not pace.due()
    clock[0] += 0.02
    assert pace.due()


def test_slow_work_takes_its_share(clock):
    pace = Pace(0.0, 0.03)
    begin, worked = clock[0], 0.0
    for _ in range(10_000):
        clock[0] += 0.01
        if pace.due():
            work(pace, clock, 0.05)
            worked += 0.05
    assert 0.02 < worked / (clock[0] - begin) < 0.031


def test_work_that_fails_counts_too(clock):
    pace = Pace(0.0, 0.5)

    def fail():
        with pace.working():
            clock[0] += 1
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    clock[0] += 1.9
    assert not pace.due()
    clock[0] += 0.2
    assert pace.due()


def test_begin_forgets(clock):
    pace = Pace(1.0, 0.01)
    work(pace, clock, 10.0)
    pace.begin()
    clock[0] += 1.0
    assert pace.due()


def test_without_every_seconds_it_is_due_at_once(clock):
    assert Pace(0).due()


class Run:
    """The part of a State that a pace looks at."""

    def __init__(self):
        self.paces = []


def test_those_of_one_run_share_the_time(clock):
    run, paces = Run(), [Pace(1.0, 0.02) for _ in range(4)]
    for pace in paces:
        pace.begin(run)
    begin, worked = clock[0], [0.0] * 4
    for _ in range(100_000):
        clock[0] += 0.01
        for number, pace in enumerate(paces):
            if pace.due():
                work(pace, clock, 0.05)
                worked[number] += 0.05
    shares = [seconds / (clock[0] - begin) for seconds in worked]
    assert all(0.0045 < share < 0.0051 for share in shares)


def test_several_begin_late(clock):
    run, paces = Run(), [Pace(2.0) for _ in range(3)]
    for pace in paces:
        pace.begin(run)
    clock[0] += 17.9
    assert not any(pace.due() for pace in paces)
    clock[0] += 0.2
    assert all(pace.due() for pace in paces)


def test_another_run_is_another_beginning(clock):
    pace = Pace(2.0)
    for _ in range(3):
        pace.begin(Run())
    clock[0] += 2.0
    assert pace.due()
