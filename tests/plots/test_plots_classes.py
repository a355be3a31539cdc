"""Accuracy of each class, and shares in the confusion matrix."""

import numpy as np
import pytest
from figure_reading import NAMES, texts

from minicnn import plots

MATRIX = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 3]])


def bars(figure):
    """(name, width) from top to bottom."""
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    return list(zip(names, [bar.get_width() for bar in axes.patches], strict=True))


def test_a_bar_is_the_accuracy_of_its_class():
    figure = plots.per_class_accuracy(MATRIX, ["cat", "dog", "owl"])
    assert bars(figure) == [("cat", 0.8), ("dog", 0.0), ("owl", 0.75)]
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top  # the first class is the uppermost
    words = texts(figure)
    assert {"80.0 %   8 of 10", "no samples", "75.0 %   3 of 4"} <= set(words)
    assert "78.57 % of 14 right" in words


def test_sorted_by_accuracy():
    figure = plots.per_class_accuracy(MATRIX, ["cat", "dog", "owl"], sort=True)
    assert [name for name, _ in bars(figure)] == ["owl", "cat", "dog"]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["75.0 %   3 of 4", "80.0 %   8 of 10", "no samples"]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_any_number_of_classes_with_any_names(count):
    matrix = np.random.default_rng(0).integers(0, 2000, (count, count))
    names = [f"{NAMES[i % 3]} {i}" for i in range(count)]
    figure = plots.per_class_accuracy(matrix, names, "by class")
    assert max(figure.get_size_inches()) < 20
    assert "by class" in texts(figure)


def test_no_samples_at_all():
    for draw in (plots.per_class_accuracy, plots.confusion_matrix):
        assert texts(draw(np.zeros((2, 2), int), ["a", "b"])).count("no samples") == 3
    texts(plots.confusion_matrix(np.zeros((2, 2), int), ["a", "b"], shares=True))


@pytest.mark.parametrize("draw", [plots.per_class_accuracy, plots.confusion_matrix])
@pytest.mark.parametrize(("shape", "names"), [((2, 3), "ab"), ((3, 3), "ab"), ((0, 0), "")])
def test_wrong_shapes(draw, shape, names):
    with pytest.raises(ValueError, match=rf"{draw.__name__}: expected .* received \({shape[0]}, "):
        draw(np.zeros(shape, int), list(names))


def test_shares_are_percentages_of_the_true_class():
    matrix = np.array([[990, 10, 0], [0, 5, 0], [1, 0, 2999]])
    figure = plots.confusion_matrix(matrix, ["cat", "dog", "owl"], shares=True)
    cells = {
        tuple(map(int, reversed(t.get_position()))): t.get_text() for t in figure.axes[0].texts
    }
    assert cells == {
        (0, 0): "99.0", (0, 1): "1.0", (1, 1): "100", (2, 0): "<0.1", (2, 2): ">99.9",
    }  # fmt: skip
    assert any("numbers: % of the true class" in word for word in texts(figure))


def test_the_colours_are_those_of_the_counts():
    matrix = np.random.default_rng(0).integers(0, 50, (5, 5))
    counts, shares = (plots.confusion_matrix(matrix, list("abcde"), shares=s) for s in (0, 1))
    np.testing.assert_array_equal(*(f.axes[0].images[0].get_array() for f in (counts, shares)))
