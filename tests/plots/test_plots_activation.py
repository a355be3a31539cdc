"""An image and the outputs of every layer in one figure."""

import numpy as np
import pytest
from figure_reading import NAMES, texts

from minicnn import plots

IMAGE = np.linspace(0, 1, 36).reshape(6, 6, 1)


def test_pictures_of_channels_and_strips_of_numbers():
    rng = np.random.default_rng(0)
    layers = [("conv", rng.random((4, 4, 8))), ("dense", rng.random(20)), ("out", rng.random(3))]
    figure = plots.activation_maps(np.repeat(IMAGE, 3, axis=2), layers)
    (axes,) = figure.axes  # hundreds of axes would take seconds
    assert len(axes.images) == 1 + 8 + 1 + 1
    assert {"image", "conv", "4×4×8", "dense", "20", "out", "3"} <= set(texts(figure))


def test_each_layer_has_one_scale():
    maps = np.zeros((2, 2, 2))
    maps[0, 0, 0], maps[1, 1, 1] = 4.0, 2.0
    _, first, second = plots.activation_maps(IMAGE, [("a", maps)]).axes[0].images
    light = [np.asarray(picture.get_array())[..., :3].sum(axis=-1) for picture in (first, second)]
    assert light[0][0, 0] > light[1][1, 1] > light[0][1, 1] == light[1][0, 0]


def test_negative_numbers_widen_the_scale():
    words = texts(plots.activation_maps(IMAGE, [("a", np.array([-2.0, 1.0]))]))
    assert "-2 …\n1" in words
    assert {"-2.00", "1.00"} <= set(words)


def test_the_last_numbers_have_the_names_of_the_classes():
    layers = [("hidden", np.ones(3)), ("out", np.array([0.1, 0.7, 0.2]))]
    words = texts(plots.activation_maps(IMAGE, layers, ["cat", "dog", "owl"]))
    assert {"cat\n0.10", "dog\n0.70", "owl\n0.20", "1.00"} <= set(words)
    texts(plots.activation_maps(IMAGE, layers, NAMES))
    assert "0.10" in texts(plots.activation_maps(IMAGE, layers, ["other", "number"]))


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (26, 26, 33), (3, 40, 5), (40, 3, 5), (1,), (16,), (17,), (3000,)]
)
def test_any_shape_in_a_figure_of_bounded_size(shape):
    figure = plots.activation_maps(IMAGE, [("x" * 50, np.ones(shape))], title="$a sheet")
    words = texts(figure)
    assert "$a sheet" in words
    assert max(figure.get_size_inches()) < 14
    assert any("32 shown" in word for word in words) == (shape == (26, 26, 33))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 1e300])
def test_any_values_can_be_drawn(value):
    layers = [("a", np.full((3, 3, 2), value)), ("b", np.full(4, value))]
    texts(plots.activation_maps(IMAGE, layers))


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"image \(H, W, 1\) or \(H, W, 3\), received \(6, 6\)"):
        plots.activation_maps(IMAGE[:, :, 0], [])
    with pytest.raises(ValueError, match=r"conv as \(H, W, C\) or \(K,\), received \(1, 4, 4, 8\)"):
        plots.activation_maps(IMAGE, [("conv", np.ones((1, 4, 4, 8)))])
    with pytest.raises(ValueError, match="at most 16 layers, received 17"):
        plots.activation_maps(IMAGE, [("a", np.ones(3))] * 17)
