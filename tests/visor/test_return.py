"""The visor is ended and begun again while its page stays open: what it did not answer is asked
again.

Of a run the page has a stream of events, which comes back by itself; of a saved model it has none.
"""

import contextlib
import re
from types import SimpleNamespace

import pytest
from test_draw_page import SEVEN, answers, draw, settled


@pytest.fixture(params=["run", "model"])
def leaving(request, browse, serve, run, tmp_path):
    """leaving(tab) → a context: a `page`, open at this tab, whose visor ends with end() and begins
    again with begin()."""

    @contextlib.contextmanager
    def leaving(tab):
        subject = run if request.param == "run" else run / "model.safetensors"
        arguments = [subject, "--drawings", tmp_path / "drawings"]
        with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
            visor = first.enter_context(serve(*arguments))
            page = browse(f"{visor.link}/#{tab}")
            page.expected = ["net::ERR", "/api/"]  # what the browser says of the lost connection
            port = visor.link.rpartition(":")[2]

            def begin():
                assert second.enter_context(serve(*arguments, "--port", port)).link == visor.link

            yield SimpleNamespace(page=page, end=first.close, begin=begin)

    return leaving


def wait_for_text(page, selector, text):
    page.locator(selector, has_text=re.compile(text)).wait_for()


def test_what_could_not_be_measured_is_measured(leaving):
    with leaving("draw") as left:
        left.page.locator("#mnist-bars li").first.wait_for()
        left.end()
        left.page.get_by_role("tab", name="Evaluate").click()
        wait_for_text(left.page, "#evaluate-result", "does not answer")
        left.begin()
        left.page.locator(".matrix button").first.wait_for()
        wait_for_text(left.page, "#search-line", "matching test")


def test_a_search_is_made_again(leaving):
    with leaving("evaluate") as left:
        wait_for_text(left.page, "#search-line", "matching test")
        left.end()
        left.page.get_by_label("result").select_option("all")
        wait_for_text(left.page, "#search-line", "does not answer")
        left.begin()
        wait_for_text(left.page, "#search-line", "^2,000 matching test images")


def test_a_drawing_is_read(leaving):
    with leaving("draw") as left:
        page = left.page
        page.locator("#mnist-bars li").first.wait_for()
        draw(page, SEVEN)
        settled(page)
        left.end()
        draw(page, SEVEN)  # once more, over the other
        page.get_by_role("alert").filter(has_text="visor").wait_for()
        assert answers(page) == {"mnist": "–", "tutorial": "–"}  # not those of the drawing before
        assert page.locator("#draw-answer").inner_text() == ""
        left.begin()
        wait_for_text(page, "#mnist-answer", "7")
        page.get_by_role("alert").wait_for(state="hidden")
        wait_for_text(page, "#draw-answer", "Prediction: 7")
        assert page.locator("#draw-time").inner_text() == ""  # how long it took says nothing


def test_an_image_is_looked_into(leaving):
    with leaving("draw") as left:
        page = left.page
        page.locator("#mnist-bars li").first.wait_for()
        left.end()
        page.get_by_role("tab", name="Inside").click()
        wait_for_text(page, "#inside-empty", "does not answer")
        left.begin()
        page.locator("#inside-steps .step").first.wait_for()
        wait_for_text(page, "#inside-said", "Test image 0")


def test_a_number_is_looked_at(leaving):
    with leaving("inside") as left:
        page = left.page
        page.locator("#inside-steps .step").first.wait_for()
        left.end()
        page.locator(".layer").nth(1).locator(".map").first.click()
        wait_for_text(page, "#inside-said", "does not answer")
        left.begin()
        wait_for_text(page, "#inside-said", "Test image 0")
        wait_for_text(page, "#inside-chosen", "channel 0")
