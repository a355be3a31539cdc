"""The selection of images and the formatting of numbers."""

import numpy as np
import pytest

from minicnn.report import layers, render, tables
from minicnn.runs import Evaluation


def evaluation(true, predicted, confidence, classes=3):
    true, predicted = np.array(true), np.array(predicted)
    probabilities = np.full((len(true), classes), 0.0)
    probabilities[np.arange(len(true)), predicted] = confidence
    return Evaluation(0.5, float(np.mean(true == predicted)), probabilities, true, predicted)


def test_the_most_confident_mistakes_come_first():
    result = evaluation([0, 1, 2, 0], [1, 1, 0, 2], [0.6, 0.9, 0.8, 0.7])
    assert tables.most_confident_mistakes(result, 2) == [2, 3]
    assert result.confidence[2] == pytest.approx(0.8)


def test_images_of_cells():
    n = 100
    result = evaluation([0] * n + [1] * n, [0] * n + [2] * n, list(np.linspace(0.5, 0.9, n)) * 2)
    shown = tables.images_of_cells(result, 784)
    wrong = [199 - i for i in range(tables.MISTAKES_IN_CELL)]
    assert shown == [*wrong, *range(tables.CORRECT_IN_CELL)]


def test_the_number_of_pixels_is_limited():
    result = evaluation([0] * 30, [1] * 30, [0.5] * 30)
    assert len(tables.images_of_cells(result, tables.MOST_PIXELS // 7)) == 7


def test_the_edges_of_a_histogram_of_equal_values():
    for value in (0.0, 3.0, -2.0):
        assert np.all(np.diff(layers._edges(value, value, 40)) > 0)


def test_options_as_text():
    assert render.words(0.1) == "0.1"
    assert render.words(4e-3) == "0.004"
    assert render.words("adamw") == "adamw"
    assert render.words({"shift": 2, "rotate": 10.0, "scale": 0.0}) == "shift 2, rotate 10"
