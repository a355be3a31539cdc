"""Access control: hosts, other sites, the token."""

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from minicnn.visor.app import LOCAL
from minicnn.visor.guard import HEADERS, MAX_PATH, MAX_QUERY, Guard, is_ours

TOKEN = "fZ-9_token"


def client(hosts=LOCAL, token=None, base="http://127.0.0.1:8028"):
    def answer(request):
        return PlainTextResponse(request.method)

    methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
    app = Starlette(routes=[Route("/{path:path}", answer, methods=methods)])
    return TestClient(Guard(app, hosts, token), base_url=base, follow_redirects=False)


@pytest.fixture(scope="module")
def here():
    return client()


@pytest.fixture
def elsewhere():
    """A visor that other machines may use, with the token."""
    return client((), TOKEN, "http://192.0.2.7:8028")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8028", "localhost:8028", "LocalHost", "[::1]:8028", "[::1]", "127.0.0.1:9000"],
)
def test_names_of_this_machine_are_allowed(here, host):
    assert here.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8028", "127.0.0.1.evil.example", "localhost.evil.example",
        "evil.example#127.0.0.1", "user@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1:evil",
        "127.0.0.1:80:80", "[::1", "::1", "[::1]evil", "[::1]@evil.example", "[127.0.0.1]x",
        "127.0.0.2", "localhost.", "", " ", "127.0.0.1 evil", "127.0.0.1:123456", "0.0.0.0",
    ],
)  # fmt: skip
def test_other_names_are_refused(here, host):
    answer = here.get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "127.0.0.1" in answer.json()["error"]


FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "https://127.0.0.1:8028"},
    {"origin": "http://127.0.0.1:8028.evil.example"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},  # another port of this machine
    {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8028"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_requests_of_other_sites_are_refused(here, method, headers):
    assert here.request(method, "/api/read", headers=headers).status_code == 403


OWN = [{}, {"origin": "http://127.0.0.1:8028"}, {"sec-fetch-site": "same-origin"}]


@pytest.mark.parametrize("headers", OWN, ids=str)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_requests_of_our_page_or_a_program_are_allowed(here, method, headers):
    assert here.request(method, "/api/read", headers=headers).status_code == 200


def test_a_link_on_another_site_only_opens_the_page(here):
    opened = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert here.get("/", headers=opened).status_code == 200
    assert here.get("/api/about", headers=opened).status_code == 403
    assert here.post("/", headers=opened).status_code == 403  # a form
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert here.get("/", headers=embedded).status_code == 403


def test_a_typed_address_allows_get_only():
    typed = Headers({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"})
    assert is_ours("GET", "/api/about", "http://127.0.0.1", typed)
    assert not is_ours("POST", "/api/about", "http://127.0.0.1", typed)


def test_the_length_of_addresses_is_limited(here):
    assert here.get("/" + "a" * (MAX_PATH - 1)).status_code == 200
    assert here.get("/" + "a" * MAX_PATH).status_code == 414
    assert here.get("/?" + "a" * MAX_QUERY).status_code == 200
    assert here.get("/?" + "a" * (MAX_QUERY + 1)).status_code == 414


@pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}])
def test_every_answer_has_the_policy(here, headers):
    answer = here.get("/", headers=headers)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_without_the_token_every_request_is_refused(elsewhere):
    for path in ("/", "/?token=", "/?token=wrong", f"/?Token={TOKEN}", "/api/about", "/page/x.js"):
        answer = elsewhere.get(path)
        assert answer.status_code == 401
        assert "link with the token" in answer.json()["error"]
        assert TOKEN not in answer.text
    assert elsewhere.post(f"/?token={TOKEN}", headers={"origin": "http://evil.example"}).is_error


def test_the_link_sets_a_cookie_and_removes_the_token_from_the_address(elsewhere):
    answer = elsewhere.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert elsewhere.get("/api/about").status_code == 200  # with the cookie
    assert elsewhere.post("/api/read", headers={"origin": "http://evil.example"}).status_code == 403


def test_the_token_opens_the_page_only(elsewhere):
    assert elsewhere.get(f"/api/about?token={TOKEN}").status_code == 401


@pytest.mark.parametrize(
    "value", ["", "wrong", TOKEN + "x", TOKEN[:-1], "\u00fc\u00ff", '"', TOKEN.lower()]
)
def test_a_wrong_cookie_is_refused(elsewhere, value):
    header = b"minicnn_visor_8028=" + value.encode("latin-1")
    assert elsewhere.get("/", headers={"cookie": header}).status_code == 401


def test_two_visors_on_one_machine_keep_their_cookies_apart():
    first = client((), TOKEN, "http://192.0.2.7:8028").get(f"/?token={TOKEN}")
    second = client((), "other", "http://192.0.2.7:8029").get("/?token=other")
    names = [answer.headers["set-cookie"].split("=")[0] for answer in (first, second)]
    assert len(set(names)) == 2


def test_a_guard_needs_hosts_or_a_token():
    with pytest.raises(ValueError, match="hosts or a token"):
        Guard(Starlette(), (), None)
