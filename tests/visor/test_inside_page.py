"""The tab Inside in a browser: its numbers add up; mouse and keyboard."""

import re

import numpy as np
import pytest

from minicnn import Sequential
from minicnn.explain import trace
from minicnn.visor.subject import Subject

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def number(text):
    """ "−1.234·10⁻⁵" → a float."""
    mantissa, _, power = text.strip().replace("−", "-").partition("·10")
    return float(mantissa) * 10.0 ** int(power.translate(SUPERSCRIPTS) or 0)


def last_number(text):
    return number(text.rpartition("= ")[2])


def cells(page, name):
    """A grid of numbers, in its power of ten."""
    table = page.locator(f"table.{name}").first
    caption = table.locator("caption").inner_text()
    scale = re.search(r"× 10(\S+)", caption)
    factor = 10.0 ** int(scale[1].translate(SUPERSCRIPTS)) if scale else 1.0
    rows = table.locator("tr").all()
    texts = [
        [cell.evaluate("e => e.firstChild.data") for cell in r.locator("td").all()] for r in rows
    ]
    return np.array([[number(text) for text in row] for row in texts]) * factor, factor


@pytest.fixture
def opened(browse, visor):
    """opened(…as browse) → the page, with an image and a selected number."""

    def opened(*how, **more):
        page = browse(f"{visor.link}/#inside", *how, **more)
        page.locator("#inside-steps .step").first.wait_for()
        return page

    return opened


@pytest.fixture
def traced(run):
    """The trace of the first test image and its class."""
    images = Subject(run).images()
    model = Sequential.load(run / "model.safetensors")
    return trace.run(model, images.x[np.array([0])][0], int(images.labels[0].argmax()))


def choose(page, layer, channel, row, column):
    """Click a pixel of a map; layer 0 is the image."""
    canvas = page.locator(".layer").nth(layer).locator(".map").nth(channel)
    size = canvas.evaluate("e => [e.clientWidth, e.clientHeight, e.firstChild.width]")
    scale = size[0] / size[2]
    with page.expect_response("**/api/inside/pixel"):
        canvas.click(position={"x": scale * (column + 0.5), "y": scale * (row + 0.5)})
    page.locator(
        "#inside-chosen", has_text=f"row {row}, column {column}, channel {channel}"
    ).wait_for()


def test_a_click_shows_numbers_that_add_up(opened, traced):
    page = opened()
    choose(page, 3, 5, 4, 6)  # the second convolution
    n = trace.look(traced, 2, (4, 6, 5)).convolution
    assert last_number(page.locator(".sum.z").inner_text()) == pytest.approx(n.z, abs=6e-5)
    assert last_number(page.locator(".sum.total").inner_text()) == pytest.approx(n.sum, abs=6e-5)
    assert last_number(page.locator(".sum.a").inner_text()) == pytest.approx(max(n.z, 0), abs=6e-5)
    channel = int(np.abs(n.channel_sums).argmax())
    assert page.locator('[aria-pressed="true"]').inner_text() == f"channel {channel}"
    for name, expected in (("window", n.window), ("filter", n.weights), ("products", n.products)):
        shown, factor = cells(page, name)
        np.testing.assert_allclose(shown, expected[..., channel], atol=0.0051 * factor)
    parts = [number(text) for text in page.locator(".scrolled .tinted").all_inner_texts()]
    assert len(parts) == 8
    assert sum(parts) == pytest.approx(n.sum, abs=8 * 6e-5)
    row, factor = cells(page, "pool")
    assert last_number(page.locator(".sum.p").inner_text().split(",")[0]) == pytest.approx(
        row.max(), abs=0.0051 * factor
    )
    strip = page.locator(".strips tbody tr")
    assert strip.nth(0).locator("td").count() == 72


def test_counts_start_at_1_and_indices_at_0(opened):
    page = opened()
    choose(page, 1, 7, 25, 25)
    said = page.locator("#inside-steps").inner_text()
    assert "this window is row 676 of 676." in said
    assert "this filter is column 8 of 8." in said
    assert "row 676 of 676 · column 8 of 8 =" in said
    label = page.locator(".layer").nth(1).locator(".map").last.get_attribute("aria-label")
    assert "map 8 of 8 (channel 7)" in label
    assert page.locator(".filter").nth(7).get_attribute("aria-label").startswith("Filter 8 of 8")


def test_layers_have_the_same_names_as_in_train(opened):
    page = opened()
    names = page.locator(".layer h3").all_inner_texts()
    page.get_by_role("tab", name="Train").click()
    page.locator("#train-layers").scroll_into_view_if_needed()
    page.locator("#train-layers-table tbody tr").first.wait_for()
    assert names == ["Image", *page.locator("#train-layers-table tbody th").all_inner_texts()]
    assert names[1] == "1 Conv2D"


