"""Saliency and occlusion beside their images."""

import numpy as np
import pytest
from figure_reading import texts

from minicnn import plots

BOTH = [plots.saliency, plots.occlusion]


def halves(figure, width):
    """(image, map) of each pair: what is left and right of the white gap."""
    pairs = [np.asarray(image.get_array()) for image in figure.axes[0].images]
    return [(pair[:, :width], pair[:, -width:]) for pair in pairs]


def test_saliency_is_the_absolute_gradient():
    gradient = np.zeros((2, 4, 5, 3))
    gradient[0, 1, 2] = [0.1, -0.4, 0.2]
    gradient[0, 3, 3, 0] = 0.2
    gradient[1, 0, 0, 0] = 1e-9  # each map has its own scale
    images = np.random.default_rng(0).random((2, 4, 5, 3))
    (image, first), (_, second) = halves(plots.saliency(images, gradient, ["a", "b"]), 5)
    np.testing.assert_array_equal(image, images[0])
    light = first.sum(axis=2)
    assert light[1, 2] > light[3, 3] > light[0, 0]
    np.testing.assert_array_equal(second[0, 0], first[1, 2])


def test_drops_are_red_and_rises_blue():
    drops = np.zeros((1, 6, 6))
    drops[0, 1, 1], drops[0, 4, 4] = 0.5, -0.5
    ((_, painted),) = halves(plots.occlusion(np.zeros((1, 6, 6, 1)), drops, ["a"]), 6)
    assert painted[1, 1, 0] > painted[1, 1, 2] + 0.2
    assert painted[4, 4, 2] > painted[4, 4, 0] + 0.2
    assert painted[3, 0].min() > 0.9


def test_lines_around_drops_and_rises():
    y, x = np.mgrid[:10, :10]
    drops = np.exp(-((y - 2) ** 2 + (x - 2) ** 2) / 4) - np.exp(-((y - 7) ** 2 + (x - 7) ** 2) / 4)
    axes = plots.occlusion(np.zeros((1, 10, 10, 1)), drops[None], ["a"]).axes[0]
    solid, dashed = axes.collections
    assert solid.get_linestyle()[0][1] is None
    assert dashed.get_linestyle()[0][1] is not None
    for lines, middle in ((solid, 2), (dashed, 7)):
        (path,) = lines.get_paths()
        left = axes.images[0].get_extent()[1] - 10
        centre = path.vertices.mean(axis=0) - (left, 0)
        np.testing.assert_allclose(centre, middle + 0.5, atol=0.5)


@pytest.mark.parametrize(("shape", "stride"), [((8, 8), 2), ((7, 9), 3), ((5, 5), 5), ((5, 4), 1)])
def test_a_coarse_map_fills_the_image(shape, stride):
    height, width = shape
    drops = np.arange(1.0, 1 + -(-height // stride) * -(-width // stride))
    drops = drops.reshape(1, -(-height // stride), -1)
    ((_, painted),) = halves(plots.occlusion(np.zeros((1, *shape, 1)), drops, ["a"]), width)
    assert painted.shape == (height, width, 3)
    red = painted[..., 1]  # falls as the drop rises
    expected = drops[0].repeat(stride, 0).repeat(stride, 1)[:height, :width]
    assert (
        np.argsort(-red.ravel(), kind="stable") == np.argsort(expected.ravel(), kind="stable")
    ).all()


@pytest.mark.parametrize("draw", BOTH)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1e300])
def test_any_values_can_be_drawn(draw, value):
    maps = np.full((3, 4, 4), value)
    maps[1] = 0.5
    assert "$x" in texts(draw(np.ones((3, 4, 4, 1)), maps, ["$x", "long " * 20, "two\nlines"]))


@pytest.mark.parametrize("draw", BOTH)
@pytest.mark.parametrize("count", [1, 5, 20])
def test_any_number_of_images(draw, count):
    figure = draw(np.zeros((count, 4, 4, 3)), np.ones((count, 4, 4)), ["a"] * count, "title")
    words = texts(figure)
    assert words.count("a") == count
    assert "title" in words


@pytest.mark.parametrize("draw", BOTH)
def test_no_images(draw):
    assert texts(draw(np.zeros((0, 4, 4, 1)), np.zeros((0, 4, 4)), [])) == ["no images"]


@pytest.mark.parametrize("draw", BOTH)
def test_wrong_arguments(draw):
    image = np.zeros((1, 4, 4, 1))
    with pytest.raises(
        ValueError, match=f"{draw.__name__}: .* received 1 images, 2 maps, 1 captions"
    ):
        draw(image, np.zeros((2, 4, 4)), ["a"])
    with pytest.raises(ValueError, match="maps of their size"):
        draw(image, np.zeros((1, 9, 9)), ["a"])
    with pytest.raises(ValueError, match="1 or 3"):
        draw(np.zeros((1, 4, 4, 2)), np.zeros((1, 4, 4)), ["a"])
