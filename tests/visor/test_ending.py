"""The server stops at once with exit code 0, whatever it is doing."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from threading import Thread

import pytest
from processes import (
    HALF_A_BODY,
    HOST,
    PROMPT,
    STREAM,
    TIMEOUT,
    VISOR,
    connected,
    get,
    popen,
    unused_port,
    wait_for,
)  # fmt: skip

from minicnn.visor import command

BUSY = [
    *["", "", ""], *[STREAM] * 3, "GET / HTTP/1.1\nHos", HALF_A_BODY,
    f"GET /plotly.js HTTP/1.1\n{HOST}\n",  # whose answer nobody reads
]  # fmt: skip


@contextlib.contextmanager
def started(command, **options):
    """The process and its (host, port)."""
    process = popen(command, stderr=subprocess.PIPE, **options)
    try:
        line = process.stdout.readline()
        found = re.search(r"http://127.0.0.1:(\d+)/", line)
        assert found, line + process.stderr.read()
        yield process, ("127.0.0.1", int(found[1]))
    finally:
        process.kill()
        process.communicate()


def assert_ended(process):
    assert process.wait(PROMPT) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 3), (signal.SIGTERM, 1)]
)
def test_signals_end_it_at_once_while_clients_are_connected(run, open_connections, number, times):
    with started([*VISOR, run]) as (process, address):
        for client in open_connections(address, BUSY)[3:6]:
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        assert get(address, "/page/dom.js") == 200
        for _ in range(times):
            process.send_signal(number)
        assert_ended(process)


SLOW = """
import sys, time
from minicnn.visor.api import about
from minicnn.visor.command import main
from starlette.routing import Route

def slow(request):
    print("working", flush=True)
    time.sleep(60)

about.ROUTES.append(Route("/slow", slow))
sys.exit(main(sys.argv[1:]))
"""


def test_it_ends_at_once_while_a_thread_works(run):
    """Python itself cannot end a thread, and would wait for it."""
    with started([sys.executable, "-c", SLOW, "--no-browser", run]) as (process, address):
        process.stdout.readline()
        with connected(address, f"GET /api/slow HTTP/1.1\n{HOST}\n"):
            assert process.stdout.readline() == "working\n"
            process.send_signal(signal.SIGINT)
            assert_ended(process)


def test_a_closed_output_is_no_error(run):
    """As in `python -m minicnn.visor | true`."""
    reading, writing = os.pipe()
    os.close(reading)
    address = "127.0.0.1", unused_port()
    process = popen([*VISOR, run, "--port", address[1]], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    wait_for(lambda: get(address, "/") == 200)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=TIMEOUT)[1] == ""
    assert process.returncode == 0


# ---- beside training ----


@pytest.mark.parametrize("sent", ["", "words\n\udcff\n"])
def test_the_end_of_its_input_ends_it(run, open_connections, sent):
    with started([*VISOR, run, "--attached"], stdin=subprocess.PIPE) as (process, address):
        open_connections(address, [STREAM])
        process.stdin.buffer.write(sent.encode(errors="surrogateescape"))
        process.stdin.close()
        process.stdin = None
        assert_ended(process)


def test_an_interrupt_ends_it_while_its_input_is_open(run):
    with started([*VISOR, run, "--attached"], stdin=subprocess.PIPE) as (process, _):
        process.send_signal(signal.SIGINT)
        assert_ended(process)


def test_commands_are_written_in_whole_lines(capfd):
    threads = [Thread(target=command.send_command, args=["pause"]) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"command": "pause"}] * 50
