"""The figures' structure: what is on which chart, its limits, its text."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from figure_reading import charts, texts
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from minicnn import plots

NAN, INF = math.nan, math.inf
NAMES = [str(digit) for digit in range(10)]


def curves(epochs=8):
    n = np.arange(1.0, epochs + 1)
    return {
        "epoch": list(n),
        "loss": list(2 / n),
        "val_loss": list(2.2 / n),
        "accuracy": list(1 - 0.3 / n**2),
        "val_accuracy": list(0.98 - 0.3 / n**2),
    }


def inset(axes):
    return next((child for child in axes.child_axes), None)


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


# ---- history -------------------------------------------------------------------------------


def test_validation_is_on_the_chart_of_training():
    history = curves()
    figure = plots.history(history, title="a run")
    axes = charts(figure)
    assert list(axes) == ["loss", "accuracy"]
    for name in axes:
        for label, key in (("training", name), ("validation", f"val_{name}")):
            drawn = line(axes[name], label)
            assert list(drawn.get_xdata()) == history["epoch"]
            assert list(drawn.get_ydata()) == history[key]
        assert axes[name].get_xlabel() == "epoch"
    assert "a run" in texts(figure)


def test_accuracy_goes_from_0_to_1():
    history = {**curves(), "top_3_accuracy": [0.999] * 8}
    axes = charts(plots.history(history))
    assert axes["accuracy"].get_ylim() == (0, 1)
    assert axes["top 3 accuracy"].get_ylim() == (0, 1)
    low, high = axes["loss"].get_ylim()
    assert low == 0
    assert high > 2.2


@pytest.mark.parametrize(("name", "corner"), [("accuracy", "below"), ("loss", "above")])
def test_late_epochs_are_magnified_in_the_empty_corner(name, corner):
    axes = charts(plots.history(curves(20)))[name]
    detail = inset(axes)
    low, high = detail.get_ylim()
    whole = np.diff(axes.get_ylim())[0]
    values = np.concatenate([line.get_ydata() for line in detail.lines])
    assert high - low < 0.3 * whole
    assert low <= values.min() < values.max() <= high
    box = detail.get_position()
    middle = axes.get_position()
    centre, of_axes = (box.y0 + box.y1) / 2, (middle.y0 + middle.y1) / 2
    assert (centre < of_axes) == (corner == "below")


def test_no_inset_without_an_empty_corner():
    n = np.arange(1.0, 21)
    falling = {"epoch": n, "accuracy": 1 - n / 25, "loss": n}
    assert [inset(axes) for axes in charts(plots.history(falling)).values()] == [None, None]
    assert inset(charts(plots.history(curves(2)))["accuracy"]) is None
    noisy = {"epoch": n, "accuracy": np.where(n == 15, 0.2, 0.9)}
    quiet = {"epoch": n, "accuracy": np.full(20, 0.9)}
    assert inset(charts(plots.history(quiet))["accuracy"]) is not None
    assert inset(charts(plots.history(quiet, batches=noisy))["accuracy"]) is None


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("val_loss", [3.0, 1.0, NAN, 2.0], "best 1 (epoch 2)"),
        ("val_loss", [3.0, -INF, 0.5, 2.0], "best 0.5 (epoch 3)"),
        ("val_accuracy", [0.3, 0.9125, 0.5, 0.9125], "best 0.9125 (epoch 2)"),
        ("accuracy", [0.3, 0.1, 0.5, 0.4], "best 0.5 (epoch 3)"),
        ("score", [0.3, 0.1, 0.5, 0.4], None),
        ("loss", [NAN] * 4, None),
    ],
)
def test_a_ring_at_the_best_epoch(name, values, best):
    base = name.removeprefix("val_")
    history = {"epoch": [1, 2, 3, 4], base: [0.2] * 4, name: values}
    axes = charts(plots.history(history))[base]
    assert [text for text in legend(axes) if text.startswith("best")] == ([best] if best else [])


def test_an_accuracy_of_1_is_not_clipped_and_a_huge_one_is():
    history = {"accuracy": [1.0] * 4, "val_accuracy": [0.9, 1.0, 1e30, 1.0]}
    axes = plots.history(history).axes[0]
    assert not line(axes, "training").get_clip_on()
    assert line(axes, "validation").get_clip_on()
    assert axes.get_ylim() == (0, 1)


def test_a_value_between_gaps_and_a_single_one_are_points():
    gaps, long = ({"loss": values} for values in ([NAN, 0.5, NAN] * 30, [0.5] * 90))
    assert line(plots.history(gaps).axes[0], "training").get_markersize() >= 3
    assert line(plots.history(long).axes[0], "training").get_markersize() == 0
    axes = charts(plots.history(curves(1)))
    for chart in axes.values():
        for label in ("training", "validation"):
            assert line(chart, label).get_marker() in ("o", "s")
            assert line(chart, label).get_markersize() >= 3
        low, high = chart.get_xlim()
        assert low < 1 < high
        ticks = [tick for tick in chart.get_xticks() if low <= tick <= high]
        assert ticks == [1]


def test_nan_and_infinity_leave_a_gap_and_a_cross():
    axes = charts(plots.history({"epoch": [1, 2, 3, 4], "loss": [2.0, NAN, INF, 1.0]}))["loss"]
    np.testing.assert_array_equal(line(axes, "training").get_ydata(), [2, NAN, NAN, 1])
    crosses = next(line for line in axes.lines if line.get_marker() == "x")
    assert list(crosses.get_xdata()) == [2, 3]
    assert math.isfinite(sum(axes.get_ylim()))


@pytest.mark.parametrize("value", [NAN, INF, 0.0, -1.0, 1.7e308, 1e-300])
@pytest.mark.parametrize("batches", [False, True])
def test_extreme_values_can_be_drawn(value, batches):
    values = {"epoch": [0.5, 1.0, 2.0], "loss": [value] * 3, "accuracy": [value] * 3}
    figure = plots.history(values, batches=values if batches else None)
    assert "loss" in texts(figure)


@pytest.mark.parametrize(
    "history", [{}, {"epoch": []}, {"epoch": [], "loss": []}, {"seconds": [1]}]
)
def test_no_epochs_yet(history):
    assert sorted(texts(plots.history(history, title="a run"))) == ["a run", "no epochs yet"]


def test_batches_before_the_first_epoch():
    batches = {"epoch": [0.1, 0.2, 0.3], "loss": [3.0, 2.0, 1.0]}
    axes = charts(plots.history({"epoch": []}, batches=batches))
    assert list(axes) == ["loss"]
    assert legend(axes["loss"]) == ["training (smoothed)"]
    assert list(axes["loss"].lines[0].get_ydata()) == [3.0, 2.0, 1.0]
    assert axes["loss"].lines[0].get_alpha() < 0.5
    assert list(axes["loss"].lines[1].get_ydata()) == [2.5, 2.0, 1.5]
    texts(plots.history({"epoch": []}, batches=batches))


def test_times_are_omitted_and_the_learning_rate_is_last():
    history = {"learning_rate": [1e-3] * 8, "seconds": [1] * 8, "images_per_second": [9] * 8}
    figure = plots.history({**history, **curves()})
    assert list(charts(figure)) == ["loss", "accuracy", "learning rate"]
    assert "0.001" in texts(figure)


# ---- confusion matrix ----------------------------------------------------------------------


def cells(figure):
    """{(row, column): (text, ink, paper)}"""
    axes = figure.axes[0]
    paper = axes.images[0].get_array()
    return {
        (int(t.get_position()[1]), int(t.get_position()[0])): (
            t.get_text(), t.get_color(), paper[int(t.get_position()[1]), int(t.get_position()[0])]
        )
        for t in axes.texts
    }  # fmt: skip


def luminance(colour):
    rgb = np.asarray(to_rgba(colour)[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(ink, paper):
    """Of WCAG: 1 is none, 21 black on white."""
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_counts_are_in_their_cells():
    matrix = np.array([[8, 2, 0], [0, 5, 0], [1, 0, 0]])
    figure = plots.confusion_matrix(matrix, ["cat", "dog", "owl"])
    assert {place: cell[0] for place, cell in cells(figure).items()} == {
        (0, 0): "8", (0, 1): "2", (1, 1): "5", (2, 0): "1",
    }  # fmt: skip
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["cat", "dog", "owl"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog", "owl"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    words = texts(figure)
    assert "81.25 % of 16 right" in words
    assert any("up to 100.0 %" in word for word in words)


def test_mistakes_stand_out_beside_right_answers():
    matrix = np.diag(np.full(10, 1000))
    matrix[3, 5], matrix[4, 9] = 60, 6
    found = cells(plots.confusion_matrix(matrix, NAMES))
    assert all(contrast(ink, paper) >= 4.4 for _, ink, paper in found.values())
    paper = {place: cell[2] for place, cell in found.items()}
    assert luminance(paper[3, 5]) < luminance(paper[4, 9]) < 0.95
    assert luminance(paper[3, 5]) < 0.5 * luminance(paper[0, 0])
    assert paper[3, 5][0] > paper[3, 5][2]  # orange
    assert paper[0, 0][2] > paper[0, 0][0]  # blue


@pytest.mark.parametrize("count", [1, 2, 15, pytest.param(50, marks=pytest.mark.exhaustive)])
def test_any_number_of_classes_with_any_names(count):
    matrix = np.random.default_rng(0).integers(0, 2000, (count, count))
    names = [f"class {i} " + "long " * (i % 9) + "$_" for i in range(count)]
    figure = plots.confusion_matrix(matrix, names)
    assert max(figure.get_size_inches()) < 20
    assert len([t for t in figure.axes[0].texts if t.get_fontsize() < 3.9]) == 0
    assert f"{np.trace(matrix) / matrix.sum():.2%} of".replace("%", " %") in " ".join(texts(figure))


# ---- images --------------------------------------------------------------------------------


def pictures(figure):
    """Images in reading order, and their captions."""
    axes = figure.axes[0]
    captions = [text.get_text() for text in axes.texts]
    return [np.asarray(image.get_array()) for image in axes.images], captions


@pytest.fixture
def tested():
    """Six images, all i/10; 1, 3 and 4 are misclassified, 3 with the highest confidence."""
    images = np.ones((6, 5, 4, 1)) * np.arange(6).reshape(6, 1, 1, 1) / 10
    true = np.array([0, 1, 2, 3, 4, 5])
    predicted = np.array([0, 7, 2, 8, 9, 5])
    probabilities = np.full((6, 10), 0.01)
    probabilities[np.arange(6), predicted] = [0.9, 0.6, 0.3, 0.97, 0.7, 0.8]
    return images, true, predicted, probabilities


def test_the_most_confident_mistakes_first(tested):
    figure = plots.mistakes(*tested, NAMES)
    shown, captions = pictures(figure)
    assert [image[0, 0] for image in shown] == [0.3, 0.4, 0.1]
    assert [" ".join(caption.split()) for caption in captions] == [
        "true 3, predicted 8 (97 %)",
        "true 4, predicted 9 (70 %)",
        "true 1, predicted 7 (60 %)",
    ]
    assert "3 of 6 misclassified" in texts(figure)


def test_the_title_counts_all_mistakes(tested):
    wrong = [values[[1, 3, 4]] for values in tested]  # the correct ones may be omitted
    for figure in (plots.mistakes(*tested, NAMES, limit=2),
                   plots.mistakes(*wrong, NAMES, limit=2, total=6)):  # fmt: skip
        assert len(pictures(figure)[0]) == 2
        assert "3 of 6 misclassified; the 2 most confident" in texts(figure)
    assert "my title" in texts(plots.mistakes(*tested, NAMES, "my title"))


def test_without_mistakes_the_least_confident(tested):
    images, true, _, probabilities = tested
    confidence = probabilities.max(axis=1)
    figure = plots.mistakes(images, true, true, confidence, NAMES, limit=2)
    shown, captions = pictures(figure)
    assert [image[0, 0] for image in shown] == [0.2, 0.1]
    assert captions == ["2\n(30 %)", "1\n(60 %)"]
    assert "All 6 right. The least confident:" in texts(figure)


def test_no_images():
    none = np.zeros(0, int)
    assert texts(plots.mistakes(np.zeros((0, 2, 2, 1)), none, none, np.zeros((0, 3)), NAMES)) == [
        "no images"
    ]
    assert texts(plots.samples(np.zeros((0, 2, 2, 1)), none, NAMES)) == ["no images"]


def test_nan_is_the_last(tested):
    images, true, predicted, probabilities = tested
    probabilities[3] = NAN
    _, captions = pictures(plots.mistakes(images, true, predicted, probabilities, NAMES))
    assert captions[-1] == "true 3, predicted\n8 (nan %)"


@pytest.mark.parametrize("shape", [(1, 28, 28, 1), (9, 28, 28, 3), (70, 5, 9, 1), (3, 90, 9, 1)])
def test_samples_of_any_shape(shape):
    images = np.random.default_rng(0).random(shape)
    names = ["a rather long name of a class", "$b_1", "c"]
    labels = np.arange(shape[0]) % 3
    figure = plots.samples(images, labels, names, "some")
    shown, captions = pictures(figure)
    np.testing.assert_array_equal(np.reshape(shown, shape), images)
    assert captions[:3] == ["a rather long n…", "$b_1", "c"][: shape[0]]
    assert "some" in texts(figure)


def test_grey_is_the_same_in_every_image():
    dark = np.full((2, 4, 4, 1), 0.25)
    for image in plots.samples(dark, np.array([0, 1]), NAMES).axes[0].images:
        assert image.get_clim() == (0.0, 1.0)


# ---- filters -------------------------------------------------------------------------------


def colour_bar(figure):
    return figure.axes[0].child_axes[0]


def test_filters_have_one_scale_with_zero_in_the_middle():
    w = np.random.default_rng(0).standard_normal((3, 3, 1, 8))
    w[0, 0, 0, 0] = -7.0
    figure = plots.filters(w, "conv2d")
    low, high = colour_bar(figure).get_ylim()
    assert (low, high) == (-7.0, 7.0)
    canvas = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(canvas[0, 0], mpl.colormaps["RdBu_r"](0.0))
    assert {"conv2d", "weight"} <= set(texts(figure))


@pytest.mark.parametrize(
    ("shape", "title"),
    [
        ((3, 3, 1, 8), "filters"),
        ((3, 3, 8, 16), "filters"),
        ((5, 5, 17, 32), "filters (16 of 17 input channels)"),
        ((5, 5, 32, 64), "filters (16 of 32 input channels, 32 of 64 filters)"),
        ((1, 1, 3, 1), "filters"),
        ((7, 2, 1, 100), "filters (32 of 100 filters)"),
    ],
)
def test_the_title_says_which_filters_are_omitted(shape, title):
    figure = plots.filters(np.ones(shape))
    assert title in texts(figure)
    height, width = figure.axes[0].images[0].get_array().shape[:2]
    assert max(figure.get_size_inches()) < 14
    assert 0.1 < height / width < 40


def test_each_row_is_an_input_channel_and_each_column_a_filter():
    w = np.zeros((2, 2, 3, 4))
    w[:, :, 2, 1] = 1.0
    canvas = plots.filters(w).axes[0].images[0].get_array()
    red = np.all(np.isclose(canvas, mpl.colormaps["RdBu_r"](1.0)), axis=2)
    rows, columns = (places / size for places, size in zip(np.nonzero(red), red.shape, strict=True))
    assert red.any()
    assert 2 / 3 <= rows.min() < rows.max() <= 1
    assert 1 / 4 <= columns.min() < columns.max() <= 2 / 4


@pytest.mark.parametrize("value", [0.0, NAN, INF])
def test_filters_without_a_finite_weight(value):
    figure = plots.filters(np.full((3, 3, 1, 2), value))
    assert colour_bar(figure).get_ylim() == (-1.0, 1.0)
    texts(figure)
    middle = np.asarray(figure.axes[0].images[0].get_array()[5, 5])
    grey = to_rgba("#555555")
    assert np.allclose(middle, grey) == (value != 0.0)


def test_filters_need_four_axes():
    with pytest.raises(ValueError, match=r"\(KH, KW, C, F\), received \(3, 3\)"):
        plots.filters(np.zeros((3, 3)))


# ---- style and files -----------------------------------------------------------------------


def test_the_user_s_settings_have_no_effect_and_stay():
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.grid": True}):
        before = dict(mpl.rcParams)
        changed = plots.history(curves())
        assert dict(mpl.rcParams) == before
    default = plots.history(curves())
    for a, b in zip(changed.findobj(mpl.text.Text), default.findobj(mpl.text.Text), strict=True):
        assert a.get_fontsize() == b.get_fontsize()


@pytest.mark.parametrize(
    ("name", "magic"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("A.PDF", b"%PDF")]
)
def test_formats_and_equal_bytes(tmp_path, name, magic):
    written = []
    for folder in ("one", "two"):
        plots.save(plots.history(curves()), tmp_path / folder / name)
        written.append((tmp_path / folder / name).read_bytes())
        assert [file.name for file in (tmp_path / folder).iterdir()] == [name]
    assert written[0].startswith(magic)
    assert written[0] == written[1]


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt"])
def test_wrong_suffix(tmp_path, name):
    with pytest.raises(ValueError, match=rf"\.png, \.svg, \.pdf, received '.*{name}'"):
        plots.save(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_save_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("old")
    figure = plots.history(curves())

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(OSError, match="No space"):
        plots.save(figure, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
