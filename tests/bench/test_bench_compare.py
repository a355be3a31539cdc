"""When a run counts as slower than an earlier one."""

import io

import pytest
from rich.console import Console

from bench import compare
from bench.compare import Change
from bench.report import Report, Row

MACHINE = {"processor": "CPU", "cpus": 2, "threads": 2, "vectors": "AVX2", "date": "2026-01-01"}


def made(*rows, **machine):
    return Report("conv", list(rows), environment=MACHINE | machine)


def measured(q1, median, q3, competitor="minicnn", case="a"):
    return Row(case, "total", competitor, q1, median, q3)


def shown(old, new):
    console = Console(width=120, record=True, file=io.StringIO())
    return compare.show(old, new, console), console.export_text()


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ((0.9, 1.0, 1.1), (1.2, 1.3, 1.4), "slower"),
        ((0.9, 1.0, 1.1), (1.05, 1.3, 1.4), "same"),  # the interquartile ranges overlap
        ((0.99, 1.0, 1.01), (1.02, 1.04, 1.05), "same"),  # less than 5 %
        ((0.99, 1.0, 1.01), (1.05, 1.06, 1.07), "slower"),
        ((1.2, 1.3, 1.4), (0.9, 1.0, 1.1), "faster"),
        ((1.05, 1.3, 1.4), (0.9, 1.0, 1.1), "same"),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), "same"),
    ],
)
def test_the_rule(old, new, verdict):
    assert Change(measured(*old), measured(*new)).verdict == verdict


def test_a_regression_of_ours_counts_and_is_marked():
    count, text = shown(made(measured(1, 1, 1)), made(measured(2, 2, 2)))
    assert count == 1
    assert "slower" in text
    assert "2.00" in text  # now / before
    assert "1 rows compared: 1 of minicnn slower" in text


def test_that_others_became_slower_is_shown_but_does_not_count():
    old = made(measured(1, 1, 1, "PyTorch NCHW"))
    count, text = shown(old, made(measured(2, 2, 2, "PyTorch NCHW")))
    assert count == 0
    assert "not minicnn's" in text


def test_what_is_the_same_is_not_listed():
    count, text = shown(made(measured(1, 1, 1)), made(measured(1, 1, 1)))
    assert count == 0
    assert "before" not in text


def test_rows_of_one_run_alone_are_counted_not_compared():
    old = made(measured(1, 1, 1), measured(1, 1, 1, case="gone"))
    count, text = shown(old, made(measured(1, 1, 1), measured(9, 9, 9, case="new")))
    assert count == 0
    assert "1 rows of the earlier run are not in this one" in text


@pytest.mark.parametrize("other", [{"processor": "Old CPU"}, {"threads": 1}, {"vectors": None}])
def test_another_machine_is_reported_and_compared_anyway(other):
    count, text = shown(made(measured(1, 1, 1), **other), made(measured(2, 2, 2)))
    assert "another machine or another number of threads" in text
    assert count == 1


def test_another_benchmark_is_reported():
    old = Report("train", [], environment=MACHINE)
    assert "another benchmark: train" in shown(old, made(measured(1, 1, 1)))[1]


def test_an_old_median_of_nothing():
    assert Change(measured(0, 0, 0), measured(1, 1, 1)).ratio == float("inf")
