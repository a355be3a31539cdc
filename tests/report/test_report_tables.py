"""The numbers of the report, by hand."""

import numpy as np
import pytest

from minicnn.report import layers, render, tables
from minicnn.runs import Evaluation


def evaluation(true, predicted, sure, classes=3):
    true, predicted = np.array(true), np.array(predicted)
    probabilities = np.full((len(true), classes), 0.0)
    probabilities[np.arange(len(true)), predicted] = sure
    return Evaluation(0.5, float(np.mean(true == predicted)), probabilities, true, predicted)


def test_mistakes_come_with_the_surest_first():
    result = evaluation([0, 1, 2, 0], [1, 1, 0, 2], [0.6, 0.9, 0.8, 0.7])
    worst = tables.worst_mistakes(result, 2)
    assert [(image.row, image.true, image.predicted) for image in worst] == [(2, 2, 0), (3, 0, 2)]
    assert worst[0].probability == pytest.approx(0.8)


def test_behind_a_cell_are_the_surest_mistakes_and_the_least_sure_right_ones():
    n = 100
    result = evaluation([0] * n + [1] * n, [0] * n + [2] * n, list(np.linspace(0.5, 0.9, n)) * 2)
    shown = tables.behind_cells(result, 784)
    wrong = [image.row for image in shown if image.true != image.predicted]
    right = [image.row for image in shown if image.true == image.predicted]
    assert wrong == [199 - i for i in range(tables.MISTAKES_IN_CELL)]
    assert right == list(range(tables.RIGHT_IN_CELL))


def test_large_images_are_shown_as_long_as_there_is_room():
    result = evaluation([0] * 30, [1] * 30, [0.5] * 30)
    assert len(tables.behind_cells(result, tables.MOST_PIXELS // 7)) == 7


def test_the_histogram_of_a_single_value_has_edges_that_rise():
    for value in (0.0, 3.0, -2.0):
        assert np.all(np.diff(layers._edges(value, value, 40)) > 0)


def test_options_in_words():
    assert render.words(0.1) == "0.1"
    assert render.words(4e-3) == "0.004"
    assert render.words("adamw") == "adamw"
    assert render.words({"shift": 2, "rotate": 10.0, "scale": 0.0}) == "shift 2, rotate 10"
