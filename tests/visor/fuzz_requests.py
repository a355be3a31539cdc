"""Random malformed requests for test_fuzz.py.

The routes come from the application, the field names from the source of its answers, so that new
ones are covered automatically.
"""

import ast
import base64
import io
import json
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from starlette.routing import Mount

import minicnn.visor.api

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"]
TYPES = [
    "application/json", "application/json", "application/json; charset=latin-1", "image/png",
    "image/png", "image/jpeg", "text/plain", "multipart/form-data; boundary=x", "", "\xff", ",",
    "application/x-www-form-urlencoded", "application/json, image/png",
]  # fmt: skip
SEGMENTS = ["0", "7", "x", "-1", "99999999999999999999", "1999", "%00", "..", "1.5"]
PATHS = [
    "//", "/\\..\\x", "*", "%zz", "/%ff%fe", "/api/digits/" + "9" * 5000, "/api/digits/1e3",
    "/api/digits/٣", "/?token=%00", "http://evil.example/", "evil.example:443", "/" + "a" * 20_000,
    "/api/digits.png?rows=" + "1," * 999, "/#x", "/;x", "/api/about?" + "a=1&" * 900, "/api/\r",
    "/\xe9", "", " / ", "/api/about HTTP/1.1",
]  # fmt: skip
HEADERS = [
    "Content-Length: -1", "Content-Length: x", "Content-Length: 1, 2",
    "Content-Length: " + "9" * 40,
    "Content-Length: 1\r\nContent-Length: 2", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked\r\nContent-Length: 3", "Host: other", "Host:", ": empty", "X Y: z",
    "X: " + "y" * 40_000, "X: \x00", "X: \xff\xfe", "X", " folded", "Cookie: " + "a=b; " * 500,
    "Range: bytes=9-1", "Range: bytes=0-0,1-1,2-2", "If-None-Match: *", "If-Range: x", "Expect: x",
    "Expect: 100-continue", "Upgrade: websocket\r\nConnection: Upgrade", "Connection: \xff",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA", "Origin: null",
    "Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Accept-Encoding: gzip;q=x",
    "Last-Event-ID: " + "9" * 4000, "Last-Event-ID: \xff-1", "X-Forwarded-For: evil",
    "\r\n".join(f"X{n}: y" for n in range(300)),
]  # fmt: skip
GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /", b"GET / HTTP/9.9", b"GET / HTTP/1.1 x",
    b"\x00" * 99,
    b"GET  /  HTTP/1.1", b"get / http/1.1", b"{}", b"\xff" * 500,
    b"GET / HTTP/1.1\nHost: 127.0.0.1\n",
    b"A" * 70_000, b"SSH-2.0-x", b"GET\t/\tHTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
]  # fmt: skip


def routes(app):
    """(path, methods) of every route of the application."""
    found = []

    def walk(entries, before):
        for route in entries:
            if isinstance(route, Mount):
                walk(route.routes, before + route.path)
            else:
                found.append((before + route.path, sorted(route.methods)))

    walk(app.routes, "")
    return found


