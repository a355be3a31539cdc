"""A run, a visor that shows it, and a browser that looks at it.

Without the extra `visor` all tests here are skipped; without Chromium those in a browser.
"""

import contextlib
import json
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
from waiting import PATIENCE

pytest.importorskip("starlette", reason='needs the extra "visor"')
with warnings.catch_warnings():  # its newer releases would rather have httpx2; httpx does
    warnings.simplefilter("ignore")
    import starlette.testclient  # noqa: F401

LOOKING = []  # (link of a visor, a page that looks at it), where both are open
SCREENS = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740}}


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a finished run on the sample; it reads 96 % of the test digits, or more."""
    from minicnn import kernels
    from minicnn.train import main

    folder = tmp_path_factory.mktemp("runs") / "course"
    options = ["--epochs", "4", "--batch-size", "64", "--backend", "numpy", "--quiet"]
    with kernels.use_backend("numpy"):  # what main() chooses is not left to other tests
        assert main([*options, "--out", str(folder)]) == 0
    return folder


@contextlib.contextmanager
def serving(*arguments, cwd=None):
    """python -m minicnn.visor …: `link`, without a slash at its end, `process`, what it has printed
    by then, `lines`; and words(n): the next n commands that it passes on, if it is --attached."""
    command = [sys.executable, "-m", "minicnn.visor", "--no-browser", *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=cwd
    )

    def words(count):
        return [json.loads(process.stdout.readline())["command"] for _ in range(count)]

    lines, found = [], None
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r'http://[^\s"]+', line):
                link = found[0].rstrip("/")
                yield SimpleNamespace(link=link, process=process, lines=lines, words=words)
                return
        pytest.fail(f"no visor: {''.join(lines)}")
    finally:
        for link, page in LOOKING:
            if found and found[0].startswith(link) and "net::ERR" not in page.expected:
                page.context.close()  # or it would complain of the lost connection
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="session")
def serve():
    """serve(arguments…), for a visor of the test's own: see serving."""
    return serving


@pytest.fixture(scope="session")
def visor(run, tmp_path_factory):
    """A visor that shows `run`; its link has no slash at its end."""
    drawings = tmp_path_factory.mktemp("own") / "drawings"
    with serving(run, "--drawings", drawings) as running:
        running.drawings = drawings
        yield running


@pytest.fixture
def browse(chromium):
    """browse(link, screen="wide", scheme="light") → a page. Nothing may come from elsewhere, and
    nothing be written to the console, but for what is in `page.expected` (parts of texts). With
    strict=False the page lets scripts in from elsewhere, as `fits` needs it."""
    opened = []

    def browse(link, screen="wide", scheme="light", strict=True):
        context = chromium.new_context(
            viewport=SCREENS[screen],
            color_scheme=scheme,
            has_touch=screen == "phone",
            bypass_csp=not strict,
        )
        page, said = context.new_page(), []
        page.set_default_timeout(1000 * PATIENCE)
        page.expected = []
        page.on(
            "console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        own = link.split("/#")[0]
        page.on(
            "request", lambda r: r.url.startswith((own, "blob:", "data:")) or said.append(r.url)
        )
        opened.append((context, page, said))
        LOOKING.append((own, page))
        page.goto(link)
        return page

    yield browse
    LOOKING.clear()
    for context, page, said in opened:
        context.close()
        assert [text for text in said if not any(part in text for part in page.expected)] == []


@pytest.fixture
def fits():
    """fits(page, part="body"): the page is no wider than its screen, and axe-core finds nothing to
    say about the part."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def fits(page, part="body"):
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"]
        found = axe.run(page, part)
        assert found.violations_count == 0, found.generate_report()

    return fits


@pytest.fixture
def ask(browse, visor):
    """ask(module, expression, value): what a JavaScript expression says of `value`, with all that
    page/`module` exports as `m`."""
    page = browse(visor.link + "/#draw")  # there no chart is drawn

    def ask(module, expression, value=None):
        load = f"const m = await import('/page/{module}');"
        return page.evaluate(f"async (value) => {{ {load} return {expression}; }}", value)

    return ask
