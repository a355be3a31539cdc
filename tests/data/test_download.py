"""Downloads from a real local server that fails in many ways."""

import contextlib
import errno
import gzip
import http.server
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pooch
import pytest
from PIL import Image

from minicnn import DataError
from minicnn.data import MnistData, sources
from minicnn.data.download import DownloadLimits

FAST = DownloadLimits(connect=5, read=5, total=20, attempts=3)
HASTY = replace(FAST, read=0.3)


class Handler(http.server.BaseHTTPRequestHandler):
    """`/behaviour/name`: the method `behaviour` sends the file `name`."""

    def do_GET(self):
        server = self.server
        _, behaviour, name = self.path.split("/", 2)
        server.hits[behaviour, name] += 1
        self.hit, self.body = server.hits[behaviour, name], server.files.get(name, b"")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if behaviour.startswith("code"):
                self.good(b"no", status=int(behaviour[4:]))
            else:
                getattr(self, behaviour)()

    def good(self, body=None, length=None, status=200, **headers):
        body = self.body if body is None else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def packed(self):
        """Compressed, although the client didn't accept it."""
        self.good(gzip.compress(self.body), Content_Encoding="gzip")

    def packed_bomb(self):
        self.good(gzip.compress(bytes(64 << 20), 1), Content_Encoding="gzip")

    def busy_once(self):
        if self.hit == 1:
            self.good(b"busy", status=503, Retry_After="3600")
        else:
            self.good()

    def redirect(self):
        self.good(b"", status=302, Location=self.path.replace("redirect", "good"))

    def circle(self):
        self.good(b"", status=302, Location=self.path)

    def to_file(self):
        self.good(b"", status=302, Location="file:///etc/passwd")

    def cut_once(self):
        self.good(self.body[:100] if self.hit == 1 else None, len(self.body))

    def cut(self):
        self.good(self.body[: len(self.body) // 2], len(self.body))

    def short_length(self):
        """A Content-Length that is too small."""
        self.good(length=len(self.body) // 2)

    def no_length(self, *pieces):
        self.send_response(200)
        self.end_headers()
        for piece in pieces or [self.body]:
            self.wfile.write(piece)

    def cut_without_length(self):
        self.no_length(self.body[:-20])

    def huge_length(self):
        self.good(length=1 << 40)

    def endless(self):
        self.no_length(*[bytes(1 << 16)] * 1000)

    def stall(self):
        self.good(self.body[:100], len(self.body))
        self.wfile.flush()
        self.server.stop.wait(3)

    def stall_once(self):
        self.stall() if self.hit == 1 else self.good()

    def silent(self):
        self.server.stop.wait(3)

    def drip(self):
        """A byte now and then: the socket's time-out never fires."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        for byte in self.body:
            self.wfile.write(bytes([byte]))
            if self.server.stop.wait(0.05):
                return

    def drip_headers(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.stop.wait(0.05):
            self.wfile.write(b"x")

    def page(self):
        self.good(b"<!DOCTYPE html><html><body>Log in to the hotel network</body></html>")

    def empty(self):
        self.good(b"")

    def nonsense(self):
        self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # some tests close the connection


@pytest.fixture(autouse=True)
def slept(monkeypatch) -> list[float]:
    """The seconds between attempts, without waiting."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def server(monkeypatch, sheets):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = sheets.write()
    server = Server(("127.0.0.1", 0), Handler)
    server.hits, server.stop = Counter(), threading.Event()
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


def data(server, images="good", labels="good", limits=FAST, **options):
    return MnistData(
        images=f"{server.url}/{images}/x_images.png",
        labels=f"{server.url}/{labels}/x_labels_uint8",
        limits=limits,
        **options,
    )


def stored(cache: Path) -> list[str]:
    return sorted(path.name.split("-", 1)[1] for path in (cache / "downloads").glob("*"))


@pytest.mark.parametrize(
    "way", ["good", "redirect", "no_length", "packed", "busy_once", "cut_once"]
)
def test_downloads(server, sheets, cache, way):
    loaded = data(server, way, way).load()
    assert (loaded.train_images == sheets.pixels()[:25]).all()
    names = ["x_images.png", "x_images.png.json", "x_labels_uint8", "x_labels_uint8.json"]
    assert stored(cache) == names
    assert data(server, way, way).load().num_train == 25  # from the cache
    tries = 2 if way.endswith("once") else 1
    assert server.hits[way, "x_images.png"] == tries
    for record in (cache / "downloads").glob("*.json"):
        content = json.loads(record.read_text())
        name = content["url"].rsplit("/", 1)[1]
        assert content["bytes"] == len(server.files[name])
        assert len(content["sha256"]) == 64


def test_retry_after_is_limited(server, slept):
    data(server, "busy_once", "good").load()
    assert slept == [30.0]  # not 3600


def test_the_mode_of_files_follows_the_umask(server, cache, tmp_path):
    data(server).load()
    (tmp_path / "other").touch()
    modes = {path.stat().st_mode for path in (cache / "downloads").iterdir()}
    assert modes == {(tmp_path / "other").stat().st_mode}


def test_the_log_of_pooch_is_silent_during_a_download(server, caplog, monkeypatch):
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    data(server, "cut_once").load()
    assert caplog.records == []
    pooch.get_logger().warning("still there")
    assert "still there" in caplog.text


def test_ctrl_c_leaves_nothing(server, cache):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        data(server, "drip").load()
    assert stored(cache) == []


def test_requests_is_imported_lazily():
    code = "import sys, minicnn; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_stall_is_retried(server):
    assert data(server, "stall_once", limits=HASTY).load().num_train == 25
    assert server.hits["stall_once", "x_images.png"] == 2


@pytest.mark.parametrize(
    ("way", "tries", "words"),
    [
        ("code403", 1, "answered 403 .*refuses access"),
        ("code404", 1, "answered 404 .*isn't there"),
        ("code503", 3, "answered 503 .*busy or broken.*tried 3 times"),
        ("circle", None, "redirects in a circle"),
        ("to_file", 1, "can't be downloaded .InvalidSchema"),
        ("cut", 3, "truncated.*tried 3 times"),
        ("short_length", 3, "truncated.*tried 3 times"),
        ("cut_without_length", 3, "truncated.*tried 3 times"),
        ("huge_length", 1, "at most 268,435,456 bytes"),
        ("stall", 3, "stopped sending .tried 3 times"),
        ("silent", 3, "stopped sending .tried 3 times"),
        ("page", 1, "expected a PNG file, received a web page"),
        ("empty", 1, "expected a PNG file, received an empty file"),
        ("nonsense", 3, "tried 3 times"),
    ],
)
def test_fails_with_one_clear_error(server, cache, way, tries, words):
    with pytest.raises(DataError, match=words) as caught:
        data(server, way, limits=HASTY if way in ("stall", "silent") else FAST).load()
    message = str(caught.value)
    assert message.startswith(f"{server.url}/{way}/x_images.png: ")
    assert "images= and labels=" in message
    assert "--data-dir" in message
    assert ".tmp-" not in message
    assert stored(cache) == []
    if tries is not None:
        assert server.hits[way, "x_images.png"] == tries


def test_a_page_instead_of_labels(server):
    with pytest.raises(DataError, match=r"expected label bytes, 0 or 1, received .*DOCTYPE"):
        data(server, labels="page").load()
    with pytest.raises(DataError, match="expected label bytes, 0 or 1, received an empty file"):
        data(server, labels="empty").load()


def test_truncated_labels(server, cache):
    with pytest.raises(DataError, match=r"x_labels_uint8: the file is truncated.*tried 3 times"):
        data(server, labels="cut").load()
    assert stored(cache) == ["x_images.png", "x_images.png.json"]


@pytest.mark.parametrize("way", ["drip", "drip_headers"])
def test_the_total_time_is_limited(server, cache, way):
    limits = DownloadLimits(read=1, total=0.5, attempts=3)
    with pytest.raises(DataError, match=r"not finished after 0.5 seconds\. "):
        data(server, way, limits=limits).load()
    assert server.hits[way, "x_images.png"] == 1
    assert stored(cache) == []


@pytest.mark.parametrize("way", ["endless", "packed_bomb"])
def test_an_endless_file(server, cache, way):
    limits = replace(FAST, max_bytes=1 << 20)
    with pytest.raises(DataError, match="at most 1,048,576 bytes"):
        data(server, way, limits=limits).load()
    assert server.hits[way, "x_images.png"] == 1
    assert stored(cache) == []


def test_no_network(server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.png"
        with pytest.raises(DataError, match=r"Connection refused.*a network.*tried 3 times"):
            MnistData(images=url, labels=url, limits=FAST).load()
    with pytest.raises(DataError, match=r"can't be downloaded"):
        MnistData(images="http://[::bad/x", labels="http://[::bad/x", limits=FAST).load()


def test_a_mixture_of_url_and_path(server, sheets):
    labels = sheets.folder / "sheet" / "x_labels_uint8"
    mixed = MnistData(images=f"{server.url}/good/x_images.png", labels=labels, limits=FAST)
    assert mixed.load().num_test == 5


@pytest.mark.parametrize("victim", ["*.png", "*.png.json", "*uint8", "*uint8.json"])
@pytest.mark.parametrize("change", ["flip", "cut", "delete"])
def test_a_changed_cache_is_downloaded_again(server, cache, caplog, victim, change):
    data(server).load()
    (path,) = (cache / "downloads").glob(victim)
    body = path.read_bytes()
    if change == "delete":
        path.unlink()
    else:
        path.write_bytes(body[:-2] if change == "cut" else bytes([body[0] ^ 1]) + body[1:])
    with caplog.at_level(logging.WARNING, "minicnn"):
        assert data(server).load().num_train == 25
    assert path.read_bytes() == body
    assert sum(server.hits.values()) == 3
    silent = change == "delete" and not victim.endswith("json")
    assert ("is downloaded again" in caplog.text) == (not silent)


def test_a_cache_that_cannot_be_written(server, cache):
    (cache / "downloads").touch()
    with pytest.raises(DataError, match=r"can't be stored here .*--data-dir, cache_dir="):
        data(server).load()


def test_a_cache_without_permission(server, cache, monkeypatch):
    def deny(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", deny)
    with pytest.raises(DataError, match=r"can't be stored here .Permission denied.; choose"):
        data(server).load()


def test_concurrent_downloads(server, cache, sheets):
    """Threads in place of processes: they share only the files."""
    results, errors = [], []

    def work():
        try:
            results.append(data(server).load().train_images)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all((images == sheets.pixels()[:25]).all() for images in results)
    assert len(stored(cache)) == 4


def test_another_process_was_first(server, monkeypatch):
    """Its download finished after our look into the cache: the file is used, not deleted."""
    data(server).load()
    monkeypatch.setattr(sources, "_verified", lambda *_: False)
    assert data(server).load().num_train == 25
    assert sum(server.hits.values()) == 2


def official(server, name, sheets, n):
    """Put a sheet of the official size on the server; all but the first column is black."""
    pixels = np.zeros((n, 784), np.uint8)
    pixels[:, 0] = np.arange(n) % 256
    path = sheets.folder / "official.png"
    Image.fromarray(pixels).save(path, compress_level=1)
    server.files[sources.OFFICIAL[name].images] = path.read_bytes()
    server.files[sources.OFFICIAL[name].labels] = sheets.labels(n, 10).tobytes()


@pytest.mark.parametrize(
    ("name", "n", "train"), [("mnist", 65_000, 55_000), ("fashion", 70_000, 60_000)]
)
def test_official_sheets_from_a_mirror(server, cache, sheets, name, n, train):
    official(server, name, sheets, n)
    mirror = {"base_url": f"{server.url}/good", "limits": FAST}
    loaded = MnistData(name, **mirror).load()
    assert (loaded.num_train, loaded.num_test) == (train, n - train)
    assert (loaded.class_names[9] == "Ankle boot") == (name == "fashion")
    assert loaded.test_images[0, 0] == train % 256
    assert len(list((cache / "decoded").iterdir())) == 1


def test_official_files_of_the_wrong_size(server, sheets):
    mirror = {"base_url": f"{server.url}/good/", "limits": FAST}
    official(server, "mnist", sheets, 100)
    with pytest.raises(DataError, match="expected 650,000 bytes of labels, received 1,000"):
        MnistData("mnist", **mirror).load()
    server.files["fashion_mnist_labels_uint8"] = sheets.labels(70_000, 10).tobytes()
    server.files["fashion_mnist_images.png"] = server.files["x_images.png"]
    with pytest.raises(DataError, match="784×70000 pixels, received 16×30"):
        MnistData("fashion", **mirror).load()


def test_the_official_url_is_that_of_the_tutorial(monkeypatch):
    asked = []

    def record(url, *args):
        asked.append(url)
        raise DataError("stop")

    monkeypatch.setattr(sources, "fetch", record)
    with pytest.raises(DataError, match="stop"):
        MnistData("mnist").load()
    assert asked == ["https://storage.googleapis.com/learnjs-data/model-builder/mnist_labels_uint8"]


def test_a_mirror_must_be_a_url():
    with pytest.raises(ValueError, match="give a local folder as the source"):
        MnistData("mnist", base_url="/some/folder").load()


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_the_progress_bar(server, capsys, progress, shown):
    data(server, progress=progress).load()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("x_images.png" in captured.err) == shown
