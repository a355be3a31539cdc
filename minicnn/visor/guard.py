"""Who may ask: every request passes here before anything else looks at it.

- Its Host header has to name this server. A page of another site can make its own name point to
  127.0.0.1 (DNS rebinding), and then the browser takes that site's script for ours; but it says by
  which name it asks. (Where any name may be used, the token keeps such a page out.)
- It has to come from our own page, from a program, or from a link to the page that somebody
  follows: browsers send Origin and Sec-Fetch-Site, and no script of another site can forge them.
- Where others than this machine may ask, they have to know the token: it stands in the link that is
  printed, and moves into a cookie that no script can read.
- Its address has to be of a sensible length.

Every answer says what the page may do: load nothing from elsewhere, run no script that stands in
HTML, be framed by nobody.
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

POLICY = (  # nothing inline, neither scripts nor styles: see charts.js for Plotly's
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",  # but for what says otherwise
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the link holds the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PATH, QUERY = 512, 8 * 1024  # bytes, at most

# A name or an IPv4 address, or an IPv6 address in brackets; and a port: any, since a tunnel (ssh
# -L) may begin at another one than ours.
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")


class Guard:
    """ASGI middleware; refuses what may not be asked.

    Args:
        hosts: the names by which this server may be asked, in lower case; empty: any (a token is
            needed then).
        token: what whoever asks has to know; None: nothing.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str | None) -> None:
        if not hosts and token is None:
            raise ValueError("expected hosts or a token, received neither: everybody could ask")
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # "lifespan" passes; there are no websockets here
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
        """The answer to what may not be asked, or to the link with the token; None: go on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self.hosts and host_name(host) not in self.hosts:
            return _error(f"expected Host as one of {', '.join(sorted(self.hosts))}", 403)
        if not is_ours(scope["method"], scope["path"], f"{scope['scheme']}://{host}", headers):
            return _error("expected a request from the visor's own page", 403)
        if len(scope["path"]) > PATH or len(scope["query_string"]) > QUERY:
            return _error(f"expected a path of at most {PATH} and a query of {QUERY:,} bytes", 414)
        return self._refuse_strangers(scope, headers) if self.token is not None else None

    def _refuse_strangers(self, scope: Scope, headers: Headers) -> Response | None:
        # Cookies don't tell ports of one host apart: two visors need two names.
        cookie = f"minicnn_visor_{scope['server'][1]}"
        query = QueryParams(scope["query_string"])
        if scope["path"] == "/" and self._is_token(query.get("token", "")):
            answer = RedirectResponse("/", 303)
            assert self.token is not None
            # "lax", not "strict": the link may be clicked on in another page, a mail program's, say
            answer.set_cookie(cookie, self.token, httponly=True, samesite="lax")
            return answer
        if not self._is_token(cookie_parser(headers.get("cookie", "")).get(cookie, "")):
            return _error("expected the link with the token, as the visor printed it", 401)
        return None

    def _is_token(self, given: str) -> bool:
        assert self.token is not None
        return secrets.compare_digest(given.encode(errors="replace"), self.token.encode())


def host_name(host: str) -> str:
    """The name in a Host header, in lower case and without its port: "[::1]:80" → "::1"; "" for
    what is no name."""
    found = _HOST.fullmatch(host)
    return (found["six"] or found["name"]) if found else ""


def is_ours(method: str, path: str, own: str, headers: Headers) -> bool:
    """Whether a request comes from our page, from a program that is no browser, or from somebody
    who opens the page.

    Args:
        own: the origin of our page, as the request itself names it.
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
