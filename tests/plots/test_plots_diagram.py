"""A network as a diagram."""

import pytest
from figure_reading import texts
from matplotlib.patches import Polygon

from minicnn import Sequential, architectures, layers, plots
from minicnn.summary import diagram_rows


def test_the_course_network():
    model = Sequential(architectures.course(), input_shape=(28, 28, 1))
    words = texts(plots.model_diagram(diagram_rows(model), "course"))
    assert words.count("Conv2D") == words.count("MaxPool2D") == words.count("Dense") == 2
    shapes = ["28 × 28 × 1", "26 × 26 × 8", "13 × 13 × 8", "11 × 11 × 16", "5 × 5 × 16"]
    assert {"course", *shapes, "400", "128", "10"} <= set(words)
    assert {"80", "1,168", "51,328", "1,290", "53,866", "3×3, ReLU", "2×2", "Softmax"} <= set(words)


def test_blocks_and_bars():
    rows = [("in", "input", (8, 8, 3), 0, ""), ("a", "Conv2D", (4, 4, 9), 30, ""),
            ("b", "Dense", (5,), 60, "")]  # fmt: skip
    (axes,) = plots.model_diagram(rows).axes
    assert sum(isinstance(patch, Polygon) for patch in axes.patches) == 2 * 3  # three faces each
    bars = [p.get_width() for p in axes.patches if not isinstance(p, Polygon) and p.get_x() > 6]
    assert bars[1] == pytest.approx(2 * bars[0])


def test_given_names_are_shown_with_the_kind():
    model = Sequential([layers.Dense(2, name="$out_1$")], input_shape=(4,))
    assert "$out_1$  (Dense)" in texts(plots.model_diagram(diagram_rows(model)))


@pytest.mark.parametrize("count", [1, 20, 21, 60, 61, 200])
def test_any_number_of_layers(count):
    rows = [(f"layer {i}", "Dense", (i + 1,), i, "note") for i in range(count)]
    figure = plots.model_diagram(rows)
    words = texts(figure)
    assert max(figure.get_size_inches()) < 28
    assert f"{count * (count - 1) // 2:,}" in words
    assert sum(word.startswith("layer ") for word in words) == min(count, 60)
    assert (f"… {count - 60} layers …" in words) == (count > 60)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (1, 1, 1), (500, 20, 3), (10**6,)])
def test_any_shape(shape):
    texts(plots.model_diagram([("x", "Odd", shape, 0, "")]))


def test_no_layers_and_wrong_rows():
    assert texts(plots.model_diagram([], "empty")) == ["empty", "no layers"]
    with pytest.raises(TypeError):
        plots.model_diagram([("a", "b")])


# ---- the rows of a model -------------------------------------------------------------------


def test_notes_of_unusual_options():
    model = Sequential(
        [
            layers.Conv2D(4, (3, 5), strides=2, padding="same", activation="tanh", use_bias=False),
            layers.Conv2D(4, 3, dilation_rate=2, padding=1, l2=0.01),
            layers.MaxPool2D(3, strides=1, padding="same"),
            layers.AvgPool2D(2),
            layers.BatchNorm(),
            layers.Dropout(0.25),
            layers.GlobalAvgPool2D(),
            layers.Dense(3),
        ],
        input_shape=(20, 21, 2),
    )
    first, *rows = diagram_rows(model)
    assert first == ("input", "input", (20, 21, 2), 0, "")
    assert [note for *_, note in rows] == [
        "3×5, stride 2×2, same padding, Tanh, no bias",
        "3×3, dilation 2×2, padding 1, L2 0.01",
        "3×3, stride 1×1, same padding",
        "2×2",
        "",
        "rate 0.25",
        "",
        "",
    ]
    assert [row[:4] for row in rows] == [
        (layer.label, type(layer).__name__, layer.output_shape, layer.num_params)
        for layer in model.layers
    ]


def test_an_unbuilt_model_has_no_rows():
    with pytest.raises(RuntimeError, match="input_shape"):
        diagram_rows(Sequential(architectures.course()))
