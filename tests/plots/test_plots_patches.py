"""The figure of im2col: its numbers are those of the convolution."""

import numpy as np
import pytest
from figure_reading import texts

from minicnn import kernels, plots
from minicnn.plots.lowering import choose, lower
from minicnn.plots.panel import brief


def test_the_product_is_the_convolution(rng):
    image, w = rng.random((7, 6, 2)), rng.standard_normal((3, 2, 2, 4))
    for stride, padding in ((1, "valid"), (2, "same"), ((1, 2), 1)):
        low = lower(image, w, stride, padding)
        y = kernels.conv2d(image[None], w, stride=stride, padding=padding)[0]
        np.testing.assert_allclose(low.y, y.reshape(-1, 4), atol=1e-12)
        np.testing.assert_allclose(low.output, y[:, :, 0], atol=1e-12)


def test_windows_are_at_their_outlines(rng):
    image, w = rng.random((7, 6, 1)), rng.random((3, 3))
    for stride, padding in ((1, "valid"), (2, "same"), (3, 2)):
        low = lower(image, w, stride, padding)
        for place in range(len(low.cols)):
            oh, ow = divmod(place, low.win.OW)
            y, x = oh * low.win.SH, ow * low.win.SW
            np.testing.assert_array_equal(low.padded[y : y + 3, x : x + 3], low.patch(place))


def test_mnist_is_676_rows_of_9():
    words = texts(plots.patch_matrix(np.zeros((28, 28, 1)), np.ones((3, 3, 1, 8))))
    assert {"28 × 28 × 1", "676 × 9", "9 × 8", "676 × 8", "26 × 26 × 8"} <= set(words)


def test_the_numbers_of_a_row():
    image = np.arange(16.0).reshape(4, 4)
    sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    words = texts(plots.patch_matrix(image, sobel, windows=[(0, 1), (1, 0)]))
    assert "row 1" in words
    assert "row 2" in words
    assert {"pixel (0, 1)", "pixel (1, 0)"} <= set(words)
    assert words.count("−8") == 2  # (1 - 3) + 2 (5 - 7) + (9 - 11), twice
    # 1·1 + 2·0 + 3·(−1) + 5·2 + … + 11·(−1) = −8
    assert "A:  1·1 + 2·0 + 3·(−1) + 5·2 + … + 11·(−1)  =  −8,  one pixel of the output" in words


def outlines(figure, colour):
    from matplotlib.colors import to_hex

    return [
        patch for patch in figure.axes[0].patches
        if to_hex(patch.get_edgecolor()) == colour and hasattr(patch, "get_width")
    ]  # fmt: skip


def test_a_window_has_the_same_colour_and_letter_everywhere(rng):
    figure = plots.patch_matrix(rng.random((6, 6)), rng.random((3, 3)))
    words = texts(figure)
    for letter, colour in (("A", "#e69f00"), ("B", "#56b4e9"), ("C", "#cc79a7")):
        # on the image, in the matrix, in the product, in the output; and below: window, row, pixel
        assert len(outlines(figure, colour)) == 7
        assert words.count(letter) == 5


def test_the_chosen_windows_are_interesting():
    image = np.zeros((28, 28))
    image[6:22, 12:16] = 1
    low = lower(image, np.array([[1.0, 0, -1]] * 3), 1, "valid")
    places = choose(low, None)
    assert len(places) == 3
    assert all(np.diff(places) > 50)
    assert all(low.cols[place].std() > 0 for place in places)
    assert low.y[places[0], 0] > 0 > low.y[places[1], 0]


@pytest.mark.parametrize("geometry", [(1, 1, 1, 1, 1, 1), (9, 4, 5, 2, 3, 8), (3, 9, 2, 3, 2, 40)])
def test_geometries(geometry):
    H, W, size, stride, channels, filters = geometry
    rng = np.random.default_rng(0)
    w = rng.standard_normal((size, size, channels, filters))
    figure = plots.patch_matrix(rng.random((H, W, channels)), w, stride=stride, padding="same")
    assert len(figure.axes) == 1
    assert max(figure.get_size_inches()) < 13
    texts(figure)


@pytest.mark.parametrize("value", [0.0, 1.0, 255.0, -3.5, 12345.678, 1e-20])
def test_plain_images_of_any_value_can_be_drawn(value):
    assert brief(value) in texts(plots.patch_matrix(np.full((5, 5), value), np.zeros((3, 3))))


def test_padding_is_hatched():
    figure = plots.patch_matrix(np.ones((5, 5)), np.ones((3, 3)), padding="same", title="$mine")
    words = texts(figure)
    assert {"image, padding hatched", "$mine"} <= set(words)
    assert sum(bool(patch.get_hatch()) for patch in figure.axes[0].patches) == 1


@pytest.mark.parametrize(
    ("image", "w", "message"),
    [
        (np.ones(5), np.ones((3, 3)), r"received \(5,\) and \(3, 3, 1, 1\)"),
        (np.ones((5, 5, 2)), np.ones((3, 3)), r"received \(5, 5, 2\) and \(3, 3, 1, 1\)"),
        (np.ones((5, 5)), np.ones((3, 3, 1)), r"received \(5, 5, 1\) and \(3, 3, 1\)"),
        (np.ones((2, 2)), np.ones((3, 3)), "kernel no larger than the image"),
        (np.full((5, 5), np.nan), np.ones((3, 3)), "finite"),
        (np.ones((0, 5)), np.ones((1, 1)), "at least 1×1"),
        (np.ones((5, 5)), np.ones((0, 3)), r"received .* \(0, 3, 1, 1\)"),
    ],
)
def test_wrong_arguments(image, w, message):
    with pytest.raises(ValueError, match=message):
        plots.patch_matrix(image, w)


@pytest.mark.parametrize("windows", [[], [(0, 3)], [(-1, 0)], [(0, 0)] * 4])
def test_wrong_windows(windows):
    with pytest.raises(ValueError, match=r"one to three windows .* inside 3×3"):
        plots.patch_matrix(np.ones((5, 5)), np.ones((3, 3)), windows=windows)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (1, "1"), (-1.0, "−1"), (0.518, "0.52"), (-2.7183, "−2.72"),
     (0.999, "1.00"), (123.46, "123.5"), (12345.6, "1.2e+04"), (-1e9, "−1.0e+09"), (-1e-9, "0.00")],
)  # fmt: skip
def test_numbers_in_brief(value, text):
    assert brief(value) == text
