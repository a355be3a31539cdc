"""The stream of events: what was written is told once, in order, to whoever asks from where."""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from waiting import PATIENCE

from minicnn.visor.api import events
from minicnn.visor.api.events import START, Position, read_new
from minicnn.visor.app import create_app
from minicnn.visor.subject import Subject


def line(number, **more):
    return json.dumps({"event": "epoch", "epoch": number} | more) + "\n"


def told(text):
    """[(event, id, data)] of a piece of a stream."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(part.partition(":")[::2] for part in block.split("\n"))
        found.append(tuple(fields.get(n, "").strip() for n in ("event", "id", "data")))
    return found


def epochs(text):
    return [json.loads(data)["epoch"] for event, _, data in told(text) if event == ""]


def everything(path, place=START):
    """All that there is behind a place; (where that ends, text)."""
    parts = []
    while True:
        place, news = read_new(path, place)
        if not news:
            return place, "".join(parts)
        parts.append(news)


def test_each_line_comes_once_with_the_place_of_its_end(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + line(1))
    end, text = everything(path)
    assert epochs(text) == [0, 1]
    assert end.end == path.stat().st_size
    for _, identity, data in told(text):
        place = Position.read(identity)
        assert path.read_bytes()[: place.end].endswith(data.encode() + b"\n")
    assert everything(path, end) == (end, "")
    with open(path, "a") as file:
        file.write(line(2))
    assert epochs(everything(path, end)[1]) == [2]


def test_from_every_id_the_rest_follows(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text("".join(line(n, text="é" * n) for n in range(20)))
    for number, (_, identity, _) in enumerate(told(everything(path)[1])):
        assert epochs(everything(path, Position.read(identity))[1]) == list(range(number + 1, 20))


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_half_lines_wait_for_their_rest(tmp_path_factory, cuts):
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
def test_a_file_that_begins_anew_is_told_anew(tmp_path, after):
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + line(1))
    place, _ = everything(path)
    path.write_text(after)
    place, news = read_new(path, place)
    assert [event for event, _, _ in told(news)] == ["reset"]
    assert place == Position.read(told(news)[0][1]) == START
    assert epochs(everything(path, place)[1]) == [7] * after.count("\n")


def test_a_resumed_run_goes_on(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + '{"half')
    place, text = everything(path)
    path.write_text(line(0) + line(1))  # the half line was cut off
    assert epochs(text + everything(path, place)[1]) == [0, 1]


def test_a_missing_file_is_waited_for(tmp_path):
    path = tmp_path / "live.jsonl"
    assert read_new(path, START) == (START, "")
    place = Position("abcd", 5)
    assert read_new(path, place) == (place, "")
    path.write_text(line(0))
    assert epochs(read_new(path, START)[1]) == [0]


def test_what_the_page_could_not_read_is_left_out(tmp_path):
    path = tmp_path / "live.jsonl"
    odd = [b"{", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"", b"7", b'"x"', b"[" * 5000, b"{}garbage"]
    odd += [b'{"half of a pair": "\xed\xa0\x80"}', '{"utf": 16}'.encode("utf-16")]
    path.write_bytes(line(0).encode() + b"\n".join(odd) + b"\n" + line(1).encode())
    assert epochs(everything(path)[1]) == [0, 1]


def test_a_line_can_not_pass_for_an_event(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_bytes(b'{"event": "x",\revent: reset\r\r"epoch": 3}\n{"epoch": 4,\r "a": 1}\n')
    text = everything(path)[1]
    assert "\r" not in text
    assert epochs(text) == [4]


@pytest.mark.parametrize("size", [events.READ_SIZE - 60, events.READ_SIZE, events.READ_SIZE * 3])
def test_a_line_may_be_longer_than_what_is_read_at_once(tmp_path, size):
    path = tmp_path / "live.jsonl"
    path.write_text(line(0) + line(1, text="x" * size) + line(2))
    assert epochs(everything(path)[1]) == [0, 1, 2]


def test_a_file_without_lines_is_not_kept_in_memory(tmp_path, monkeypatch):
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
def test_a_place_is_read_from_anything(text):
    place = Position.read(text)
    assert place == START or Position.read(str(place)) == place


# ---- over HTTP ----


class Stream:
    """A client that reads along in a thread."""

    def __init__(self, link, query="", headers=None):
        self.text = ""
        self.connection = http.client.HTTPConnection(urlsplit(link).netloc, timeout=PATIENCE)
        self.connection.request("GET", "/api/events" + query, headers=headers or {})
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while part := self.answer.read1(65536):
                self.text += part.decode()

    def wait(self, pattern):
        """The seconds until it has come."""
        begun = time.monotonic()
        while not re.search(pattern, self.text):
            is_late = time.monotonic() > begun + PATIENCE
            assert not is_late, f"{pattern} did not come: {self.text[-300:]}"
            time.sleep(0.01)
        return time.monotonic() - begun

    def close(self):
        with contextlib.suppress(OSError, AttributeError):  # it has ended already
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.answer.close()
        self.connection.close()


@pytest.fixture(scope="module")
def watched(run, serve, tmp_path_factory):
    """A visor about a run of the test's own."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes((run / "run.json").read_bytes())
    with serve(folder) as running:
        running.folder, running.live = folder, folder / "live.jsonl"
        yield running


def test_a_line_is_seen_within_a_second(watched):
    watched.live.unlink(missing_ok=True)
    stream = Stream(watched.link)
    stream.wait("retry: 1000")
    stream.wait("event: changed")
    watched.live.write_text(line(0))
    took = [stream.wait('"epoch": 0')]
    for number in range(1, 4):
        with open(watched.live, "a") as file:
            file.write(line(number))
        took.append(stream.wait(f'"epoch": {number}'))
    (watched.folder / "layers.json").write_text("{}")
    took.append(stream.wait(r"(?s)event: changed.*event: changed"))
    assert sorted(took)[2] < 1.0  # others may have been held up by what else the machine does
    stream.close()


def test_a_lost_connection_goes_on_where_it_was(watched):
    watched.live.write_text(line(0) + line(1))
    first = Stream(watched.link)
    first.wait('"epoch": 1')
    first.close()
    last = [identity for event, identity, _ in told(first.text) if event == ""][-1]
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


def test_a_page_of_another_run_begins_anew(watched):
    watched.live.write_text(line(0) + line(1))
    stream = Stream(watched.link, headers={"Last-Event-ID": "0badcafe-30"})
    stream.wait('"epoch": 1')
    text = stream.text.replace("retry: 1000\n\n", "")
    assert [event for event, _, _ in told(text) if event != "changed"] == ["reset", "", ""]
    stream.close()


@pytest.mark.parametrize("identity", ["x", "-", "a-b", "1", "a--1", "9" * 3000, "a-" + "9" * 3000])
def test_an_id_may_be_nonsense(watched, identity):
    watched.live.write_text(line(0))
    stream = Stream(watched.link, headers={"Last-Event-ID": identity})
    stream.wait('"epoch": 0')
    stream.close()


def test_streams_are_limited_and_given_back(watched):
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
    end = time.monotonic() + PATIENCE
    status = 429
    while status != 200:
        assert time.monotonic() < end
        time.sleep(0.1)
        again = Stream(watched.link)
        status = again.answer.status
        again.close()


def test_head_ends(watched):
    connection = http.client.HTTPConnection(urlsplit(watched.link).netloc, timeout=PATIENCE)
    connection.request("HEAD", "/api/events")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    connection.close()


def test_a_model_by_itself_has_no_events(run, tmp_path):
    app = create_app(Subject(run / "model.safetensors"), tmp_path)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/api/events").status_code == 204