def test_a_channel_is_selected_and_the_focus_stays(opened, traced):
    page = opened()
    choose(page, 3, 5, 4, 6)
    n = trace.look(traced, 2, (4, 6, 5)).convolution
    page.get_by_role("button", name="channel 2").click()
    shown, factor = cells(page, "products")
    np.testing.assert_allclose(shown, n.products[..., 2], atol=0.0051 * factor)
    assert page.evaluate("document.activeElement.textContent") == "channel 2"


def test_backward_shows_the_gradient_of_the_same_pixel(opened, traced):
    page = opened()
    channel = 5
    place = np.unravel_index(np.abs(traced.passes[0].dz[..., channel]).argmax(), (26, 26))
    choose(page, 1, channel, *map(int, place))
    page.get_by_label("Backward").check()
    n = trace.look(traced, 0, (*place, channel)).convolution
    assert n.dz != 0
    dz = page.locator(".sum.dz").first.inner_text()
    assert last_number(dz) == pytest.approx(n.dz, rel=1e-3, abs=6e-5)
    for name, expected in (
        ("dw-term", n.dw_term),
        ("dw", n.dw),
        ("dx-term", n.dx_term),
        ("dx", n.dx),
    ):
        shown, factor = cells(page, name)
        # dz is p - 1 with p near 1, so it has few exact digits
        np.testing.assert_allclose(shown, expected[..., 0], rtol=2e-3, atol=0.0051 * factor)
    won = page.get_by_text("This pixel is the maximum, so the whole gradient passes to it")
    assert won.is_visible()
    page.get_by_label("Forward").check()
    page.locator(".sum.z").wait_for()


def test_another_target_has_another_gradient(opened):
    page = opened()
    page.get_by_label("Backward").check()
    before = page.locator("#inside-said").inner_text()
    page.get_by_label("Target").select_option("3")
    page.locator("#inside-said", has_text="Loss for target 3").wait_for()
    assert page.locator("#inside-said").inner_text() != before


def test_pre_activations_have_negative_numbers(opened):
    page = opened()
    legend = page.locator(".layer").nth(1).locator(".legend")
    assert legend.inner_text().startswith("a")
    page.get_by_label("Show pre-activations (z)").check()
    assert legend.inner_text().startswith("z")
    assert "±" in legend.inner_text()


def test_by_keyboard_alone(opened):
    page = opened()
    page.locator(".layer").nth(2).locator('.map[tabindex="0"]').focus()
    for key in ("PageDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    spoken = page.locator("#inside-spoken").inner_text()
    found = re.match(r"2 MaxPool2D, row 2, column 1, channel (\d): y = [\d.−]+", spoken)
    assert found
    page.keyboard.press("Enter")
    page.locator("#inside-spoken", has_text="Selected: 2 MaxPool2D, row 2, column 1").wait_for()
    assert "channel " + found[1] in page.locator("#inside-chosen").inner_text()
    page.keyboard.press("ArrowRight")
    assert "row 2, column 2" in page.locator("#inside-spoken").inner_text()


def test_a_test_image_is_chosen_by_its_number(opened):
    page = opened()
    page.get_by_label("Test image").fill("5")
    page.get_by_label("Test image").press("Enter")
    page.locator("#inside-said", has_text="Test image 5, true class").wait_for()
    field = page.get_by_label("Test image", exact=True)
    for value in ("99999", "2000", "-1", "1.5", ""):
        field.fill(value)
        field.press("Enter")
        said = f"Expected a test image from 0 to 1,999, received {value or 'no number'}."
        page.get_by_role("alert").filter(has_text=said).wait_for()
        assert field.get_attribute("aria-invalid") == "true"
    page.locator("#inside-said", has_text="Test image 5, true class").wait_for()  # still shown
    page.get_by_role("button", name="Another test image").click()
    page.get_by_role("alert").wait_for(state="hidden")
    assert field.get_attribute("aria-invalid") == "false"


def test_another_image_and_the_next_mistake(opened):
    page = opened()
    page.expected.append("404")  # without an answer of /api/search
    for name in ("Another test image", "Next mistake"):
        with page.expect_response("**/api/inside"):
            page.get_by_role("button", name=name).click()
    page.locator("#inside-said", has_text="is predicted as").wait_for()


@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_it_fits_and_is_accessible(opened, fits, screen, scheme):
    page = opened(screen, scheme, strict=False)
    for layer, way in ((3, "Backward"), (7, "Forward")):
        with page.expect_response("**/api/inside/pixel"):
            page.locator(".layer").nth(layer).locator(".map").first.click()
        page.get_by_label(way).check()
        fits(page)
