"""It ends when it is told to: at once, with exit code 0, whatever is under way."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from waiting import AT_ONCE, PATIENCE

from minicnn.visor import command

PROGRAM = [sys.executable, "-m", "minicnn.visor", "--no-browser"]


@contextlib.contextmanager
def started(*arguments, **options):
    """The process, its (host, port), with all of its output in pipes of their own."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        line = process.stdout.readline()
        found = re.search(r"http://127.0.0.1:(\d+)/", line)
        assert found, line + process.stderr.read()
        yield process, ("127.0.0.1", int(found[1]))
    finally:
        process.kill()
        process.communicate()


def connected(address, text):
    """A socket that has sent this."""
    client = socket.create_connection(address, timeout=PATIENCE)
    client.sendall(text.replace("\n", "\r\n").encode())
    return client


HOST = "Host: 127.0.0.1\n"
UNDER_WAY = {
    "nothing": [],
    "connections": ["", "", ""],
    "streams": [f"GET /api/events HTTP/1.1\n{HOST}\n"] * 3,
    "half a head": ["GET / HTTP/1.1\nHos"],
    "half a body": [
        f"POST /api/read HTTP/1.1\n{HOST}Content-Type: application/json\nContent-Length: 99\n\n{{"
    ],
    "an answer that nobody takes": [f"GET /plotly.js HTTP/1.1\n{HOST}\n"],
}


@pytest.mark.parametrize(
    ("kind", "number"),
    [*((kind, signal.SIGINT) for kind in UNDER_WAY), ("streams", signal.SIGTERM)],
)
def test_it_ends_at_once(run, kind, number):
    with started(run) as (process, address):
        clients = [connected(address, text) for text in UNDER_WAY[kind]]
        if kind == "streams":
            for client in clients:
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
        time.sleep(0.2)
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - begun < AT_ONCE
        assert process.stderr.read() == ""
        for client in clients:
            client.close()


def test_it_ends_at_once_while_a_thread_works(run):
    """Python can't end a thread, and would wait for it."""
    slow = (
        "import sys, time\n"
        "from minicnn.visor.api import about\n"
        "from starlette.routing import Route\n"
        "about.ROUTES.append(Route('/slow', lambda request: time.sleep(60)))\n"
        "from minicnn.visor.command import main\n"
        f"sys.exit(main(['--no-browser', {str(run)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
    with connected(("127.0.0.1", port), f"GET /api/slow HTTP/1.1\n{HOST}\n"):
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(AT_ONCE) == 0
    assert process.communicate()[1] == ""


def test_a_second_interrupt_is_no_error(run):
    with started(run) as (process, address):
        clients = [connected(address, text) for text in UNDER_WAY["streams"]]
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.03)
        assert process.wait(AT_ONCE) == 0
        assert process.stderr.read() == ""
        for client in clients:
            client.close()


def test_a_link_that_nobody_reads_is_no_error(run):
    """As in `python -m minicnn.visor | true`."""
    reading, writing = os.pipe()
    os.close(reading)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    command = [*PROGRAM, str(run), "--port", str(port)]
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    wait_until_it_answers(port)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE)[1] == b""
    assert process.returncode == 0


def wait_until_it_answers(port):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with connected(("127.0.0.1", port), f"GET / HTTP/1.1\n{HOST}\n") as client:
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
                return
        except ConnectionError:
            time.sleep(0.05)
    pytest.fail("it did not answer")


# ---- beside training ----


def attached(run):
    return started(run, "--attached", stdin=subprocess.PIPE)


@pytest.mark.parametrize(("kind", "sent"), [("nothing", ""), ("streams", "words\n\udcff\n")])
def test_the_end_of_its_input_ends_it(run, kind, sent):
    with attached(run) as (process, address):
        clients = [connected(address, text) for text in UNDER_WAY[kind]]
        process.stdin.buffer.write(sent.encode(errors="surrogateescape"))
        process.stdin.close()
        process.stdin = None
        assert process.wait(AT_ONCE) == 0
        assert process.stderr.read() == ""
        for client in clients:
            client.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_its_input_is_open(run, number):
    with attached(run) as (process, _):
        process.send_signal(number)
        assert process.wait(AT_ONCE) == 0
        assert process.stderr.read() == ""


def test_what_is_told_comes_in_whole_lines(capfd):
    from threading import Thread

    threads = [Thread(target=command.send_command, args=["pause"]) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"command": "pause"}] * 50