def words():
    """Every string in the source of the answers that is a word, among them the names of fields."""
    found = set()
    for path in Path(minicnn.visor.api.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = getattr(node, "value", None)
            if isinstance(text, str) and re.fullmatch(r"[a-z_-]{1,20}", text):
                found.add(text)
    return sorted(found)


class Fuzz:
    """A random generator of requests.

    Args:
        targets: see routes().
        fields: see words().
        names: more words for values, e.g. of layers.
    """

    def __init__(self, targets, fields, names, seed):
        self.targets, self.fields, self.names = targets, fields, names
        self.rng = np.random.default_rng(seed)
        self.image = [round(float(v), 3) for v in self.rng.random(784)]

    def pick(self, things):
        return things[int(self.rng.integers(len(things)))]

    def chance(self, share):
        return self.rng.random() < share

    def request(self):
        """(bytes, whether they are a complete request, which must be answered)."""
        if self.chance(0.08):
            return self.pick(GARBAGE) + b"\r\n\r\n", True
        path, methods = self.pick(self.targets)
        method = self.pick(methods) if self.chance(0.85) else self.pick(METHODS)
        path = self.path(path) if self.chance(0.85) else self.pick(PATHS)
        body = self.body() if method in ("POST", "PUT", "PATCH") or self.chance(0.1) else b""
        kind = (
            ("image/png" if body[:4] == b"\x89PNG" else "application/json")
            if self.chance(0.85)
            else self.pick(TYPES)
        )
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}"]
        lines.append("Connection: close")
        whole = True
        if self.chance(0.15):
            lines.append(self.pick(HEADERS))
        if self.chance(0.04) and body:
            lines.append("Transfer-Encoding: chunked")
            body = self.pick([b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), b"zz\r\n"])
        elif self.chance(0.02) and body:  # an incomplete request
            lines.append(f"Content-Length: {len(body) + 9}")
            whole = False
        else:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1", errors="replace")
        # a second length may be larger than the body
        whole = whole and not re.search(rb"(?i)(expect|chunked|content-length: 9{9})", head)
        return head + b"\r\n\r\n" + body, whole

    def path(self, template):
        """An address of this template, sometimes with a query."""
        path = re.sub(r"\{\w+(:\w+)?\}", lambda _: self.pick(SEGMENTS), template)
        if self.chance(0.6):
            path += "?" + "&".join(
                f"{self.pick(self.fields)}={self.text()}" for _ in range(self.rng.integers(6))
            )
        return path

    def text(self):
        """A value in a query."""
        return self.pick([
            "", "0", "1", "9", "-1", "1e9", "0.5", "nan", "inf", "٣", "%00", "%ff", "%ud800",
            "true",
            "1,2,3", "1,,2", "9" * 30, "9" * 4900, "a" * 900, "%F0%9F%98%80", "..%2f..", "null",
            "[]",
            *self.names,
        ])  # fmt: skip

    def body(self):
        """Almost valid JSON or PNG, or neither."""
        if self.chance(0.35):
            return self.png()
        if self.chance(0.2):
            return self.pick([
                b"", b"{", b"[]", b"null", b'"', b"nan", b'{"pixels":', b"\xff\xfe\x00", b"{}",
                b"[" * 9000,
                b'{"a":' * 9000, b'{"pixels":[' + b"9" * 20_000 + b"]}", b'{"label":1e999}',
                b" " * 70_000,
                b'{"pixels":[NaN]}', b'{"class":Infinity}', b'{"a":1,"a":2}',
                b'{"\\ud800":"\\udc00"}',
            ])  # fmt: skip
        value = {"pixels": self.image, "label": 1, "layer": 0, "row": 0, "channel": 0, "column": 0}
        for _ in range(int(self.rng.integers(1, 6))):
            value[self.pick(self.fields)] = self.odd()
        if self.chance(0.3):
            value["image"] = base64.b64encode(self.png()).decode()
        text = json.dumps(value).encode()
        return text[: int(self.rng.integers(len(text)))] if self.chance(0.05) else text

    def odd(self):
        """A value in JSON."""
        few = self.image[: int(self.rng.integers(786))]
        return self.pick([
            None, True, 0, 1, 2, 5, 27, 28, -1, 10**9, 10**30, -(10**400), 0.5, 1e308, -1e-9,
            float("nan"),
            float("inf"), "", "0", "x", "\ud800", "\x00", "😀", "a" * 5000, [], [[]], {},
            {"a": []}, [None],
            few, [*few, "x"], [*self.image, 0.1], [self.image], [0.5] * 784, [2] * 784,
            [True] * 784,
            {"0": 1}, json.loads("[" * 400 + "]" * 400), *self.names, *self.names,
        ])  # fmt: skip

    def png(self):
        """A PNG, often a damaged one."""
        mode, size = (
            self.pick(["L", "RGBA", "P", "1", "LA"]),
            self.pick([(28, 28), (280, 280), (1, 900)]),
        )
        file = io.BytesIO()
        Image.fromarray(self.rng.integers(0, 256, size, np.uint8)).convert(mode).save(file, "PNG")
        png = bytearray(file.getvalue())
        if self.chance(0.2):
            return bytes(png[: int(self.rng.integers(len(png)))])
        if self.chance(0.3):
            for _ in range(int(self.rng.integers(1, 20))):
                png[int(self.rng.integers(len(png)))] = int(self.rng.integers(256))
        elif self.chance(0.2):
            png[16:24] = struct.pack(
                ">II", *self.pick([(0, 0), (2**31 - 1, 2**31 - 1), (1, 10**6)])
            )
            png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))  # of the changed header
        return bytes(png)
