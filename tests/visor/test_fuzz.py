"""Malformed requests get an answer that says so, at once, and change nothing."""

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
from waiting import AT_ONCE, PATIENCE

from minicnn.visor.app import create_app
from minicnn.visor.subject import Subject

REQUESTS, CLIENTS = 2400, 4


@pytest.fixture(scope="module")
def fuzzed(run, serve, tmp_path_factory):
    """A visor in a folder of its own, with nothing else in it."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copytree(run, folder / "run")
    with serve("run", "--drawings", "drawings", cwd=folder) as running:
        running.folder = folder
        yield running


def contents(folder):
    """Every file but the drawings, with the time it was written."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if not path.startswith(str(folder / "drawings")):
                found[path] = os.stat(path).st_mtime_ns
    return found


def answer(address, data):
    """(status, seconds); 0 where the connection was closed without one."""
    begun = time.monotonic()
    with socket.create_connection(address, timeout=PATIENCE) as client:
        came = b""
        with suppress(ConnectionError):  # it has its answer already
            client.sendall(data)
        with suppress(ConnectionError):
            while b"\r\n" not in came and (part := client.recv(4096)):
                came += part
    words = came.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, time.monotonic() - begun


def test_malformed_requests(fuzzed, run, tmp_path):
    targets = routes(create_app(Subject(run), tmp_path))
    layers = [layer.label for layer in Subject(run).loaded().model.layers]
    fields, names = words(), ["pause", "conv2d", "0", *layers]
    address = urlsplit(fuzzed.link).hostname, urlsplit(fuzzed.link).port
    before = contents(fuzzed.folder)

    def client(seed):
        fuzz, found = Fuzz(targets, fields, names, seed), []
        for _ in range(REQUESTS // CLIENTS):
            data, whole = fuzz.request()
            if whole:
                found.append((*answer(address, data), data))
            else:
                with socket.create_connection(address, timeout=PATIENCE) as gone:
                    gone.sendall(data)
        return found

    seeds = np.random.SeedSequence(28).spawn(CLIENTS)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        found = [entry for entries in pool.map(client, seeds) for entry in entries]

    statuses = Counter(status for status, _, _ in found)
    print(f"{len(found)} answers: {dict(sorted(statuses.items()))}")
    assert len(found) > 2000
    failed = [(status, data[:300]) for status, _, data in found if not 200 <= status < 500]
    assert failed == []
    assert sum(n for status, n in statuses.items() if status >= 400) > len(found) / 2
    assert set(statuses) >= {200, 400, 403, 404, 405, 413, 414, 415}  # all kinds were sent
    assert 408 not in statuses  # nothing whole was taken for half
    slowest = max(found, key=lambda entry: entry[1])
    assert slowest[1] < AT_ONCE, slowest

    with urllib.request.urlopen(f"{fuzzed.link}/api/about", timeout=PATIENCE) as about:
        assert json.load(about)["model"]["parameters"] > 0
    assert contents(fuzzed.folder) == before
    assert set(os.listdir(fuzzed.folder)) <= {"run", "drawings"}


def test_it_has_complained_of_nothing(fuzzed):
    """An error in the server would have been written to its terminal."""
    fuzzed.process.terminate()
    assert fuzzed.process.stdout.read() == "Ctrl-C ends it.\n"
    assert fuzzed.process.wait(PATIENCE) == 0
