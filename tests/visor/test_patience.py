"""Clients that take their time, or all the connections."""

import contextlib
import itertools
import re
import socket
import subprocess
import sys
import time

import pytest
from waiting import PATIENCE

HOST = "Host: 127.0.0.1\n"


HALF_A_BODY = (
    f"POST /api/read HTTP/1.1\n{HOST}Content-Type: application/json\nContent-Length: 99\n\n{{"
)


def get(address, path):
    """The status of an answer."""
    with connected(address, f"GET {path} HTTP/1.1\n{HOST}Connection: close\n\n") as client:
        return int(client.makefile("rb").readline().split()[1])


def connected(address, text):
    """A socket that has sent this."""
    client = socket.create_connection(address, timeout=PATIENCE)
    client.sendall(text.replace("\n", "\r\n").encode())
    return client


SHORT = """
import sys
from minicnn.visor import connection, requests
connection.IDLE_SECONDS = connection.STALL_SECONDS = 1.0
connection.MAX_CONNECTIONS = 8
requests.BODY_SECONDS = 0.5
from minicnn.visor.command import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def impatient(run):
    """The address of a visor whose times and numbers are short."""
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT, "--no-browser", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield "127.0.0.1", int(re.search(r":(\d+)/", process.stdout.readline())[1])
    process.terminate()
    with process.stdout as said:
        assert said.read() == "Ctrl-C ends it.\n"  # and no complaint
    assert process.wait(PATIENCE) == 0


def ended(client, first=b"", dribble=b""):
    """What came until the server ended the connection; `first` is sent, then `dribble` again and
    again, a byte at a time."""
    client.settimeout(0.05)
    end, came = time.monotonic() + PATIENCE, b""
    rest = itertools.chain(first, itertools.cycle(dribble))
    while time.monotonic() < end:
        try:
            client.sendall(bytes(itertools.islice(rest, 1)))
            part = client.recv(1 << 20)
            if not part:
                return came
            came += part
        except TimeoutError:
            continue
        except OSError:
            return came
    pytest.fail(f"the connection is still there: {came[:200]!r}")


def test_who_sends_nothing_is_dropped(impatient):
    with connected(impatient, "") as client:
        assert ended(client) == b""


def test_who_sends_a_byte_at_a_time_is_dropped(impatient):
    with connected(impatient, "") as client:
        assert ended(client, b"GET / HTTP/1.1\r\nX: ", b"x") == b""


def test_who_asks_nothing_more_is_dropped(impatient):
    with connected(impatient, f"GET /page/dom.js HTTP/1.1\n{HOST}\n") as client:
        assert ended(client, b"GET / HTTP/1.1\r\nX: ", b"x").count(b"HTTP/1.1 200") == 1


def test_a_body_that_does_not_come_is_not_waited_for(impatient):
    with connected(impatient, HALF_A_BODY) as client:
        assert b" 408 " in ended(client, dribble=b" ")


def test_a_body_that_nobody_wanted_ends(impatient):
    text = f"POST /nowhere HTTP/1.1\n{HOST}Content-Length: 999999999\n\n"
    with connected(impatient, text) as client:
        assert b" 404 " in ended(client, dribble=b" ")


def test_who_takes_no_answer_is_dropped(impatient):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with client:
        client.connect(impatient)
        client.sendall(f"GET /plotly.js HTTP/1.1\n{HOST}\n".replace("\n", "\r\n").encode() * 3)
        time.sleep(2.5)
        came = 0
        with contextlib.suppress(OSError):
            while part := client.recv(1 << 20):
                came += len(part)
        assert came < 3 * 4_000_000  # it had not got everything


def test_a_stream_is_not_dropped(impatient):
    with connected(impatient, f"GET /api/events HTTP/1.1\n{HOST}\n") as client:
        time.sleep(2.5)
        client.settimeout(0.5)
        came = b""
        with contextlib.suppress(TimeoutError):
            while part := client.recv(1 << 16):
                came += part
            pytest.fail("the stream has ended")
        assert b'"event":"end"' in came


def test_when_all_connections_are_taken_the_idlest_gives_way(impatient):
    idle = [connected(impatient, "") for _ in range(20)]
    assert get(impatient, "/api/about") == 200
    streams = [connected(impatient, f"GET /api/events HTTP/1.1\n{HOST}\n") for _ in range(6)]
    for stream in streams:
        assert stream.recv(1000).startswith(b"HTTP/1.1 200")
    assert get(impatient, "/api/about") == 200
    for client in idle + streams:
        client.close()
