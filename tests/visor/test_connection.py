"""Time limits for slow clients, and the limit of open connections."""

import contextlib
import itertools
import re
import socket
import subprocess
import sys
import time

import pytest
from processes import HALF_A_BODY, HOST, STREAM, TIMEOUT, connected, get, popen

SHORT = """
import sys
from minicnn.visor import connection, requests
connection.IDLE_SECONDS = connection.STALL_SECONDS = 1.0
connection.MAX_CONNECTIONS = 8
requests.BODY_SECONDS = 0.5
from minicnn.visor.command import main
sys.exit(main(sys.argv[1:]))
"""
UNREAD = f"GET /plotly.js HTTP/1.1\n{HOST}\n" * 3  # three large answers


@pytest.fixture(scope="module")
def address(run):
    """Of a visor with short time limits."""
    process = popen([sys.executable, "-c", SHORT, "--no-browser", run], stderr=subprocess.STDOUT)
    yield "127.0.0.1", int(re.search(r":(\d+)/", process.stdout.readline())[1])
    process.terminate()
    with process.stdout as output:
        assert output.read() == "Ctrl-C ends it.\n"  # and no error
    assert process.wait(TIMEOUT) == 0


def received(client, first=b"", repeated=b""):
    """What the server sends until it closes the connection, while the client sends `first` and then
    `repeated` again and again, a byte at a time."""
    client.settimeout(0.05)
    end, data = time.monotonic() + TIMEOUT, b""
    rest = itertools.chain(first, itertools.cycle(repeated))
    while time.monotonic() < end:
        try:
            client.sendall(bytes(itertools.islice(rest, 1)))
            part = client.recv(1 << 20)
            if not part:
                return data
            data += part
        except TimeoutError:
            continue
        except OSError:
            return data
    pytest.fail(f"the connection is still open: {data[:200]!r}")


@pytest.mark.parametrize(
    ("text", "first", "repeated", "status", "answers"),
    [
        ("", b"", b"", b"", 0),  # silent
        ("", b"GET / HTTP/1.1\r\nX: ", b"x", b"", 0),  # a byte at a time
        (f"GET /page/dom.js HTTP/1.1\n{HOST}\n", b"GET / HTTP/1.1\r\nX: ", b"x", b" 200 ", 1),
        (HALF_A_BODY, b"", b" ", b" 408 ", 1),
        (f"POST /nowhere HTTP/1.1\n{HOST}Content-Length: 999999999\n\n", b"", b" ", b" 404 ", 1),
    ],
    ids=["silent", "slow head", "slow second request", "slow body", "body nobody wants"],
)
def test_a_slow_client_is_dropped(address, text, first, repeated, status, answers):
    with connected(address, text) as client:
        data = received(client, first, repeated)
    assert status in data
    assert data.count(b"HTTP/1.1") == answers


def test_a_client_that_does_not_read_is_dropped(address):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with client:
        client.connect(address)
        client.sendall(UNREAD.replace("\n", "\r\n").encode())
        time.sleep(2.5)  # more than twice the limit
        size = 0
        with contextlib.suppress(OSError):
            while part := client.recv(1 << 20):
                size += len(part)
        assert size < 3 * 4_000_000


def test_a_stream_is_not_dropped(address):
    with connected(address, STREAM) as client:
        time.sleep(2.5)  # more than twice the limit
        client.settimeout(0.5)
        data = b""
        with contextlib.suppress(TimeoutError):
            while part := client.recv(1 << 16):
                data += part
            pytest.fail("the stream has ended")
        assert b'"event":"end"' in data


def test_a_new_connection_replaces_the_one_that_was_idle_longest(address, open_connections):
    open_connections(address, [""] * 20)
    assert get(address, "/api/about") == 200
    for stream in open_connections(address, [STREAM] * 6):
        assert stream.recv(1000).startswith(b"HTTP/1.1 200")
    assert get(address, "/api/about") == 200
