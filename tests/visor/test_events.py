"""The stream of events: every line is sent once and in order, from any position."""

import contextlib
import http.client
import json
import re
import socket
import threading
from urllib.parse import urlsplit

import pytest
from clients import client
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import TIMEOUT, wait_for

from minicnn.visor.api import events
from minicnn.visor.api.events import START, Position, read_new


def line(number, **more):
    return json.dumps({"event": "epoch", "epoch": number} | more) + "\n"


def parse(text):
    """[(event, id, data)] of a piece of a stream."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(part.partition(":")[::2] for part in block.split("\n"))
        found.append(tuple(fields.get(n, "").strip() for n in ("event", "id", "data")))
    return found


def epochs(text):
    return [json.loads(data)["epoch"] for event, _, data in parse(text) if event == ""]


def everything(path, place=START):
    """Everything after a position: (its end, text)."""
    parts = []
    while True:
        place, news = read_new(path, place)
        if not news:
            return place, "".join(parts)
        parts.append(news)


def test_a_stream_continues_after_every_id(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text("".join(line(n, text="é" * n) for n in range(20)))
    for number, (_, identity, _) in enumerate(parse(everything(path)[1])):
        assert epochs(everything(path, Position.read(identity))[1]) == list(range(number + 1, 20))


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_incomplete_lines_are_sent_when_complete(tmp_path_factory, cuts):
    path = tmp_path_factory.mktemp("live") / "live.jsonl"
    whole = "".join(line(n) for n in range(6)).encode()
    place, texts = START, []
    for cut in [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]:
        path.write_bytes(whole[:cut])
        place, news = everything(path, place)
        texts.append(news)
        assert place.end <= cut
    assert epochs("".join(texts)) == list(range(6))
    assert "reset" not in "".join(texts)


@pytest.mark.parametrize(
    "after",
    [line(7), "", line(7) * 50],
    ids=["a shorter file", "an empty file", "a longer file of another run"],
)
def test_a_file_that_is_started_again_resets_the_page(tmp_path, after):
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + line(1))
    place, _ = everything(path)
    path.write_text(after)
    place, news = read_new(path, place)
    assert [event for event, _, _ in parse(news)] == ["reset"]
    assert place == Position.read(parse(news)[0][1]) == START
    assert epochs(everything(path, place)[1]) == [7] * after.count("\n")


def test_a_missing_file(tmp_path):
    path = tmp_path / "live.jsonl"
    assert read_new(path, START) == (START, "")
    place = Position("abcd", 5)
    assert read_new(path, place) == (place, "")
    path.write_text(line(0))
    assert epochs(read_new(path, START)[1]) == [0]


def test_invalid_lines_are_skipped(tmp_path):
    path = tmp_path / "live.jsonl"
    odd = [b"{", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"", b"7", b'"x"', b"[" * 5000, b"{}garbage"]
    odd += [b'{"half of a pair": "\xed\xa0\x80"}', '{"utf": 16}'.encode("utf-16")]
    path.write_bytes(line(0).encode() + b"\n".join(odd) + b"\n" + line(1).encode())
    assert epochs(everything(path)[1]) == [0, 1]


def test_a_line_cannot_contain_an_event(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_bytes(b'{"event": "x",\revent: reset\r\r"epoch": 3}\n{"epoch": 4,\r "a": 1}\n')
    text = everything(path)[1]
    assert "\r" not in text
    assert epochs(text) == [4]


@pytest.mark.parametrize("size", [events.READ_SIZE - 60, events.READ_SIZE, events.READ_SIZE * 3])
def test_a_line_longer_than_one_read(tmp_path, size):
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + line(1, text="x" * size) + line(2))
    assert epochs(everything(path)[1]) == [0, 1, 2]


def test_a_very_long_line_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "READ_SIZE", 100)
    monkeypatch.setattr(events, "MAX_LINE", 1000)
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + "x" * 5000 + "\n" + line(1))
    place, found = START, []
    for _ in range(10):
        place, news = read_new(path, place)
        found += epochs(news)
    assert found == [0, 1]


@given(st.text())
def test_a_position_from_any_text(text):
    place = Position.read(text)
    assert place == START or Position.read(str(place)) == place


# ---- over HTTP ----


class Stream:
    """A client that reads in a thread."""

    def __init__(self, link, query="", headers=None):
        self.text = ""
        self.connection = http.client.HTTPConnection(urlsplit(link).netloc, timeout=TIMEOUT)
        self.connection.request("GET", "/api/events" + query, headers=headers or {})
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while part := self.answer.read1(65536):
                self.text += part.decode()

    def wait(self, pattern):
        """Wait for this text."""
        wait_for(lambda: re.search(pattern, self.text))

    def close(self):
        with contextlib.suppress(OSError, AttributeError):  # already closed
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.answer.close()
        self.connection.close()


@pytest.fixture(scope="module")
def watched(run, serve, tmp_path_factory):
    """A visor with its own run."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes((run / "run.json").read_bytes())
    with serve(folder) as running:
        running.folder, running.live = folder, folder / "live.jsonl"
        yield running


def test_new_lines_and_files_are_sent(watched):
    watched.live.unlink(missing_ok=True)
    stream = Stream(watched.link)
    stream.wait("retry: 1000")
    stream.wait("event: changed")
    for number in range(2):
        with open(watched.live, "a") as file:
            file.write(line(number))
        stream.wait(f'"epoch": {number}')
    (watched.folder / "layers.json").write_text("{}")
    stream.wait(r"(?s)event: changed.*event: changed")
    stream.close()


def test_a_lost_connection_continues(watched):
    watched.live.write_text(line(0) + line(1))
    first = Stream(watched.link)
    first.wait('"epoch": 1')
    first.close()
    last = [identity for event, identity, _ in parse(first.text) if event == ""][-1]
    with open(watched.live, "a") as file:
        file.write(line(2))
    for again in (
        Stream(watched.link, headers={"Last-Event-ID": last}),
        Stream(watched.link, f"?after={last}"),
        Stream(watched.link, "?after=else-1", {"Last-Event-ID": last}),
    ):
        again.wait('"epoch": 2')
        assert epochs(again.text.replace("retry: 1000\n\n", "")) == [2]
        again.close()


def test_the_number_of_streams_is_limited(watched):
    watched.live.write_text(line(0))
    open_ones = [Stream(watched.link) for _ in range(events.MAX_STREAMS)]
    try:
        for stream in open_ones:
            assert stream.answer.status == 200
            stream.wait('"epoch": 0')
        refused = Stream(watched.link)
        assert refused.answer.status == 429
        refused.wait("at most 64 open pages")
        refused.close()
    finally:
        for stream in open_ones:
            stream.close()

    def is_free():
        again = Stream(watched.link)
        again.close()
        return again.answer.status == 200

    wait_for(is_free)


def test_head_has_no_body_and_a_model_has_no_events(run, tmp_path):
    for subject, status in ((run, 200), (run / "model.safetensors", 204)):
        visitor = client(subject, tmp_path)
        answer = visitor.head("/api/events")
        assert (answer.status_code, answer.content) == (status, b"")
    assert visitor.get("/api/events").status_code == 204
