"""The server is restarted while its page is open: the page repeats the requests that failed."""

import contextlib
import re
from types import SimpleNamespace

import pytest
from processes import unused_port
from test_draw_page import SEVEN, answers, draw, settled


@pytest.fixture
def restarting(browse, serve, run, tmp_path):
    """restarting(subject, tab) → a context with a `page` at this tab; stop() stops its server, and
    start() starts it again."""

    @contextlib.contextmanager
    def restarting(subject, tab):
        arguments = [run / subject, "--drawings", tmp_path / "drawings", "--port", unused_port()]
        with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
            visor = first.enter_context(serve(*arguments))
            page = browse(f"{visor.link}/#{tab}")
            page.expected = ["net::ERR", "/api/"]  # the browser's messages about the connection

            def start():
                assert second.enter_context(serve(*arguments)).link == visor.link

            yield SimpleNamespace(page=page, stop=first.close, start=start)

    return restarting


def wait_for_text(page, selector, text):
    page.locator(selector, has_text=re.compile(text)).wait_for()


def test_first_requests_are_repeated(restarting):
    """Of a saved model, which has no stream of events."""
    with restarting("model.safetensors", "draw") as server:
        page = server.page
        page.locator("#mnist-bars li").first.wait_for()
        server.stop()
        for tab, status in (("Evaluate", "#evaluate-result"), ("Inside", "#inside-empty")):
            page.get_by_role("tab", name=tab).click()
            wait_for_text(page, status, "does not answer")
        server.start()
        page.locator("#inside-steps .step").first.wait_for()
        wait_for_text(page, "#inside-said", "Test image 0")
        page.get_by_role("tab", name="Evaluate").click()
        page.locator(".matrix button").first.wait_for()
        wait_for_text(page, "#search-line", "matching test")


def test_later_requests_are_repeated(restarting):
    """Of a run, whose stream reconnects by itself."""
    with restarting(".", "evaluate") as server:
        page = server.page
        wait_for_text(page, "#search-line", "matching test")
        page.get_by_role("tab", name="Inside").click()
        page.locator("#inside-steps .step").first.wait_for()
        page.get_by_role("tab", name="Draw").click()
        draw(page, SEVEN)
        settled(page)
        server.stop()
        draw(page, SEVEN)  # again, over the first
        page.get_by_role("alert").filter(has_text="visor").wait_for()
        assert answers(page) == {"mnist": "–", "tutorial": "–"}  # not those of the first drawing
        assert page.locator("#draw-answer").inner_text() == ""
        page.get_by_role("tab", name="Inside").click()
        page.locator(".layer").nth(1).locator(".map").first.click()
        wait_for_text(page, "#inside-said", "does not answer")
        page.get_by_role("tab", name="Evaluate").click()
        page.get_by_label("result").select_option("all")
        wait_for_text(page, "#search-line", "does not answer")
        server.start()
        wait_for_text(page, "#search-line", "^2,000 matching test images")
        page.get_by_role("tab", name="Inside").click()
        wait_for_text(page, "#inside-said", "Test image 0")
        wait_for_text(page, "#inside-chosen", "channel 0")
        page.get_by_role("tab", name="Draw").click()
        wait_for_text(page, "#mnist-answer", "7")
        page.get_by_role("alert").wait_for(state="hidden")
        wait_for_text(page, "#draw-answer", ": 7")
        assert page.locator("#draw-time").inner_text() == ""  # the time would be meaningless
