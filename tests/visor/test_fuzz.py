"""Malformed requests get an error at once, and change nothing."""

import concurrent.futures
import json
import os
import shutil
import socket
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

import numpy as np
import pytest
from fuzz_requests import Fuzz, routes, words
from processes import PROMPT, TIMEOUT

from minicnn.visor.app import create_app
from minicnn.visor.subject import Subject

CLIENTS = 4


@pytest.fixture(scope="module")
def fuzzed(run, serve, tmp_path_factory):
    """A visor in its own folder."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copytree(run, folder / "run")
    with serve("run", "--drawings", "drawings", cwd=folder) as running:
        running.folder = folder
        yield running


def contents(folder):
    """Every file of the run, with the time it was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*")}


def answer(address, data):
    """(status, seconds); status 0 if the connection was closed without an answer."""
    begun = time.monotonic()
    with socket.create_connection(address, timeout=TIMEOUT) as client:
        came = b""
        with suppress(ConnectionError):  # the answer is there already
            client.sendall(data)
        with suppress(ConnectionError):
            while b"\r\n" not in came and (part := client.recv(4096)):
                came += part
    words = came.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, time.monotonic() - begun


@pytest.mark.parametrize("count", [600, pytest.param(2400, marks=pytest.mark.exhaustive)])
def test_malformed_requests(fuzzed, run, tmp_path, count):
    targets = routes(create_app(Subject(run), tmp_path))
    layers = [layer.label for layer in Subject(run).loaded().model.layers]
    fields, names = words(), ["pause", "conv2d", "0", *layers]
    address = urlsplit(fuzzed.link).hostname, urlsplit(fuzzed.link).port
    before = contents(fuzzed.folder)

    def client(seed):
        fuzz, found = Fuzz(targets, fields, names, seed), []
        for _ in range(count // CLIENTS):
            data, whole = fuzz.request()
            if whole:
                found.append((*answer(address, data), data))
            else:
                with socket.create_connection(address, timeout=TIMEOUT) as gone:
                    gone.sendall(data)
        return found

    seeds = np.random.SeedSequence(28).spawn(CLIENTS)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        found = [entry for entries in pool.map(client, seeds) for entry in entries]

    statuses = Counter(status for status, _, _ in found)
    assert len(found) > 0.8 * count
    failed = [(status, data[:300]) for status, _, data in found if not 200 <= status < 500]
    assert failed == []
    assert sum(n for status, n in statuses.items() if status >= 400) > len(found) / 2
    assert set(statuses) >= {200, 400, 404, 405, 415}
    assert 408 not in statuses  # a complete request never times out
    slowest = max(found, key=lambda entry: entry[1])
    assert slowest[1] < PROMPT, slowest

    with urllib.request.urlopen(f"{fuzzed.link}/api/about", timeout=TIMEOUT) as about:
        assert json.load(about)["model"]["parameters"] > 0
    assert contents(fuzzed.folder) == before
    assert set(os.listdir(fuzzed.folder)) <= {"run", "drawings"}


def test_the_server_has_logged_no_error(fuzzed):
    fuzzed.process.terminate()
    assert fuzzed.process.stdout.read() == "Ctrl-C ends it.\n"
    assert fuzzed.process.wait(TIMEOUT) == 0
