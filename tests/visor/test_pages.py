"""The page, its scripts and Plotly over HTTP."""

import os
from urllib.parse import unquote

import apart
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from minicnn.visor import page
from minicnn.visor.app import create_app
from minicnn.visor.subject import Subject


@pytest.fixture(scope="module")
def asking(run, tmp_path_factory):
    app = create_app(Subject(run), tmp_path_factory.mktemp("drawings"))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5000)) as client:
        yield client


FILES = sorted(p.relative_to(page.FOLDER).as_posix() for p in page.FOLDER.rglob("*.*"))


@pytest.mark.parametrize("name", FILES)
def test_only_scripts_styles_and_pictures_are_served(asking, name):
    answer = asking.get(f"/page/{name}")
    kind = page.TYPES.get(f".{name.rpartition('.')[2]}")
    assert answer.status_code == (200 if kind else 404)
    if kind:
        assert answer.headers["content-type"].startswith(kind)
        assert answer.content == (page.FOLDER / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/page/", "/page", "/page/../guard.py", "/page/%2e%2e/guard.py", "/page/..%2fguard.py",
        "/page//etc/passwd", "/page/%2fetc%2fpasswd", "/page/main.js%00", "/page/%00.js",
        "/page/train", "/page/train/", "/page/./main.js", "/page/train/../main.js", "/page/MAIN.JS",
        "/page/__init__.py", "/page/index.html", "/page/__pycache__/x.js", "/page/" + "a" * 400,
        "/page/..\\guard.py", "/page/C:/x.js", "/page/main.js/", "/etc/passwd", "/api", "/api/",
        "/api/about/", "/run.json", "/live.jsonl", "//", "//evil.example/..", "/plotly.js/x",
    ],
)  # fmt: skip
def test_other_addresses_are_not_found(asking, path):
    assert status(asking.app, path) == 404


def status(app, path):
    """The status of a GET with exactly this path."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": unquote(path), "root_path": "",
        "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    apart.run(app(scope, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize("path", ["/page/main.js", "/page/style.css", "/plotly.js"])
def test_an_unchanged_file_is_not_sent_again(asking, path):
    first = asking.get(path)
    assert first.headers["cache-control"] == "no-cache"  # the browser asks each time
    tag = first.headers["etag"]
    assert asking.head(path).headers["etag"] == tag
    for given in (tag, f"W/{tag}", f'"other", {tag}'):
        again = asking.get(path, headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-security-policy" in again.headers
    other = asking.get(path, headers={"if-none-match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_plotly_is_compressed(asking):
    plain = asking.get("/plotly.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = asking.get("/plotly.js", headers={"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.num_bytes_downloaded < len(plain.content) / 2
    assert packed.content == plain.content  # decompressed by the client


def test_other_methods_are_refused(asking):
    for path in ("/", "/plotly.js", "/page/main.js", "/api/about", "/api/events"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            answer = asking.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("broken", "status", "says"),
    [
        (lambda request: 1 / 0, 500, "The visor failed: ZeroDivisionError: division by zero"),
        (lambda request: os.stat("gone-\udcff"), 409, "No such file"),
    ],
)
def test_an_error_is_reported(run, tmp_path, broken, status, says):
    app = create_app(Subject(run), tmp_path)
    app.router.routes.append(Route("/broken", broken))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get("/broken")
    assert answer.status_code == status
    assert says in answer.json()["error"]
