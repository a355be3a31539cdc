"""The report in a browser without a network: wide screen, phone, print."""

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
    """The opened page; an output on the console is an error."""
    context = chromium.new_context(viewport=request.param, offline=True)
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on(
        "request", lambda r: None if r.url.startswith(("file:", "data:")) else messages.append(r)
    )
    page.goto(path.as_uri())
    yield page
    context.close()
    assert messages == []


def cell(page, kind):
    return page.locator(f".confusion td.{kind} button").first


def test_the_page_is_as_wide_as_the_screen(page):
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == page.viewport_size["width"]
    assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0


@pytest.mark.parametrize("kind", ["missed", "right"])
def test_a_click_on_a_cell_shows_its_images(page, kind):
    button = cell(page, kind)
    count = int(button.inner_text())
    true, predicted = button.get_attribute("data-cell").split("-")
    button.click()
    shown = page.locator("#cell figure")
    assert shown.count() == min(count, 12 if kind == "right" else 40)
    heading = page.locator("#cell h3").inner_text()
    assert heading.startswith(f"{count} of class ")
    assert ("predicted correctly" in heading) == (true == predicted)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator('.confusion button[aria-pressed="true"]').count() == 1
    box = shown.first.locator(".sprite").bounding_box()
    assert box["width"] >= 40
    assert abs(box["width"] - box["height"]) < 3


def test_keyboard(page):
    cell(page, "right").focus()
    page.keyboard.press("Enter")
    assert page.locator("#cell figure").count() > 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.cell") is not None


def test_print(chromium, path):
    page = chromium.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print")
    assert not page.locator("#cell").is_visible()
    assert page.locator(".digits").first.is_visible()
    pdf = page.pdf(format="A4")
    page.close()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
