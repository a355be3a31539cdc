"""The report in a browser without a network: on a wide screen, on a phone, on paper."""

import pytest
from report_page import quietly

from minicnn import report

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def path(finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert quietly(report, finished, "--out", path)[0] == 0
    return path


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def page(request, chromium, path):
    """The page, opened; nothing may be written to the console."""
    context = chromium.new_context(viewport=request.param, offline=True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said.append(r))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == []


def cell(page, kind):
    return page.locator(f".confusion td.{kind} button").first


def test_the_page_is_as_wide_as_the_screen(page):
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == page.viewport_size["width"]


@pytest.mark.parametrize("kind", ["missed", "right"])
def test_a_click_on_a_cell_shows_the_images_behind_it(page, kind):
    button = cell(page, kind)
    count = int(button.inner_text())
    true, predicted = button.get_attribute("data-cell").split("-")
    button.click()
    shown = page.locator("#cell figure")
    assert shown.count() == min(count, 12 if kind == "right" else 40)
    heading = page.locator("#cell h3").inner_text()
    assert heading.startswith(f"{count} of class ")
    assert ("read right" in heading) == (true == predicted)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator('.confusion button[aria-pressed="true"]').count() == 1
    box = shown.first.locator(".sprite").bounding_box()
    assert box["width"] >= 40
    assert abs(box["width"] - box["height"]) < 3


def test_the_keyboard_does_the_same(page):
    cell(page, "right").focus()
    page.keyboard.press("Enter")
    assert page.locator("#cell figure").count() > 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.cell") is not None


def test_another_cell_takes_the_place_of_the_first(page):
    cell(page, "right").click()
    before = page.locator("#cell h3").inner_text()
    cell(page, "missed").click()
    assert page.locator("#cell h3").count() == 1
    assert page.locator("#cell h3").inner_text() != before


def test_every_picture_is_drawn(page):
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
    assert broken == 0
    assert page.locator("img").count() >= 4


def test_it_prints(chromium, path):
    page = chromium.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print")
    assert not page.locator("#cell").is_visible()
    assert page.locator(".digits").first.is_visible()
    pdf = page.pdf(format="A4")
    page.close()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
