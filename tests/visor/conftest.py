"""A run, a visor that shows it, and a browser.

Without the extra `visor` all tests here are skipped; without Chromium those in a browser.
"""

import contextlib
import json
import re
import subprocess
import warnings
from types import SimpleNamespace

import pytest
from processes import TIMEOUT, VISOR, connected, popen

pytest.importorskip("starlette", reason='needs the extra "visor"')
with warnings.catch_warnings():  # newer releases prefer httpx2, but httpx works
    warnings.simplefilter("ignore")
    import starlette.testclient  # noqa: F401

OPEN_PAGES = []  # (link of the visor, page)
SCREENS = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740}}


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a finished run on the sample, with a test accuracy of 96 % or more."""
    from minicnn import kernels
    from minicnn.train import main

    folder = tmp_path_factory.mktemp("runs") / "course"
    options = ["--epochs", "4", "--batch-size", "64", "--backend", "numpy", "--quiet"]
    with kernels.use_backend("numpy"):  # restores the backend that main() changes
        assert main([*options, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def numpy_backend():
    """As the command sets it."""
    from minicnn import kernels

    with kernels.use_backend("numpy"):
        yield


@contextlib.contextmanager
def serving(*arguments, cwd=None):
    """python -m minicnn.visor …: `link` (without a final slash), `process`, its output `lines` so
    far, and commands(n): the next n commands that it sends, if it is --attached."""
    process = popen([*VISOR, *arguments], stdin=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd)

    def commands(count):
        return [json.loads(process.stdout.readline())["command"] for _ in range(count)]

    lines, found = [], None
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r'http://[^\s"]+', line):
                link = found[0].rstrip("/")
                yield SimpleNamespace(link=link, process=process, lines=lines, commands=commands)
                return
        pytest.fail(f"no visor: {''.join(lines)}")
    finally:
        for link, page in OPEN_PAGES:
            if found and found[0].startswith(link) and "net::ERR" not in page.expected:
                page.context.close()  # else it reports the lost connection
        process.terminate()
        process.communicate(timeout=TIMEOUT)


@pytest.fixture(scope="session")
def serve():
    """serve(arguments…) starts another visor; see serving."""
    return serving


@pytest.fixture(scope="session")
def visor(run, tmp_path_factory):
    """A visor that shows `run`, shared by all tests."""
    drawings = tmp_path_factory.mktemp("own") / "drawings"
    with serving(run, "--drawings", drawings) as running:
        running.drawings = drawings
        yield running


@pytest.fixture
def open_connections():
    """open_connections(address, texts) → sockets that have sent these; closed after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda address, texts: [stack.enter_context(connected(address, t)) for t in texts]


@contextlib.contextmanager
def browsing(chromium):
    """browse(link, screen="wide", scheme="light") → a page. Fails if the page loads anything from
    other sites or writes to the console, except texts with a part in `page.expected`. strict=False
    allows scripts from other sites, for `fits`."""
    opened = []

    def browse(link, screen="wide", scheme="light", strict=True):
        context = chromium.new_context(
            viewport=SCREENS[screen],
            color_scheme=scheme,
            has_touch=screen == "phone",
            bypass_csp=not strict,
        )
        page, problems = context.new_page(), []
        page.set_default_timeout(1000 * TIMEOUT)
        page.expected = []
        page.on(
            "console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        own = link.split("/#")[0]
        page.on(
            "request", lambda r: r.url.startswith((own, "blob:", "data:")) or problems.append(r.url)
        )
        opened.append((context, page, problems))
        OPEN_PAGES.append((own, page))
        page.goto(link)
        return page

    yield browse
    OPEN_PAGES.clear()
    for context, page, problems in opened:
        context.close()
        assert [text for text in problems if not any(p in text for p in page.expected)] == []


@pytest.fixture
def browse(chromium):
    """See browsing."""
    with browsing(chromium) as browse:
        yield browse


@pytest.fixture
def fits():
    """fits(page, part="body"): the page is not wider than the screen, and axe-core finds no
    violation in the part."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def fits(page, part="body"):
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"]
        found = axe.run(page, part)
        assert found.violations_count == 0, found.generate_report()

    return fits


@pytest.fixture(scope="module")
def ask(chromium, visor):
    """ask(module, expression, value) evaluates a JavaScript expression with `value` and the exports
    of page/`module` as `m`."""
    with browsing(chromium) as browse:
        page = browse(visor.link + "/#draw")  # a tab without charts

        def ask(module, expression, value=None):
            load = f"const m = await import('/page/{module}');"
            return page.evaluate(f"async (value) => {{ {load} return {expression}; }}", value)

        yield ask
