"""Helper functions of single benchmarks."""

import argparse

import pytest

from bench import accuracy, child, memory, scaling
from bench.agreement import Disagreement
from bench.timing import Stopwatch


def test_stopwatch_adds_up_a_step():
    now = [0.0]

    class Worker:
        def work(self, seconds):
            now[0] += seconds
            return seconds

    worker = Worker()
    watch = Stopwatch(lambda: now[0])
    watch.watch(worker, "work", "work")

    def step():
        worker.work(2.0)
        now[0] += 0.5
        return worker.work(1.0)

    assert watch.step(step, "rest") == 1.0
    assert watch.steps == [{"work": 3.0, "rest": 0.5}]


def test_threads_up_to():
    assert scaling.threads_up_to(1) == [1]
    assert scaling.threads_up_to(2) == [1, 2]
    assert scaling.threads_up_to(6) == [1, 2, 4, 6]


def test_when_an_accuracy_was_reached():
    curve = [(1.0, 0.9), (2.0, 0.985), (3.0, 0.97)]
    assert accuracy.reached(curve, 0.98) == 2.0
    assert accuracy.reached(curve, 0.99) is None


@pytest.mark.parametrize("text", ["0", "1", "98", "-0.5", "nan", "high"])
def test_an_accuracy_is_a_share(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"expected a share such as 0\.98"):
        accuracy.share(text)


def test_unequal_accuracies_are_a_disagreement():
    accuracy.check({"a": [[(1.0, 0.98)]], "b": [[(2.0, 0.981)]]})
    with pytest.raises(Disagreement, match="expected equal accuracies"):
        accuracy.check({"a": [[(1.0, 0.98)]], "b": [[(2.0, 0.95)]]})


def test_unequal_losses_are_a_disagreement_unless_there_is_dropout():
    memory.check("here", {"a": 2.3, "b": 2.301}, "course")
    memory.check("here", {"a": 2.3, "b": 2.5}, "node")
    with pytest.raises(Disagreement, match=r"expected a loss of 2\.3, b has 2\.5"):
        memory.check("here", {"a": 2.3, "b": 2.5}, "course")


def test_a_program_that_fails_says_why():
    with pytest.raises(child.ChildFailed, match="nonexistent"):
        list(child.run("bench.nonexistent"))


def test_peak_memory_is_that_of_this_program():
    assert 10 < child.peak_memory_mib() < 100_000
