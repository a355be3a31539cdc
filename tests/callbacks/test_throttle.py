import time

import pytest

from minicnn.callbacks.throttle import Throttle


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def work(throttle, clock, seconds):
    with throttle.working():
        clock[0] += seconds


def test_the_first_is_due_after_every_seconds(clock):
    throttle = Throttle(2.0)
    clock[0] += 1.99
    assert not throttle.due()
    clock[0] += 0.01
    assert throttle.due()
    assert throttle.due()  # until the work is done
    assert Throttle(0).due()


def test_short_work_is_due_after_every_seconds(clock):
    throttle = Throttle(2.0, 0.1)
    work(throttle, clock, 0.1)
    clock[0] += 1.99
    assert not throttle.due()
    clock[0] += 0.02
    assert throttle.due()


def test_work_that_fails_counts_too(clock):
    throttle = Throttle(0.0, 0.5)

    def fail():
        with throttle.working():
            clock[0] += 1
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    clock[0] += 1.9
    assert not throttle.due()
    clock[0] += 0.2
    assert throttle.due()


def test_begin_resets_it_and_its_group(clock):
    throttle = Throttle(2.0, 0.01)
    work(throttle, clock, 10.0)
    throttle.begin([Throttle(), Throttle()])
    throttle.begin([])
    clock[0] += 2.0
    assert throttle.due()


def test_a_group_shares_the_time(clock):
    group, throttles = [], [Throttle(1.0, 0.02) for _ in range(4)]
    for throttle in throttles:
        throttle.begin(group)
    begin, worked = clock[0], [0.0] * 4
    clock[0] += 15.9  # n² · every_seconds is 16
    assert not throttles[0].due()
    for _ in range(100_000):
        clock[0] += 0.01
        for number, throttle in enumerate(throttles):
            if throttle.due():
                work(throttle, clock, 0.05)
                worked[number] += 0.05
    shares = [seconds / (clock[0] - begin) for seconds in worked]
    assert all(0.0045 < share < 0.0051 for share in shares)
