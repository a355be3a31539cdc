"""Turns, rounds and quartiles, with a simulated clock."""

import pytest

from bench.timing import MOST_CALLS, PAUSE, Effort, Quartiles, interleaved, once, quartiles


class Clock:
    """A clock that each call advances."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def work(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds

        return run

    def sleep(self, seconds):
        self.calls.append("pause")
        self.now += seconds


def measure(clock, competitors, effort):
    return interleaved(competitors, effort, clock=clock, sleep=clock.sleep)


def test_a_call_is_timed_by_the_clock():
    clock = Clock()
    found = measure(clock, {"a": clock.work("a", 0.5), "b": clock.work("b", 2.0)}, Effort(0, 3, 3))
    assert found["a"] == pytest.approx([0.5] * 3)
    assert found["b"] == pytest.approx([2.0] * 3)


def test_each_round_starts_with_the_next_competitor():
    clock = Clock()
    runs = {name: clock.work(name, 1.0) for name in "abc"}
    measure(clock, runs, Effort(0, 3, 3))
    warmup, turns = clock.calls[:6], clock.calls[6:]
    assert warmup == ["a", "a", "b", "b", "c", "c"]
    assert "".join(turns).replace("pause", "") == "abcbcacab"


def test_each_turn_begins_with_a_pause():
    clock = Clock()
    measure(clock, {"a": clock.work("a", 1.0)}, Effort(0, 2, 2))
    assert clock.calls[2:] == ["pause", "a", "pause", "a"]


def test_short_calls_are_repeated_after_an_unmeasured_one():
    clock = Clock()
    (seconds,) = measure(clock, {"a": clock.work("a", 0.001)}, Effort(0, 1, 1))["a"]
    assert seconds == pytest.approx(0.001)
    assert clock.calls[2:] == ["pause"] + ["a"] * (1 + 5)


def test_a_call_below_the_clocks_resolution_has_a_limit_of_repetitions():
    clock = Clock()
    measure(clock, {"a": clock.work("a", 0.0)}, Effort(0, 1, 1))
    assert clock.calls.count("a") == 2 + 1 + MOST_CALLS


def test_rounds_go_on_until_the_time_is_up():
    clock = Clock()
    found = measure(clock, {"a": clock.work("a", 1.0)}, Effort(seconds=10, least=2, most=100))
    assert len(found["a"]) == -(-10 // (1.0 + PAUSE))


def test_time_is_for_each_competitor():
    clock = Clock()
    runs = {name: clock.work(name, 1.0) for name in "ab"}
    found = measure(clock, runs, Effort(seconds=10, least=2, most=100))
    assert len(found["a"]) == 10


@pytest.mark.parametrize(("effort", "rounds"), [(Effort(0, 4, 9), 4), (Effort(1e9, 1, 7), 7)])
def test_there_is_a_least_and_a_most(effort, rounds):
    clock = Clock()
    assert len(measure(clock, {"a": clock.work("a", 1.0)}, effort)["a"]) == rounds


def test_quartiles():
    assert quartiles([5, 1, 3, 2, 4]) == Quartiles(2, 3, 4)
    assert quartiles([7]) == Quartiles(7, 7, 7)
    with pytest.raises(ValueError, match="expected at least one measurement, received none"):
        quartiles([])


def test_once():
    clock = Clock()
    assert once(clock.work("a", 3.0), clock) == 3.0
