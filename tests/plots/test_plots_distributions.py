"""Histograms of values, and of a layer over the epochs."""

import math

import numpy as np
import pytest
from figure_reading import texts

from minicnn import plots

NAN, INF = math.nan, math.inf


def facts(figure):
    words = [t.get_text() for t in figure.axes[1].texts]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_statistics():
    values = np.array([[0.0, 1.0, 2.0, 3.0], [NAN, INF, -INF, -2.0]])
    assert facts(plots.values_distribution(values)) == {
        "count": "8", "shape": "(2, 4)", "min": "-2", "max": "3", "mean": "0.8",
        "std": f"{np.std([0, 1, 2, 3, -2]):.4g}", "zeros": "1 (12.5 %)",
        "NaN": "1 (12.5 %)  !", "infinite": "2 (25.0 %)  !",
    }  # fmt: skip


def test_the_bars_hold_every_finite_value_except_zeros():
    values = np.random.default_rng(0).standard_normal(1000)
    values[:300] = 0
    axes = plots.values_distribution(values, bins=20).axes[0]
    stairs, zeros = axes.patches
    counts, edges, _ = stairs.get_data()
    assert counts.sum() == 700
    assert len(counts) == 20
    np.testing.assert_allclose([edges[0], edges[-1]], [values.min(), values.max()])
    assert zeros.get_hatch()
    assert zeros.get_x() < 0 < zeros.get_x() + zeros.get_width()


def test_a_tall_bar_of_zeros_is_cut():
    values = np.concatenate([np.zeros(100_000), np.linspace(0.1, 1, 100)])
    figure = plots.values_distribution(values, "relu", bins=10)
    axes = figure.axes[0]
    assert axes.get_ylim()[1] < 20
    assert "100,000 zeros (bar cut)" in texts(figure)
    assert axes.get_title(loc="left") == "relu"


@pytest.mark.parametrize(
    "values",
    [
        [5.0], [0.0], [0, 0], [NAN], [INF, -INF, NAN], [True, False], [1, 2, 3], [1e308, -1e308],
        [5e-324, 1e-323], [-0.0, 1e-300], [3.0, 3.0 + 1e-15], np.float32([1e38, -1e38, 0]),
        np.zeros((2, 0)), np.uint8([0, 255]), [-1, -2, 0],
    ],
)  # fmt: skip
def test_any_values_can_be_drawn(values):
    assert texts(plots.values_distribution(np.asarray(values)))


def test_no_values_and_no_finite_values():
    assert texts(plots.values_distribution(np.zeros((3, 0)), "w")) == ["w", "no values"]
    assert "no finite value" in texts(plots.values_distribution(np.array([NAN])))


def test_wrong_bins():
    with pytest.raises(ValueError, match="bins >= 1, received 0"):
        plots.values_distribution(np.ones(3), bins=0)


# ---- over the epochs -----------------------------------------------------------------------

EDGES = np.linspace(-1, 1, 21)


def counted(epochs):
    rng = np.random.default_rng(0)
    return np.array([np.histogram(0.1 * (e + 1) * rng.standard_normal(500), EDGES)[0]
                     for e in range(epochs)])  # fmt: skip


def epochs_of(figure):
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_a_ridge_for_each_epoch_with_its_median():
    counts = np.array([[0, 4, 0, 0], [0, 0, 0, 4], [1, 1, 1, 1]])
    figure = plots.layer_histograms(np.arange(5.0), counts, [10, 20, 30], "w", xlabel="weight")
    (axes,) = figure.axes
    assert epochs_of(figure) == ["10", "20", "30"]
    medians = [(x, y) for line in axes.lines if line.get_marker() == "o"
               for x, y in [(float(line.get_xdata()[0]), float(line.get_ydata()[0]))]]  # fmt: skip
    assert medians == [(1.5, 0), (3.5, 1), (2.0, 2)]
    assert axes.get_xlabel() == "weight"
    assert "w" in texts(figure)


def test_edges_of_each_epoch():
    counts = np.array([[1, 2, 1], [1, 2, 1]])
    axes = plots.layer_histograms(np.array([[0, 1, 2, 3], [10, 11, 12, 13]]), counts).axes[0]
    low, high = axes.get_xlim()
    assert low < 0 < 13 < high


def test_at_most_twenty_epochs():
    figure = plots.layer_histograms(EDGES, counted(101))
    drawn = epochs_of(figure)
    assert len(drawn) == 20
    assert (drawn[0], drawn[-1]) == ("1", "101")


def test_no_epochs_yet():
    assert texts(plots.layer_histograms(EDGES, np.zeros((0, 20)), title="w")) == [
        "w", "no epochs yet",
    ]  # fmt: skip


def test_an_epoch_without_values_says_so():
    edges = np.array([EDGES, np.full(21, NAN), EDGES])
    counts = counted(3)
    counts[2] = 0
    assert texts(plots.layer_histograms(edges, counts)).count("no values") == 2
    assert texts(plots.layer_histograms(EDGES, 0 * counts)).count("no values") == 3
    texts(plots.layer_histograms(np.zeros(21), counts))  # all values are alike


@pytest.mark.parametrize(
    ("edges", "counts", "message"),
    [
        (np.arange(4), np.ones((2, 4)), r"received \(2, 4\) and \(4,\)"),
        (np.zeros((3, 5)), np.ones((2, 4)), r"received \(2, 4\) and \(3, 5\)"),
        (np.arange(5), np.ones(4), r"received \(4,\)"),
        (np.arange(5), -np.ones((2, 4)), "counts >= 0"),
        (-np.arange(5), np.ones((2, 4)), "edges that rise"),
    ],
)
def test_wrong_shapes(edges, counts, message):
    with pytest.raises(ValueError, match=message):
        plots.layer_histograms(edges, counts)
    with pytest.raises(ValueError, match=r"expected 2 epochs, received \(3,\)"):
        plots.layer_histograms(np.arange(5), np.ones((2, 4)), [1, 2, 3])
