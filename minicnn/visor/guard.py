"""Access control: checks every request before the application sees it.

- The Host header must name this server. Another site can point its own name to 127.0.0.1 (DNS
  rebinding); the browser then treats its scripts as ours, but still sends that name as Host. (If
  any name is allowed, the token protects the page.)
- The request must come from our own page, from a program, or from a link to the page: browsers
  send Origin and Sec-Fetch-Site, and scripts of other sites cannot forge them.
- If other machines may connect, they need the token: it is part of the printed link, and moves into
  a cookie that scripts cannot read.
- The address must not be too long.

Every answer carries a policy for the page: load nothing from other sites, run no inline scripts, do
not appear in a frame.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answer import Answer

POLICY = (  # no inline scripts or styles; for Plotly's see charts.js
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",  # the default
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the link contains the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
MAX_PATH, MAX_QUERY = 512, 8 * 1024  # bytes

# A name, an IPv4 address, or an IPv6 address in brackets; then any port: a tunnel (ssh -L) may
# use another one than ours.
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")


class Guard:
    """ASGI middleware that refuses forbidden requests.

    Args:
        hosts: allowed names of this server, in lower case; empty: any (then a token is required).
        token: the secret that clients must send; None: no secret.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str | None) -> None:
        if not hosts and token is None:
            raise ValueError("expected hosts or a token, received neither: anyone could connect")
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # "lifespan" passes; there are no websockets
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refuse(scope)
        await (refused or self.app)(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        """An error, or the redirect of the link with the token; None: the request is allowed."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self.hosts and host_name(host) not in self.hosts:
            return _error(f"expected Host as one of {', '.join(sorted(self.hosts))}", 403)
        if not is_ours(scope["method"], scope["path"], f"{scope['scheme']}://{host}", headers):
            return _error("expected a request from the visor's own page", 403)
        if len(scope["path"]) > MAX_PATH or len(scope["query_string"]) > MAX_QUERY:
            text = f"expected a path of at most {MAX_PATH} and a query of {MAX_QUERY:,} bytes"
            return _error(text, 414)
        return self._check_token(scope, headers) if self.token is not None else None

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        # Cookies ignore the port: two visors on one host need two names.
        cookie = f"minicnn_visor_{scope['server'][1]}"
        query = QueryParams(scope["query_string"])
        if scope["path"] == "/" and self._is_token(query.get("token", "")):
            answer = RedirectResponse("/", 303)
            assert self.token is not None
            # "lax", not "strict": the link may be in another page, e.g. of a mail program
            answer.set_cookie(cookie, self.token, httponly=True, samesite="lax")
            return answer
        if not self._is_token(cookie_parser(headers.get("cookie", "")).get(cookie, "")):
            return _error("expected the link with the token that the visor printed", 401)
        return None

    def _is_token(self, given: str) -> bool:
        assert self.token is not None
        return secrets.compare_digest(given.encode(errors="replace"), self.token.encode())


def host_name(host: str) -> str:
    """The name in a lower-case Host header without its port: "[::1]:80" → "::1"; "" if invalid."""
    found = _HOST.fullmatch(host)
    return (found["six"] or found["name"]) if found else ""


def is_ours(method: str, path: str, own: str, headers: Headers) -> bool:
    """Whether a request comes from our page or from a program that is not a browser, or opens the
    page.

    Args:
        own: the origin of our page according to the request.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin not in (None, own):
        return False
    if site in (None, "same-origin"):
        return True
    opens = headers.get("sec-fetch-mode") == "navigate" and path == "/"
    return method in ("GET", "HEAD") and (site == "none" or opens)


def _error(message: str, status: int) -> Answer:
    return Answer({"error": message}, status)
