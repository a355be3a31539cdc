"""The tabs of the page, by mouse and keyboard."""

import pytest

TABS = ["train", "evaluate", "draw", "inside"]


def panel(page, name):
    return page.locator(f"#{name}")


@pytest.mark.parametrize("screen", ["wide", "phone"])
def test_each_tab_is_shown_and_fits_the_screen(browse, visor, screen):
    page = browse(visor.link, screen)
    for name in TABS:
        page.get_by_role("tab", name=name.capitalize()).click()
        panel(page, name).wait_for(state="visible")
        assert [other for other in TABS if panel(page, other).is_visible()] == [name]
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], name


def test_arrows_move_between_the_tabs(browse, visor):
    page = browse(visor.link)
    page.get_by_role("tab", name="Train").focus()
    for key, name in [
        ("ArrowRight", "evaluate"),
        ("End", "inside"),
        ("ArrowRight", "train"),
        ("ArrowLeft", "inside"),
    ]:
        page.keyboard.press(key)
        panel(page, name).wait_for(state="visible")
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"


def test_the_address_has_the_tab(browse, visor):
    page = browse(visor.link + "/#draw")
    panel(page, "draw").wait_for(state="visible")
    page.reload()
    panel(page, "draw").wait_for(state="visible")
