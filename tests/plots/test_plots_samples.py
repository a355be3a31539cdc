"""Samples with predictions."""

import numpy as np
import pytest
from figure_reading import NAMES, texts

from minicnn import plots

IMAGES = np.full((4, 5, 5, 1), 0.5)
TRUE, PREDICTED = np.array([0, 1, 2, 1]), np.array([0, 2, 2, 0])


def captions(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def framed(figure):
    """(x, y) of the framed images' upper left corners."""
    return [patch.get_xy() for patch in figure.axes[0].patches]


def corners(figure):
    return [(image.get_extent()[0], image.get_extent()[3]) for image in figure.axes[0].images]


def test_wrong_predictions_are_framed_and_marked():
    figure = plots.samples(IMAGES, TRUE, ["cat", "dog", "owl"], predicted=PREDICTED)
    assert captions(figure) == ["✓ cat", "✗ owl\nis dog", "✓ owl", "✗ cat\nis dog"]
    assert framed(figure) == [corners(figure)[1], corners(figure)[3]]
    assert "2 of 4 right" in texts(figure)


def test_predictions_from_probabilities():
    chances = np.full((4, 3), 0.1)
    chances[range(4), PREDICTED] = 0.8
    figure = plots.samples(IMAGES, TRUE, ["cat", "dog", "owl"], "some", probabilities=chances)
    assert captions(figure)[1] == "✗ owl (80 %)\nis dog"
    assert "some" in texts(figure)
    alone = plots.samples(
        IMAGES, TRUE, ["cat", "dog", "owl"], predicted=PREDICTED, probabilities=[0.8] * 4
    )
    assert captions(alone) == captions(figure)


def test_without_predictions_nothing_is_framed():
    figure = plots.samples(IMAGES, TRUE, ["cat", NAMES[1], "owl"])
    assert captions(figure) == ["cat", NAMES[1], "owl", NAMES[1]]
    texts(figure)
    assert framed(figure) == []


def test_wrong_arguments():
    with pytest.raises(ValueError, match="received 4 images, 4 labels, 3 predicted"):
        plots.samples(IMAGES, TRUE, NAMES, predicted=[0, 1, 2])
    with pytest.raises(ValueError, match="received 4 images, 2 true, 4 predicted, 4 prob"):
        plots.mistakes(IMAGES, TRUE[:2], PREDICTED, [0.5] * 4, NAMES)
    with pytest.raises(ValueError, match=r"\(n, C\), or predicted too, received \(4,\)"):
        plots.samples(IMAGES, TRUE, NAMES, probabilities=[0.5] * 4)
