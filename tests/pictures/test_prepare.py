"""Preprocessing of pictures: MNIST preprocessing, and no preprocessing."""

import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFilter
from png_files import png

from minicnn import DataError, Sequential, kernels
from minicnn.pictures import imaging, ink, prepare
from minicnn.pictures.components import connected_components

PAGE = (300, 400)
COUNT = 60  # test digits


@pytest.fixture(scope="module")
def images(digits):
    return digits.test_images[:COUNT].reshape(-1, 28, 28)


@pytest.fixture(scope="module")
def predict(digit_run):
    """A function from images (28, 28) to their predicted classes."""
    model = Sequential.load(digit_run / "model.safetensors")

    def classes(images):
        with kernels.use_backend("numpy"):
            return model.predict(np.stack(images)[..., None]).argmax(axis=1)

    return classes


@pytest.fixture(scope="module")
def expected(predict, images):
    """The predictions for the original images."""
    return predict(images / np.float32(255))


def ring(shape=(100, 100), centre=(50, 50), outer=30, inner=20):
    """1 on a ring, 0 elsewhere."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(y - centre[0], x - centre[1])
    return ((distance <= outer) & (distance >= inner)).astype(np.float32)


# ---- digits of MNIST in other pictures: the prediction stays the same ----


def pasted(image, rng, page=PAGE, zoom=7):
    """An enlarged digit at a random place of a page: 0 … 1 (H, W), bright on dark."""
    side = 28 * zoom
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    top, left = (int(rng.integers(0, whole - side + 1)) for whole in page)
    found = np.zeros(page)
    found[top : top + side, left : left + side] = np.asarray(large) / 255
    return found


def white_page(image, rng):
    return 1 - pasted(image, rng)


def black_canvas(image, rng):
    return pasted(image, rng, page=(280, 280), zoom=5)


def small_on_a_large_page(image, rng):
    return 1 - pasted(image, rng, page=(640, 500), zoom=3)


def faint_pencil(image, rng):
    return 0.9 - 0.12 * pasted(image, rng)


def photograph(image, rng):
    """Half as bright at one corner, with grain and JPEG artifacts."""
    y, x = np.mgrid[: PAGE[0], : PAGE[1]]
    page = 0.92 - 0.42 * x / PAGE[1] - 0.2 * y / PAGE[0]
    photo = page * (1 - 0.8 * pasted(image, rng)) + rng.normal(0, 0.03, PAGE)
    file = io.BytesIO()
    Image.fromarray((photo.clip(0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file)) / 255


def shadow(image, rng):
    """The edge of a shadow across the page."""
    x = np.arange(PAGE[1]) - rng.integers(50, 350)
    light = 0.95 - 0.45 / (1 + np.exp(-x / 6))
    return light * (1 - 0.8 * pasted(image, rng)) + rng.normal(0, 0.02, PAGE)


def dust_and_table(image, rng):
    """Specks on the paper and a strip of a dark table."""
    page = 1 - pasted(image, rng)
    for _ in range(6):
        y, x = rng.integers(0, 297), rng.integers(0, 380)
        page[y : y + 3, x : x + 3] = 0.2
    return np.pad(page, ((0, 0), (0, 25)), constant_values=0.1)


@pytest.mark.parametrize(
    ("picture", "least"),
    [
        (black_canvas, 0.95),
        (faint_pencil, 0.95),
        (photograph, 0.95),
        (dust_and_table, 0.92),
        pytest.param(white_page, 0.95, marks=pytest.mark.exhaustive),
        pytest.param(small_on_a_large_page, 0.95, marks=pytest.mark.exhaustive),
        pytest.param(shadow, 0.90, marks=pytest.mark.exhaustive),
    ],
)
def test_digits_in_other_pictures(images, expected, predict, rng, picture, least):
    pages = [np.clip(picture(image, rng), 0, 1) for image in images]
    found = predict([prepare.mnist_like(page).image for page in pages])
    assert (found == expected).mean() >= least


def test_without_preprocessing_most_digits_are_misclassified(images, expected, predict, rng):
    sampled = [prepare.tutorial_like(pasted(image, rng, (280, 280), 5)) for image in images]
    assert (predict(sampled) == expected).mean() < 0.6


def test_a_negative_gives_the_same_image(images, rng):
    for image in images[:20]:
        page = white_page(image, rng)
        dark, bright = prepare.mnist_like(page), prepare.mnist_like(1 - page)
        assert (dark.inverted, bright.inverted) == (True, False)
        assert dark.box == bright.box
        np.testing.assert_allclose(dark.image, bright.image, atol=0.02)


def test_images_of_mnist_hardly_change(images):
    """Their digits already fit into 20×20 pixels and are centred."""
    changes = []
    for image in images:
        prepared = prepare.mnist_like(image / np.float32(255))
        changes.append(np.abs(prepared.image - image / 255).mean())
    assert np.median(changes) < 0.005
    assert np.mean(np.array(changes) < 0.02) > 0.95


# ---- by hand ----


def test_a_square_is_fitted_and_centred():
    """40 pixels become 20; their centre of mass, 9.5, moves to pixel 14."""
    page = np.zeros((100, 200))
    page[10:50, 120:160] = 1
    prepared = prepare.mnist_like(page)
    assert prepared.box == (10, 120, 50, 160)
    assert prepared.scale == 0.5
    assert not prepared.inverted
    assert not prepared.flattened
    assert prepared.widened == 0
    assert 0 < prepared.threshold < 1
    expected = np.zeros((28, 28), np.float32)
    expected[4:24, 4:24] = 1
    np.testing.assert_allclose(prepared.image, expected, atol=1e-6)
    assert prepared.image.dtype == np.float32


def test_centred_by_mass_not_by_box():
    page = np.zeros((120, 120))
    page[10:40, 40:80] = 1  # 40 × 30
    page[40:60, 54:66] = 1
    image = prepare.mnist_like(page).image
    rows = image.sum(axis=1) @ np.arange(28) / image.sum()
    columns = image.sum(axis=0) @ np.arange(28) / image.sum()
    assert abs(rows - 14) <= 0.5
    assert abs(columns - 14) <= 0.5
    used = np.flatnonzero(image.any(axis=1))
    assert used[-1] - used[0] + 1 == 20
    assert used[0] > 4  # centred by its box, it would begin there


def test_proportions_are_kept():
    page = np.zeros((200, 200))
    page[20:180, 90:130] = 1  # 160 × 40
    image = prepare.mnist_like(page).image
    assert image.any(axis=1).sum() == 20
    assert image.any(axis=0).sum() == 5


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        (28, None, (20, 20)),
        (56, None, (40, 40)),
        ((14, 42), None, (10, 30)),
        ((32, 20), None, (23, 14)),
        (28, 28, (28, 28)),
        (28, (10, 24), (10, 24)),
        (1, None, (1, 1)),
        ((1, 9), None, (1, 6)),
    ],
)
def test_any_size_and_box(size, box, expected):
    prepared = prepare.mnist_like(ring(), size, box)
    assert prepared.image.shape == ((size, size) if isinstance(size, int) else size)
    used = [int(prepared.image.any(axis=axis).sum()) for axis in (1, 0)]
    assert used == [min(expected)] * 2


def test_thin_strokes_are_widened():
    page = np.zeros((300, 300))
    page[50:250, 150] = page[50, 100:200] = 1
    prepared = prepare.mnist_like(page)
    assert prepared.widened > 10
    across = prepared.image[15]
    assert across.max() > 0.7
    assert 1 <= across.sum() <= 3
    assert prepared.box == (50, 100, 250, 200)  # without the widening
    assert prepare.mnist_like(ring()).widened == 0


# ---- polarity ----


@pytest.mark.parametrize("low", [0.0, 0.3])
@pytest.mark.parametrize("high", [0.6, 1.0])
def test_polarity(low, high):
    drawn = ring()
    assert prepare.polarity(low + (high - low) * drawn) == "bright-on-dark"
    assert prepare.polarity(high - (high - low) * drawn) == "dark-on-bright"


@pytest.mark.parametrize("bright", [False, True])
def test_a_digit_that_fills_its_picture(bright):
    drawn = ring(outer=50, inner=38)
    page = drawn if bright else 1 - drawn
    assert prepare.polarity(page) == ("bright-on-dark" if bright else "dark-on-bright")


def test_polarity_can_be_given():
    page = 1 - ring()
    assert prepare.mnist_like(page, polarity="dark-on-bright").box == (20, 20, 81, 81)
    assert prepare.mnist_like(page, polarity="bright-on-dark").box == (31, 31, 70, 70)
    with pytest.raises(ValueError, match=r"expected polarity dark-on-bright, .*received 'dark'"):
        prepare.mnist_like(page, polarity="dark")


# ---- nothing drawn ----


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(280, 280), (1, 1), (1, 500), (3, 3)])
def test_a_blank_picture(shape, value):
    with pytest.raises(DataError, match="nothing drawn"):
        prepare.mnist_like(np.full(shape, value))


def test_a_blank_photo(rng):
    y, x = np.mgrid[:300, :400]
    for noise in (0.0, 0.01, 0.04):
        page = 0.9 - 0.3 * x / 400 - 0.2 * y / 300 + rng.normal(0, noise, (300, 400))
        with pytest.raises(DataError, match="nothing drawn"):
            prepare.mnist_like(page.clip(0, 1))
    with pytest.raises(DataError, match="nothing drawn"):
        prepare.mnist_like(rng.random((280, 280)))  # noise alone


# ---- properties ----


SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 60))
VALUES = st.floats(0, 1, width=32)


@given(st.data())
@settings(max_examples=50)
def test_any_array(data):
    page = data.draw(arrays(np.float32, SHAPES, elements=VALUES))
    size = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    try:
        prepared = prepare.mnist_like(page, size)
    except DataError:
        return
    assert prepared.image.shape == size
    assert prepared.image.dtype == np.float32
    assert 0 <= prepared.image.min() <= prepared.image.max() == pytest.approx(1)
    top, left, bottom, right = prepared.box
    assert 0 <= top < bottom <= page.shape[0]
    assert 0 <= left < right <= page.shape[1]


# ---- no preprocessing ----


def test_the_nearest_pixels():
    canvas = np.arange(280 * 280, dtype=np.float64).reshape(280, 280) / 280**2
    seen = prepare.tutorial_like(canvas)
    np.testing.assert_array_equal(seen, canvas[::10, ::10].astype(np.float32))
    assert seen.dtype == np.float32
    page = np.arange(12.0).reshape(3, 4) / 12
    assert prepare.tutorial_like(page, (1, 2)).tolist() == [[0, np.float32(2 / 12)]]
    large = prepare.tutorial_like(page, (6, 4))
    np.testing.assert_array_equal(large, np.repeat(page, 2, axis=0).astype(np.float32))


# ---- brightness ----


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([[0, 255]], np.uint8), [[0, 1]]),
        (np.array([[0, 65535]], np.uint16), [[0, 1]]),
        (np.array([[False, True]]), [[0, 1]]),
        (np.array([[0.25, 1.0]]), [[0.25, 1]]),
        (np.array([[[51], [255]]], np.uint8), [[0.2, 1]]),
        (np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8), [[0.299, 0.587]]),
        (np.array([[[0, 0, 255], [255, 255, 255]]], np.uint8), [[0.114, 1]]),
        # the visible pixel is white, so the transparent one is black; then the opposite
        (np.array([[[255, 255, 255, 255], [9, 9, 9, 0]]], np.uint8), [[1, 0]]),
        (np.array([[[0, 0, 0, 255], [9, 9, 9, 0]]], np.uint8), [[0, 1]]),
        (np.array([[[0, 0, 0, 51], [0, 0, 0, 0]]], np.uint8), [[0.8, 1]]),
    ],
)
def test_grey_of_arrays(image, expected):
    found = prepare.grey(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_grey_of_a_large_array_is_averaged():
    large = np.zeros((4096, 3000), np.uint8)
    large[::2] = 255
    found = prepare.grey(large)
    assert found.shape == (2048, 1500)
    np.testing.assert_allclose(found, 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((3, 3), np.int64), TypeError, "uint8, uint16 or floats, received int64"),
        (np.array([[1.5]]), ValueError, r"floats in \[0, 1\]"),
        (np.array([[np.nan]]), ValueError, r"floats in \[0, 1\]"),
        (np.array([[-0.1]]), ValueError, r"floats in \[0, 1\]"),
        (np.zeros((0, 3), np.uint8), ValueError, r"received \(0, 3\)"),
        (np.zeros((0, 3)), ValueError, r"floats in \[0, 1\]"),
        (np.zeros(3, np.uint8), ValueError, r"received \(3,\)"),
        (np.zeros((2, 2, 2), np.uint8), ValueError, "1, 3 or 4 channels"),
        (np.zeros((2, 2, 2, 1), np.uint8), ValueError, "1, 3 or 4 channels"),
    ],
)
def test_invalid_arrays(image, error, words):
    with pytest.raises(error, match=words):
        prepare.grey(image)


@pytest.mark.parametrize("call", [prepare.mnist_like, prepare.polarity, ink.find])
@pytest.mark.parametrize(
    ("page", "words"),
    [
        (np.zeros((2, 2), np.uint8), "received uint8"),
        (np.zeros((2, 2, 1)), r"received float64 \(2, 2, 1\)"),
        (np.zeros((0, 2)), "received"),
        (np.full((2, 2), np.nan), "received NaN"),
        (np.full((2, 2), np.inf), "infinity"),
    ],
)
def test_arrays_that_are_not_grey(call, page, words):
    with pytest.raises(ValueError, match=words):
        call(page)


@pytest.mark.parametrize(
    ("size", "box", "words"),
    [
        (0, None, "expected size"),
        ((28, 0), None, "expected size"),
        ((28, 28, 1), None, "expected size"),
        (28, 0, "expected box"),
        (28, 29, "within 28×28, received 29×29"),
        ((28, 10), (20, 20), "within 28×10"),
    ],
)
def test_invalid_sizes(size, box, words):
    with pytest.raises(ValueError, match=words):
        prepare.mnist_like(ring(), size, box)


# ---- kinds of files ----


def drawing():
    """A "7" in black on white, "L"."""
    image = Image.new("L", (120, 100), 255)
    ImageDraw.Draw(image).line([(30, 20), (80, 20), (50, 80)], fill=0, width=9)
    return image.filter(ImageFilter.GaussianBlur(0.5))


def transparent():
    image = Image.new("RGBA", (120, 100), (0, 0, 0, 0))
    image.putalpha(Image.eval(drawing(), lambda value: 255 - value))
    return image


def keyed():
    """16 bits; a dark drawing, whose paper has the transparent colour, black."""
    pixels = np.asarray(drawing()).astype(np.uint16) * 257
    image = Image.fromarray(np.where(pixels == 65535, 0, np.maximum(pixels, 1)))
    image.info["transparency"] = 0
    return image


MODES = {
    "grey": (drawing, "PNG"),
    "one bit": (lambda: drawing().convert("1"), "PNG"),
    "palette": (lambda: drawing().convert("RGB").quantize(16), "PNG"),
    "colour": (lambda: drawing().convert("RGB"), "PNG"),
    "cmyk": (lambda: drawing().convert("RGB").convert("CMYK"), "JPEG"),
    "transparent": (transparent, "PNG"),
    "16 bits": (
        lambda: Image.fromarray(np.asarray(drawing()).astype(np.uint16) * 257),
        "PNG",
    ),
    "16 bits, transparent": (keyed, "PNG"),
    "8 bits of 32": (lambda: Image.fromarray(np.asarray(drawing()).astype(np.int32)), "TIFF"),
    "jpeg": (drawing, "JPEG"),
    "bmp": (lambda: drawing().convert("RGB"), "BMP"),
    "tiff": (drawing, "TIFF"),
    "webp": (lambda: drawing().convert("RGB"), "WEBP"),
    "ppm": (drawing, "PPM"),
}


@pytest.mark.parametrize("kind", MODES)
def test_kinds_of_files(tmp_path, kind):
    make, form = MODES[kind]
    path = tmp_path / "seven"
    make().save(path, form)
    expected = prepare.mnist_like(prepare.grey(drawing()))
    prepared = prepare.mnist_like(prepare.read_grey(path))
    assert prepared.inverted
    assert np.abs(prepared.image - expected.image).mean() < 0.03


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [drawing(), Image.new("L", (120, 100), 0)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    found = prepare.read_grey(tmp_path / "a.gif")
    assert np.abs(found - prepare.grey(drawing())).mean() < 0.02


def test_a_file_object():
    file = io.BytesIO()
    drawing().save(file, "PNG")
    found = prepare.read_grey(file)
    np.testing.assert_array_equal(found, prepare.grey(drawing()))
    with pytest.raises(DataError, match="picture: can't be read as a picture"):
        prepare.read_grey(io.BytesIO(b"no picture"))


def test_the_limit_of_pixels(tmp_path):
    drawing().save(tmp_path / "d.png")
    assert prepare.read_grey(tmp_path / "d.png", most=12_000).shape == (100, 120)
    with pytest.raises(DataError, match=r"d\.png: .*at most 11,999 pixels, received 120×100"):
        prepare.read_grey(tmp_path / "d.png", most=11_999)


# ---- hostile files ----


def truncated():
    file = io.BytesIO()
    drawing().save(file, "PNG")
    return file.getvalue()[:-60]


HOSTILE = {
    "empty": b"",
    "text": b"this is not a picture\n",
    "an EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "truncated": truncated(),
    "a bomb": png(10_000, 10_000, bytes(10_001 * 100)),
    "absurd": png(2**31 - 1, 2**31 - 1),
    "no pixels": png(50, 50),
    "no width": png(0, 50),
    "half a header": png(50, 50)[:20],
    "numbers of 32 bits": None,
    "floats": None,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files(tmp_path, kind):
    path = tmp_path / "bad.png"
    if kind == "numbers of 32 bits":
        Image.fromarray(np.array([[0, 1 << 20]], np.int32)).save(path, "TIFF")
    elif kind == "floats":
        Image.fromarray(np.zeros((9, 9), np.float32)).save(path, "TIFF")
    else:
        path.write_bytes(HOSTILE[kind])
    with pytest.raises(DataError, match=r"bad\.png: can't be read as a picture: ."):
        prepare.read_grey(path)


def test_a_folder_a_pipe_and_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="expected a picture file, received a folder"):
        prepare.read_grey(tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.png: .*no such file"):
        prepare.read_grey(str(tmp_path / "nowhere.png"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(DataError, match=r"pipe\.png: expected a picture file"):
            prepare.read_grey(tmp_path / "pipe.png")


@pytest.mark.exhaustive
@given(st.data())
@settings(max_examples=100)
def test_flipped_bits_are_read_or_are_a_data_error(data):
    file = io.BytesIO()
    drawing().save(file, data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF"])))
    body = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = prepare.read_grey(io.BytesIO(bytes(body)), most=1e6)
        assert 0 <= found.min() <= found.max() <= 1
        prepare.mnist_like(found)
    except DataError:
        pass


# ---- functions ----


def test_otsu_of_two_values():
    values = np.array([0.2] * 90 + [0.8] * 10)
    assert imaging.otsu(values) == pytest.approx(0.5, abs=0.01)  # the middle of equally good ones
    assert imaging.otsu(np.full(5, 0.3)) == 0.3
    assert 0 < imaging.otsu(np.array([0, 1e-38], np.float32)) < 1e-38  # no overflow


@given(arrays(np.float64, st.integers(2, 50), elements=st.floats(0, 1)))
@settings(max_examples=50)
def test_otsu_is_the_best_of_all_thresholds(values):
    """Against the definition, for all thresholds over the same 256 bins."""
    low, high = values.min(), values.max()
    if high - low < 1e-3:
        return
    bins = np.floor((values - low) * (255.999 / (high - low)))

    def between(threshold):
        below, above = bins[bins <= threshold], bins[bins > threshold]
        return len(below) * len(above) * (below.mean() - above.mean()) ** 2

    found = np.floor((imaging.otsu(values) - low) / (high - low) * 256 - 1 + 1e-9)
    best = max(between(threshold) for threshold in range(255))
    assert between(found) == pytest.approx(best, rel=1e-6)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 99))
@settings(max_examples=50)
def test_components_are_those_of_a_flood_fill(mask, seed):
    values = np.random.default_rng(seed).random(mask.shape)
    found = connected_components(mask, values)
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    last_row, last_column = (side - 1 for side in mask.shape)
    components = 0
    while left:
        todo, filled = [min(left)], set()
        while todo:
            y, x = todo.pop()
            if (y, x) in left:
                left.discard((y, x))
                filled.add((y, x))
                todo += [(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        (number,) = {found.number[place] for place in filled}
        assert len(filled) == (found.number == number).sum()
        assert found.mass[number] == pytest.approx(sum(values[place] for place in filled))
        assert found.peak[number] == max(values[place] for place in filled)
        at_edge = any(y in (0, last_row) or x in (0, last_column) for y, x in filled)
        assert found.touches_edge[number] == at_edge
        components += 1
    assert len(found.mass) == components
    assert (found.number[~mask] == components).all()
