import numpy as np
import pytest

from minicnn.data import ScaledImages
from minicnn.data.scaled import scale


@pytest.fixture
def images():
    pixels = np.arange(5 * 6).reshape(5, 6).astype(np.uint8) * 8
    return pixels, ScaledImages(pixels, (2, 3, 1))


def test_scale_rounds_to_the_nearest_float32():
    exact = np.array([np.float32(k / 255) for k in range(256)])
    scaled = scale(np.arange(256, dtype=np.uint8))
    assert scaled.dtype == np.float32
    assert (scaled == exact).all()
    assert scaled[0] == 0
    assert scaled[255] == 1


@pytest.mark.parametrize(
    "index",
    [
        slice(1, 4),
        slice(None, None, -2),
        slice(3, 3),
        [4, 0, 0],
        np.array([1, -1]),
        np.array([True, False, True, False, False]),
    ],
    ids=str,
)
def test_several_images(images, index):
    pixels, view = images
    got = view[index]
    assert got.dtype == np.float32
    assert got.shape[1:] == (2, 3, 1)
    assert (got == scale(pixels[index]).reshape(-1, 2, 3, 1)).all()


@pytest.mark.parametrize("index", [0, -1, np.int64(3)])
def test_one_image(images, index):
    pixels, view = images
    assert (view[index] == scale(pixels[index]).reshape(2, 3, 1)).all()


def test_array_interface(images):
    _, view = images
    assert (len(view), view.shape, view.dtype, view.ndim) == (5, (5, 2, 3, 1), np.float32, 4)
    assert np.asarray(view).shape == (5, 2, 3, 1)
    assert np.asarray(view, np.float64).dtype == np.float64
    assert len(list(view)) == 5
    assert "5, 2, 3, 1" in repr(view)


def test_results_are_copies(images):
    pixels, view = images
    view[0][:] = 9
    np.asarray(view)[:] = 9
    assert pixels[0, 1] == 8


@pytest.mark.parametrize("index", [(0, 1), None, Ellipsis, True])
def test_other_indices(images, index):
    with pytest.raises(TypeError, match="images only"):
        images[1][index]


def test_invalid_arguments():
    with pytest.raises(TypeError, match="uint8"):
        ScaledImages(np.zeros((2, 4), np.float32), (2, 2, 1))
    with pytest.raises(ValueError, match="4 pixels"):
        ScaledImages(np.zeros((2, 4), np.uint8), (2, 3, 1))
