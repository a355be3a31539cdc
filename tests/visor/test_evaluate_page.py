"""The tab Evaluate in a browser: the confusion matrix and the search."""

import re
import shutil

import pytest

from minicnn.data.locate import SAMPLE


@pytest.fixture
def opened(browse, visor):
    """opened(…as browse) → the page with its results."""

    def opened(*how, **more):
        page = browse(f"{visor.link}/#evaluate", *how, **more)
        page.locator(".matrix button").first.wait_for()
        found(page)
        return page

    return opened


def found(page):
    """The number of images that the last search found."""
    page.locator("#search-line", has_text=re.compile("matching test")).wait_for()
    number = re.match(r"[\d,]+", page.locator("#search-line").inner_text())
    return int(number[0].replace(",", "")) if number else 0


def searched(page, act):
    """The number of images that the search started by `act` finds."""
    page.locator("#search-line").evaluate("line => { line.textContent = ''; }")
    act()
    return found(page)


def shown(page):
    return page.locator("#search-found button").all_inner_texts()


def cell(page, true, predicted):
    return page.locator(".matrix tbody tr").nth(true).locator("button").nth(predicted)


def test_mistakes_are_shown_first(opened):
    page = opened()
    said = page.locator("#evaluate-result").inner_text()
    images, wrong = (
        int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:test|are mis)", said)
    )
    counts = [int(text) for text in page.locator(".matrix button").all_inner_texts()]
    assert sum(counts) == images
    assert sum(counts[::11]) == images - wrong
    assert found(page) == wrong
    assert len(shown(page)) == min(wrong, 48)
    assert all("predicted" in text for text in shown(page))


def test_a_click_on_a_cell_shows_its_images(opened):
    page = opened()
    counts = [int(text) for text in page.locator(".matrix button").all_inner_texts()]
    off = max((i for i in range(100) if i % 11), key=counts.__getitem__)
    true, predicted = divmod(off, 10)
    assert searched(page, cell(page, true, predicted).click) == counts[off]
    assert cell(page, true, predicted).get_attribute("aria-pressed") == "true"
    texts = shown(page)
    assert len(texts) == counts[off]
    assert all(text.strip().startswith(f"{true}, predicted {predicted}") for text in texts)
    assert searched(page, cell(page, 3, 3).click) == counts[33]
    assert len(shown(page)) == 48
    page.get_by_role("button", name="Show more").click()
    page.locator("#search-found li").nth(95).wait_for()
    pictures = page.locator(".sprite").evaluate_all(
        "all => all.map(one => getComputedStyle(one).backgroundImage)"
    )
    assert all("/api/digits.png?rows=" in picture for picture in pictures)


def test_the_matrix_by_keyboard(opened):
    page = opened()
    cell(page, 0, 0).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert cell(page, 1, 0).evaluate("one => one === document.activeElement")
    assert page.locator('.matrix button[tabindex="0"]').count() == 1
    assert cell(page, 1, 0).get_attribute("aria-label").startswith("1, predicted 0:")
    with page.expect_response("**/api/search*"):
        page.keyboard.press("Enter")
    assert page.get_by_label("True class").input_value() == "1"
    assert page.locator("#search-predicted").input_value() == "0"


def test_a_search_by_class_and_confidence(opened):
    page = opened()
    page.get_by_label("result").select_option("all")
    eights = searched(page, lambda: page.get_by_label("True class").select_option("8"))
    page.get_by_label("confidence up to").fill("90")
    assert 0 < searched(page, lambda: page.get_by_label("confidence up to").press("Tab")) < eights
    sure = [int(re.search(r"(\d+) %", text)[1]) for text in shown(page)]
    assert max(sure) <= 90
    assert sure == sorted(sure, reverse=True)
    with page.expect_response("**/api/search*"):
        page.get_by_label("confidence up to").fill("1")
        page.get_by_label("confidence up to").press("Tab")
    page.locator("#search-line", has_text="No matching test images").wait_for()
    assert shown(page) == []


def test_enter_in_a_field_searches_and_stays(opened):
    page = opened()
    page.get_by_label("confidence up to").fill("60")
    with page.expect_response("**/api/search*high=0.6*"):
        page.get_by_label("confidence up to").press("Enter")
    assert page.get_by_role("tab", name="Evaluate").get_attribute("aria-selected") == "true"
    assert page.evaluate("document.activeElement.id") == "search-high"


def test_an_invalid_confidence_shows_an_error(opened):
    page = opened()
    low, high = page.get_by_label("confidence from"), page.get_by_label("confidence up to")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for fields, received, marked in [
        (("90", "10"), "received 90 % to 10 %", [True, True]),
        (("90", "200"), "from 0 to 100 %, received 200 %", [False, True]),
        (("-5", "200"), "from 0 to 100 %, received -5 % and 200 %", [True, True]),
        (("-5", "50"), "from 0 to 100 %, received -5 %", [True, False]),
    ]:
        for field, value in zip((low, high), fields, strict=True):
            field.fill(value)
            field.press("Tab")
        page.get_by_role("alert").filter(has_text=received).wait_for()
        invalid = [field.get_attribute("aria-invalid") == "true" for field in (low, high)]
        assert invalid == marked
        described = {field.get_attribute("aria-describedby") for field in (low, high)}
        assert described == {page.get_by_role("alert").get_attribute("id")}
        assert shown(page) == []  # the results before do not match
    searches = [url for url in asked if "/api/search" in url]
    assert all("low=0.9&high=1&" in url for url in searches), searches  # 90 to 100, before the 10
    low.fill("")
    with page.expect_response("**/api/search?*high=0.5*"):
        low.press("Tab")
    found(page)
    page.get_by_role("alert").wait_for(state="hidden")
    assert low.get_attribute("aria-invalid") == "false"


def test_a_class_of_the_table_is_searched(opened):
    page = opened()
    fives = searched(page, page.get_by_role("button", name="Search class 5").click)
    assert page.get_by_label("True class").input_value() == "5"
    row = page.locator("#classes tr").nth(5).locator("td")
    assert fives == int(row.first.inner_text())


def test_look_inside(opened):
    page = opened()
    page.locator("#search-found button").first.click()
    page.locator("#inside-said", has_text=re.compile("test image", re.I)).wait_for()
    assert page.get_by_role("tab", name="Inside").get_attribute("aria-selected") == "true"


def test_missing_images_are_named(browse, serve, run, tmp_path):
    shutil.copytree(SAMPLE, tmp_path / "sheet")
    with serve(run / "model.safetensors", "--data", tmp_path / "sheet") as visor:
        shutil.rmtree(tmp_path / "sheet")
        page = browse(f"{visor.link}/#evaluate")
        page.expected = ["409"]
        page.locator("#evaluate-result", has_text="There are no test images").wait_for()
        page.get_by_role("button", name="Try again").click()
        page.locator("#evaluate-result", has_text=f"{tmp_path / 'sheet'}").wait_for()
        assert not page.locator("#evaluate-all").is_visible()


@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_it_fits_and_is_accessible(opened, fits, screen, scheme):
    page = opened(screen, scheme, strict=False)
    searched(page, cell(page, 4, 4).click)
    fits(page)
