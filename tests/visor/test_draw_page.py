"""The tab Draw in a browser: drawing by mouse, finger and keyboard."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from recorded import DRAWINGS, SIZE, rasterized

from minicnn import MnistData, Sequential

EXHAUSTIVE = pytest.mark.exhaustive
SEVEN = next(drawing for drawing in DRAWINGS if drawing["label"] == 7)


@pytest.fixture
def opened(browse, visor):
    """opened(…as browse) → the page, ready for drawing."""

    def opened(*how, **more):
        page = browse(f"{visor.link}/#draw", *how, **more)
        page.locator("#mnist-bars li").first.wait_for()
        return page

    return opened


def on_paper(page):
    """A function: a point of the drawing area → its position on the screen."""
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    return lambda x, y: (box["x"] + box["width"] * x / SIZE, box["y"] + box["height"] * y / SIZE)


def draw(page, drawing, until=None, every=1):
    """Draw with the mouse, using every `every`-th point. With `until`, draw only the points before
    it and keep the button down."""
    place = on_paper(page)
    page.get_by_label("Stroke").fill(str(drawing["width"]))
    for stroke in drawing["strokes"]:
        page.mouse.move(*place(*stroke[0]))
        page.mouse.down()
        for point in stroke[1:until:every]:
            page.mouse.move(*place(*point))
        if until is None:
            page.mouse.move(*place(*stroke[-1]))
            page.mouse.up()


def settled(page):
    """Milliseconds from lifting the pen, or from a photo, to the answer."""
    time = page.locator("#draw-time[data-milliseconds]")
    time.wait_for()
    return float(time.get_attribute("data-milliseconds"))


def answers(page):
    return {way: page.locator(f"#{way}-answer").inner_text() for way in ("mnist", "tutorial")}


def ink(page):
    """(280, 280): the brightness of the drawing area."""
    pixels = page.evaluate(
        "[...document.getElementById('paper').getContext('2d')"
        f".getImageData(0, 0, {SIZE}, {SIZE}).data].filter((_, i) => i % 4 === 0)"
    )
    return np.array(pixels).reshape(SIZE, SIZE) / 255


@pytest.mark.parametrize("drawings", [DRAWINGS[::7], pytest.param(DRAWINGS, marks=EXHAUSTIVE)])
def test_mnist_preprocessing_predicts_nine_of_ten_drawings(opened, drawings):
    page = opened()
    right, took = {"mnist": 0, "tutorial": 0}, []
    for drawing in drawings:
        draw(page, drawing, every=2)
        took.append(settled(page))
        for way, answer in answers(page).items():
            right[way] += answer == str(drawing["label"])
        page.get_by_role("button", name="Clear").click()
    print(
        f"of {len(drawings)} drawings: {right}; ms from lifting the pen to the answer: "
        f"median {np.median(took):.0f}, 19 of 20 within {np.percentile(took, 95):.0f}, "
        f"largest {max(took):.0f}"
    )
    assert right["mnist"] >= 0.9 * len(drawings) - 0.5
    assert right["tutorial"] < right["mnist"]


def test_it_answers_during_drawing(opened):
    page, asking = opened(), set()
    page.on("request", lambda request: asking.add(request))
    page.on("requestfinished", lambda request: asking.discard(request))
    draw(page, SEVEN, until=-3)
    page.wait_for_function("document.getElementById('mnist-answer').textContent !== '–'")
    assert page.locator("#draw-time").inner_text() == ""  # the pen is still down
    bars = page.locator("#mnist-bars .share").all_inner_texts()
    assert len(bars) == 10
    assert sum(float(share.rstrip(" %")) for share in bars) == pytest.approx(100, abs=0.6)
    page.wait_for_timeout(200)
    while asking:  # until all requests are answered
        page.wait_for_timeout(200)
    page.mouse.up()
    settled(page)
    assert "before the pen was lifted" in page.locator("#draw-time").inner_text()


def test_both_inputs_of_the_network_are_shown(opened):
    page = opened()
    small = next(drawing for drawing in DRAWINGS if drawing["kind"] == "small")
    draw(page, small)
    settled(page)
    mnist, tutorial = (
        np.array(
            page.evaluate(
                f"[...document.getElementById('{way}-seen').getContext('2d')"
                ".getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
            )
        ).reshape(28, 28)
        for way in ("mnist", "tutorial")
    )
    rows = np.flatnonzero(mnist.max(axis=1) > 64)
    assert 18 <= rows[-1] - rows[0] + 1 <= 20  # fitted into a box of 20
    np.testing.assert_allclose(tutorial, np.rint(ink(page)[::10, ::10] * 255), atol=1)
    frame = page.locator("#paper-box").bounding_box()
    drawn = np.argwhere(ink(page) > 0.5)
    place = on_paper(page)
    top = place(*drawn.min(axis=0)[::-1])
    assert (frame["x"], frame["y"]) == pytest.approx(top, abs=3)
    said = page.locator("#draw-answer").inner_text()
    assert str(small["label"]) in said


def test_undo_clear_and_width(opened):
    page = opened()
    place = on_paper(page)
    undo, clear = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Clear"))
    assert undo.is_disabled()
    assert clear.is_disabled()
    widths = []
    for width, x in (("8", 80), ("40", 200)):
        page.get_by_label("Stroke").fill(width)
        page.mouse.move(*place(x, 60))
        page.mouse.down()
        page.mouse.move(*place(x, 220), steps=8)
        page.mouse.up()
        widths.append((ink(page)[140] > 0.5).sum() - sum(widths))
    assert widths == pytest.approx([8, 40], abs=1)
    page.keyboard.press("Control+z")
    assert (ink(page)[140] > 0.5).sum() == pytest.approx(8, abs=1)
    settled(page)
    undo.click()
    assert ink(page).max() == 0
    assert answers(page) == {"mnist": "–", "tutorial": "–"}
    assert page.locator("#draw-answer").inner_text() == "Nothing drawn yet."
    draw(page, SEVEN)
    clear.click()
    assert ink(page).max() == 0
    assert undo.is_disabled()
    page.wait_for_timeout(300)  # a late answer is dropped
    assert answers(page) == {"mnist": "–", "tutorial": "–"}


def test_by_keyboard_alone(opened):
    page = opened()
    page.locator("#paper").focus()
    for key, times in [
        ("ArrowLeft", 8), (" ", 1), ("ArrowRight", 14), ("ArrowDown", 1), ("ArrowLeft", 1),
    ]:  # fmt: skip
        for _ in range(times):
            page.keyboard.press(key)
    for _ in range(10):
        for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):
            page.keyboard.press(key)
    page.keyboard.press(" ")
    settled(page)
    assert answers(page)["mnist"] == "7"
    page.keyboard.press("Backspace")
    assert ink(page).max() == 0
    for key in (" ", "ArrowDown", " "):
        page.keyboard.press(key)
    assert ink(page).max() > 0
    page.keyboard.press("Escape")
    assert ink(page).max() == 0


def test_a_finger_draws_and_a_second_one_does_not(opened):
    page = opened("phone")
    place = on_paper(page)
    scrolled = page.evaluate("scrollY")
    session = page.context.new_cdp_session(page)
    first = [{"x": place(60, y)[0], "y": place(60, y)[1], "id": 1} for y in (60, 140, 220)]
    second = {"x": place(220, 60)[0], "y": place(220, 60)[1], "id": 2}

    def touch(kind, *points):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", first[0])
    touch("touchStart", first[0], second)
    touch("touchMove", first[1], {**second, "y": second["y"] + 40})
    touch("touchMove", first[1])  # the second one is lifted
    touch("touchMove", first[2])
    touch("touchEnd")
    settled(page)
    drawn = ink(page) > 0.5
    assert drawn[100:200, 60].all()
    assert not drawn[:, 100:].any()
    assert page.evaluate("scrollY") == scrolled  # the finger draws and does not scroll


def photo(drawn=True):
    """The seven, if one is drawn, in blue ink on paper, 400×300: a JPEG."""
    grey = Image.fromarray(np.rint(255 * rasterized(SEVEN)).astype(np.uint8)).resize((220, 220))
    paper = Image.new("RGB", (400, 300), (235, 230, 220))
    if drawn:
        paper.paste((40, 50, 140), (90, 40), grey)
    file = io.BytesIO()
    paper.save(file, "JPEG")
    return file.getvalue()


def test_a_photo_is_predicted_and_removed(opened):
    page = opened()
    given = {"name": "seven.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    page.locator("#draw-file").set_input_files(given)
    settled(page)
    assert answers(page)["mnist"] == "7"
    assert "Inverted" in page.locator("#mnist-how").inner_text()
    assert re.fullmatch(r"Answered in \d+ ms\.", page.locator("#draw-time").inner_text())
    assert answers(page)["tutorial"] != "7"
    assert "is not inverted" in page.locator("#draw-answer").inner_text()
    page.get_by_role("button", name="Back to drawing").click()
    assert ink(page).max() == 0
    draw(page, SEVEN)
    settled(page)
    assert answers(page)["mnist"] == "7"


def test_an_empty_photo_clears_the_answer_before(opened):
    page = opened()
    before = page.locator("#mnist-how").inner_text()
    for drawn in (True, False):
        given = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": photo(drawn)}
        page.locator("#draw-file").set_input_files(given)
        if drawn:
            settled(page)
    page.locator("#draw-answer", has_text="Not enough ink").wait_for()
    assert answers(page)["mnist"] == "–"
    assert page.locator("#mnist-how").inner_text() == before
    assert page.locator("#draw-time").inner_text() == ""
    brightest = page.evaluate(
        "Math.max(...document.getElementById('mnist-seen').getContext('2d')"
        ".getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 0))"
    )
    assert brightest == 0


def drop(page, data, name, kind):
    """A file dropped onto the paper."""
    transfer = page.evaluate_handle(
        """([bytes, name, type]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
            return transfer;
        }""",
        [list(data), name, kind],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event("#paper", event, {"dataTransfer": transfer})


def test_a_file_is_dropped(opened):
    page = opened()
    drop(page, b"no picture at all", "notes.txt", "text/plain")
    page.get_by_role("alert").filter(has_text="notes.txt can't be read as a picture").wait_for()
    drop(page, photo(), "seven.jpg", "image/jpeg")
    settled(page)
    assert answers(page)["mnist"] == "7"
    assert not page.locator("#draw-error").is_visible()


def test_a_drawing_is_saved_and_removed(opened, visor):
    page = opened()
    buttons = page.get_by_role("group", name="Save the drawing as").get_by_role("button")
    assert buttons.count() == 10
    assert all(button.is_disabled() for button in buttons.all())
    saved = page.locator("#draw-saved")
    saved.filter(has_text="Choose the right class").wait_for()
    for number, drawing in enumerate(DRAWINGS[:3], 1):
        draw(page, drawing)
        settled(page)
        buttons.nth(drawing["label"]).click()
        saved.filter(has_text=f"Saved as {drawing['label']}. {number} drawing").wait_for()
        assert buttons.first.is_disabled()  # each drawing is saved once
        page.get_by_role("button", name="Clear").click()
    command = saved.locator("code").inner_text()
    assert command == f"python -m minicnn.train --data {visor.drawings}"
    data = MnistData(visor.drawings).load()
    labels = np.concatenate([data.train_labels, data.test_labels]).argmax(1)
    assert labels.tolist() == [drawing["label"] for drawing in DRAWINGS[:3]]
    back = page.get_by_role("button", name="Remove the last one")
    for left in ("2 drawings saved", "1 drawing saved", "Removed. Choose the right class"):
        back.click()
        saved.filter(has_text=left).wait_for()
    back.wait_for(state="hidden")


def test_saving_can_be_tried_again_after_an_error(opened, visor):
    page = opened()
    page.expected = ["409"]
    draw(page, SEVEN)
    settled(page)
    seven = page.get_by_role("button", name="7", exact=True)
    visor.drawings.mkdir(parents=True, exist_ok=True)
    strange = visor.drawings / "thesis.txt"
    strange.write_text("mine")
    seven.click()
    page.locator("#draw-saved .error").filter(has_text="--drawings").wait_for()
    strange.unlink()
    seven.click()
    page.locator("#draw-saved").filter(has_text="Saved as 7.").wait_for()
    assert seven.is_disabled()
    page.get_by_role("button", name="Remove the last one").click()
    page.locator("#draw-saved").filter(has_text="Removed").wait_for()


def test_look_inside(opened):
    page = opened()
    draw(page, SEVEN)
    settled(page)
    page.get_by_role("button", name="Look inside").click()
    page.locator("#inside-said", has_text=re.compile("your drawing", re.I)).wait_for()
    page.locator("#inside-steps .step").first.wait_for()


def test_the_layout_does_not_shift_during_drawing(opened):
    for screen in ("wide", "phone"):
        page = opened(screen)
        page.evaluate(
            """() => {
                window.jumped = 0;
                new PerformanceObserver((list) => {
                    for (const shift of list.getEntries()) window.jumped += shift.value;
                }).observe({ type: "layout-shift" });
            }"""
        )
        draw(page, SEVEN)
        settled(page)
        page.get_by_role("button", name="Clear").click()
        page.wait_for_timeout(200)
        assert page.evaluate("window.jumped") < 0.01, screen


@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_it_fits_and_is_accessible(opened, fits, screen, scheme):
    page = opened(screen, scheme, strict=False)
    fits(page)
    draw(page, SEVEN)
    settled(page)
    fits(page)
    controls = "#draw button:visible, #draw select, #draw .pick"
    heights = "all => all.map(one => one.getBoundingClientRect().height)"
    assert min(page.locator(controls).evaluate_all(heights)) >= 40


def test_a_network_for_own_pictures(run, serve, browse, fits, tmp_path):
    model = Sequential.load(run / "model.safetensors")
    model.preparation = {"fit": "pad", "invert": "auto"}
    model.save(tmp_path / "own.safetensors")
    with serve(tmp_path / "own.safetensors", "--drawings", tmp_path / "kept") as own:
        page = browse(f"{own.link}/#draw", "phone", strict=False)
        page.locator("#mnist-bars li").first.wait_for()
        draw(page, SEVEN)
        settled(page)
        assert page.locator("#way-mnist").inner_text() == "Preprocessing of the training images"
        assert page.locator("#mnist-how").inner_text().startswith("Scaled down as a whole")
        assert page.locator("#paper-box").is_hidden()
        seen = page.get_by_label("Input of the network: Preprocessing of the training images")
        assert seen.is_visible()
        fits(page)
