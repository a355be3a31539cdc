"""Several runs on the same charts."""

import math
from itertools import pairwise

import numpy as np
import pytest
from figure_reading import charts, line_at, texts
from hypothesis import given
from hypothesis import strategies as st

from minicnn import plots
from minicnn.plots.panel import spread_out
from minicnn.plots.style import COLOURS, MARKERS

NAN, INF = math.nan, math.inf


def run(offset=0.0, epochs=10):
    n = np.arange(1.0, epochs + 1)
    return {
        "epoch": list(n),
        "loss": list(2 / n + offset),
        "val_loss": list(2.2 / n + offset),
        "accuracy": list(0.9 - 0.5 / n - offset),
        "val_accuracy": list(0.89 - 0.5 / n - offset),
        "seconds": [1.0] * epochs,
        "learning_rate": [0.1] * epochs,
    }


def legend(figure):
    (box,) = figure.legends
    return [text.get_text() for text in box.get_texts()]


def test_validation_is_solid_and_training_dashed():
    first, second = run(), run(0.1)
    axes = charts(plots.compare({"one": first, "two": second}))
    assert list(axes) == ["loss", "accuracy"]
    for name, chart in axes.items():
        for history, colour, marker in zip((first, second), COLOURS, MARKERS, strict=False):
            solid, dashed, *_ = line_at(chart, color=colour)
            assert list(solid.get_ydata()) == history[f"val_{name}"]
            assert list(dashed.get_ydata()) == history[name]
            assert (solid.get_linestyle(), solid.get_marker()) == ("-", marker)
            assert dashed.get_linestyle() == "--"
            assert dashed.get_alpha() < 0.8


def test_eight_runs_differ_in_colour_and_in_marker():
    figure = plots.compare({f"run {i}": run(i / 20) for i in range(8)})
    assert legend(figure) == [*(f"run {i}" for i in range(8)), "training"]
    lines = figure.legends[0].get_lines()[:8]
    assert len({line.get_color() for line in lines}) == 8
    assert len({line.get_marker() for line in lines}) == 8


def test_more_than_eight_say_so():
    figure = plots.compare({f"run {i}": run(i / 20) for i in range(11)}, title="many")
    assert len(legend(figure)) == 9
    assert "many (the first 8 of 11)" in texts(figure)


def test_the_best_value_of_each_run():
    better = run(-0.01)
    better["val_accuracy"][3] = 0.995  # its best, not its last
    words = texts(plots.compare({"one": run(), "two": better}))
    assert "99.50 %" in words
    assert "84.00 %" in words  # 0.89 - 0.5 / 10
    assert f"{2.2 / 10:.4g}" in words


@pytest.mark.parametrize("zoom", [True, False])
def test_zoom_ignores_the_first_epochs(zoom):
    axes = charts(plots.compare({"one": run(epochs=20)}, zoom=zoom))
    low, high = axes["accuracy"].get_ylim()
    assert (low > 0.5) == zoom
    assert ((low, high) == (0, 1)) != zoom
    low, high = axes["loss"].get_ylim()
    assert (high < 1) == zoom
    assert (low == 0) != zoom


def test_metrics_are_chosen_by_name():
    assert list(charts(plots.compare({"one": run()}, metrics=["accuracy"]))) == ["accuracy"]
    assert list(charts(plots.compare({"one": run()}, metrics="learning_rate"))) == ["learning rate"]
    with pytest.raises(ValueError, match=r"metrics of .*'loss'.* received \['acurracy'\]"):
        plots.compare({"one": run()}, metrics=["loss", "acurracy"])


def test_runs_with_other_lengths_and_metrics():
    other = {"loss": [3.0, 2.0, 1.0], "top_3_accuracy": [0.1, 0.2, 0.3]}
    figure = plots.compare({"one": run(), "other": other})
    axes = charts(figure)
    assert list(axes) == ["loss", "accuracy", "top 3 accuracy"]
    (line, *_) = line_at(axes["loss"], color=COLOURS[1], linestyle="-")
    assert list(line.get_xdata()) == [1, 2, 3]  # without validation, training is solid
    assert "30.00 %" in texts(figure)


def test_nothing_to_compare():
    assert texts(plots.compare({}, title="none")) == ["none", "no runs"]
    assert texts(plots.compare({"one": {"epoch": [], "loss": []}})) == ["no epochs yet"]
    assert texts(plots.compare({"one": {}}, metrics=["loss"])) == ["no epochs yet"]


@pytest.mark.parametrize("value", [NAN, INF, 0.0, -1.0, 1e30, 1.7e308, 1e-300])
@pytest.mark.parametrize("zoom", [True, False])
def test_extreme_values_can_be_drawn(value, zoom):
    history = {"loss": [value] * 3, "accuracy": [value, 0.5, 0.5]}
    assert "loss" in texts(plots.compare({"one": history, "two": run()}, zoom=zoom))


@pytest.mark.parametrize("name", ["_hidden", "$x", "a_{1}", "", "long " * 20])
def test_any_name_of_a_run_is_in_the_legend(name):
    figure = plots.compare({name: run(), "other": run()})
    texts(figure)
    assert len(legend(figure)) == 3
    assert legend(figure)[0].strip()[:6] == name.strip()[:6]


@given(st.lists(st.floats(0, 1), max_size=12).map(sorted), st.floats(0.001, 0.2))
def test_labels_are_spread_out(wanted, gap):
    places = spread_out(wanted, gap, 0.0, 1.0)
    gap = min(gap, 1 / max(len(wanted) - 1, 1))
    assert len(places) == len(wanted)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(places))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    if all(b - a >= gap for a, b in pairwise(wanted)):
        np.testing.assert_allclose(places, wanted, atol=1e-12)
    np.testing.assert_allclose(spread_out([0.98, 1.0], 0.1, 0, 1), [0.9, 1.0])
