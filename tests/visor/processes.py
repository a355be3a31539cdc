"""Started processes and raw connections, and how long tests wait for them."""

import contextlib
import signal
import socket
import subprocess
import sys
import time

TIMEOUT = 60.0  # seconds until a test gives up; generous: machines are shared
PROMPT = 12.0  # seconds; less than the 20 for which the server keeps a silent connection
VISOR = [sys.executable, "-m", "minicnn.visor", "--no-browser"]
HOST = "Host: 127.0.0.1\n"
STREAM = f"GET /api/events HTTP/1.1\n{HOST}\n"
HALF_A_BODY = (
    f"POST /api/read HTTP/1.1\n{HOST}Content-Type: application/json\nContent-Length: 99\n\n{{"
)


def popen(command, **options):
    """subprocess.Popen with text pipes; SIGINT works in it even if it is ignored here (nohup)."""

    def restore():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    options = {"stdout": subprocess.PIPE, "text": True, "preexec_fn": restore} | options
    return subprocess.Popen(list(map(str, command)), **options)


def unused_port():
    """A port that no other visor takes while this one is stopped: they start at 8028."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(condition):
    """Poll until `condition()` is true, and return its value."""
    end = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < end, "timeout"
        time.sleep(0.02)
    return value


def connected(address, text):
    """A socket that has sent `text`."""
    client = socket.create_connection(address, timeout=TIMEOUT)
    client.sendall(text.replace("\n", "\r\n").encode())
    return client


def get(address, path, header=""):
    """The status of a GET; None without an answer."""
    with contextlib.suppress(OSError):
        text = f"GET {path} HTTP/1.1\n{header or HOST}Connection: close\n\n"
        with connected(address, text) as client, client.makefile("rb") as answer:
            return int(answer.readline().split()[1])
    return None
