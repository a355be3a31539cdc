"""The command: its options, its addresses, and that it ends when it is told to."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from waiting import PATIENCE

from minicnn import evaluate
from minicnn.visor import command, server


def failing(capsys, *arguments):
    """The one line that it writes when it gives up."""
    assert command.main(["--no-browser", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("minicnn.visor: ")
    assert said.err.count("\n") == 1
    return said.err


# ---- what it refuses ----


def test_no_run_yet(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "python -m minicnn.train --visor" in failing(capsys)


def test_the_newest_run_is_taken(tmp_path):
    for number, name in enumerate(("b", "c", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        os.utime(tmp_path / name / "run.json", (number, number))
    (tmp_path / "no run").mkdir()
    assert command.newest_run(tmp_path).name == "a"


@pytest.mark.parametrize("what", ["missing", "folder", "text", "empty", "cut"])
def test_what_is_no_run_and_no_model(capsys, tmp_path, run, what):
    path = tmp_path / "x.safetensors"
    if what == "folder":
        path.mkdir()
    elif what == "cut":
        path.write_bytes((run / "model.safetensors").read_bytes()[:-9])
    elif what != "missing":
        path.write_text("" if what == "empty" else "hello")
    assert str(path) in failing(capsys, path)


def test_a_damaged_record(capsys, tmp_path):
    (tmp_path / "run.json").write_text('{"options": ')
    assert "expected a JSON object" in failing(capsys, tmp_path)


@pytest.mark.parametrize("subject", [".", "model.safetensors"])
@pytest.mark.parametrize("data", ["nowhere", "empty", "file"])
def test_data_that_is_none_is_told_at_once(capsys, run, tmp_path, subject, data):
    """In the words of evaluate."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    arguments = [str(run / subject), "--data", str(tmp_path / data)]
    said = failing(capsys, *arguments)
    assert evaluate.main(arguments) == 2
    assert said.replace("minicnn.visor", "minicnn.evaluate") == capsys.readouterr().err
    assert f"{tmp_path / data}: expected a" in said


def test_known_names_of_data_are_not_fetched():
    for name in ("sample", "mnist", "fashion"):
        command.check_data(name)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "an address of this machine"),
        ("2001:db8::1", "this machine"),
        ("nowhere.invalid", "an address or a name of this machine"),
        ("", "an address or a name of this machine"),
        ("a" * 70 + ".example", "an address or a name of this machine"),
        ("127.0.0.1:80", "an address or a name of this machine"),
    ],
)
def test_a_host_that_is_not_this_machine(capsys, run, host, expected):
    assert expected in failing(capsys, run, "--host", host)


def test_a_port_that_may_not_be_used(capsys, run, monkeypatch):
    def bind(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    assert "no permission to use port 80" in failing(capsys, run, "--port", 80)


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", "8e3", "٣"])
def test_what_is_no_port(capsys, port):
    with pytest.raises(SystemExit) as caught:
        command.main(["--port", port])
    assert caught.value.code == 2
    assert "1 to 65535" in capsys.readouterr().err


HIDING = """
import sys
class Hidden:
    def find_spec(self, name, *_):
        if name.split(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from minicnn.visor.command import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("name", ["starlette", "uvicorn", "plotly", "jinja2"])
def test_a_missing_package_is_told_at_once(run, name):
    arguments = [sys.executable, "-c", HIDING, name, str(run), "--no-browser"]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 2, ended
    assert ended.stderr.count("\n") == 1
    assert 'pip install "minicnn[visor]"' in ended.stderr
    assert name in ended.stderr


# ---- where it listens ----


def test_a_busy_port_gives_way_to_the_next(run, serve):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with serve(run, "--port", port) as running:
            assert port < urlsplit(running.link).port <= port + 20
            assert "shows course at" in running.lines[-1]


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("localhost", {"127.0.0.1", "[::1]"}),
        ("127.0.0.2", {"127.0.0.2"}),
        ("::1", {"[::1]"}),
    ],
)
def test_names_of_this_machine_need_no_token(run, serve, host, hosts):
    if host == "::1" and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with serve(run, "--host", host) as running:
        found = urlsplit(running.link)
        assert found.netloc.rpartition(":")[0] in hosts
        assert "token" not in running.link
        assert get(found, "/api/about") == 200
        assert get(found, "/api/about", {"Host": "evil.example"}) == 403


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def get(link, path, headers=None):
    """The status of an answer."""
    import http.client

    connection = http.client.HTTPConnection(link.hostname, link.port, timeout=PATIENCE)
    connection.request("GET", path, headers=headers or {})
    with contextlib.closing(connection):
        answer = connection.getresponse()
        answer.read()
        return answer.status


def test_every_address_of_this_machine_needs_the_token(run, serve):
    with serve(run, "--host", "0.0.0.0") as running:
        found = urlsplit(running.link)
        assert found.hostname != "0.0.0.0"
        assert re.fullmatch(r"token=[\w-]{32}", found.query)
        line = running.process.stdout.readline()
        assert "Anyone with this link" in line
        assert get(found, "/api/about") == 401
        assert get(found, "/") == 401
        assert get(found, f"/?{found.query}") == 303
        cookie = f"minicnn_visor_{found.port}={found.query.partition('=')[2]}"
        assert get(found, "/api/about", {"Cookie": cookie}) == 200
        assert get(found, "/api/about", {"Cookie": cookie + "x"}) == 401


def test_a_link_has_the_address_in_brackets_where_it_needs_them():
    if not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with server.listen("::1", None) as listener:
        assert re.fullmatch(r"http://\[::1\]:\d+/\?token=x", server.link(listener, "x"))
        assert server.is_loopback(listener)


def test_an_answer_does_not_wait_for_the_next(run, serve):
    """Without TCP_NODELAY small answers take 40 ms on a connection that is kept."""
    import http.client

    with serve(run) as running:
        connection = http.client.HTTPConnection(urlsplit(running.link).netloc, timeout=PATIENCE)
        took = []
        for _ in range(30):
            begun = time.perf_counter()
            connection.request("GET", "/page/dom.js")
            connection.getresponse().read()
            took.append(time.perf_counter() - begun)
        connection.close()
    assert sorted(took)[15] < 0.030
