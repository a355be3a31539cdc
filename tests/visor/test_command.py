"""The command: its options, its addresses, and its errors."""

import contextlib
import os
import re
import socket
import sys
from urllib.parse import urlsplit

import pytest
from processes import TIMEOUT, get, popen

from minicnn import evaluate
from minicnn.visor import command, server


def error(capsys, *arguments):
    """The one line that it prints when it fails."""
    assert command.main(["--no-browser", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("minicnn.visor: ")
    assert printed.err.count("\n") == 1
    return printed.err


# ---- errors ----


def test_no_run_yet(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "python -m minicnn.train --visor" in error(capsys)


def test_the_newest_run_is_shown(tmp_path):
    for number, name in enumerate(("b", "c", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        os.utime(tmp_path / name / "run.json", (number, number))
    (tmp_path / "no run").mkdir()
    assert command.newest_run(tmp_path).name == "a"


@pytest.mark.parametrize("what", ["missing", "folder", "text", "empty", "truncated"])
def test_a_path_without_run_or_model(capsys, tmp_path, run, what):
    path = tmp_path / "x.safetensors"
    if what == "folder":
        path.mkdir()
    elif what == "truncated":
        path.write_bytes((run / "model.safetensors").read_bytes()[:-9])
    elif what != "missing":
        path.write_text("" if what == "empty" else "hello")
    assert str(path) in error(capsys, path)


def test_a_damaged_record(capsys, tmp_path):
    (tmp_path / "run.json").write_text('{"options": ')
    assert "expected a JSON object" in error(capsys, tmp_path)


@pytest.mark.parametrize("subject", [".", "model.safetensors"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("nowhere", "expected a folder that holds a sheet, received a path that doesn't exist"),
        ("empty", "expected one sheet (a file *images.png), found none"),
        ("file", "expected a folder that holds a sheet, received a file"),
    ],
)
def test_missing_data_gives_the_error_of_evaluate(capsys, run, tmp_path, subject, data, expected):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    arguments = [str(run / subject), "--data", str(tmp_path / data)]
    printed = error(capsys, *arguments)
    assert evaluate.main(arguments) == 2
    assert printed.replace("minicnn.visor", "minicnn.evaluate") == capsys.readouterr().err
    assert f"{tmp_path / data}: {expected}" in printed


def test_known_names_of_data_are_not_downloaded():
    for name in ("sample", "mnist", "fashion"):
        command.check_data(name)


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "2001:db8::1", "nowhere.invalid", "", "a" * 70 + ".example",
             "127.0.0.1:80"]
)  # fmt: skip
def test_a_host_that_is_not_this_machine(capsys, run, host):
    assert re.search("an address (or a name )?of this machine", error(capsys, run, "--host", host))


def test_a_port_without_permission(capsys, run, monkeypatch):
    def bind(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    assert "no permission to use port 80" in error(capsys, run, "--port", 80)


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", "8e3", "٣"])
def test_an_invalid_port(capsys, port):
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


@pytest.mark.parametrize("name", ["starlette", "plotly"])
def test_a_missing_package(run, name):
    process = popen([sys.executable, "-c", HIDING, name, run, "--no-browser"], stderr=-1)
    printed = process.communicate(timeout=TIMEOUT)[1]
    assert process.returncode == 2
    assert printed.count("\n") == 1
    assert 'pip install "minicnn[visor]"' in printed
    assert name in printed


# ---- addresses ----


def test_if_a_port_is_in_use_the_next_one_is_taken(run, serve):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with serve(run, "--port", port) as running:
            assert port < urlsplit(running.link).port <= port + 20
            assert "shows course at" in running.lines[-1]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_local_addresses_need_no_token(host):
    if host == "::1" and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with server.listen(host, None) as listener:
        assert server.is_loopback(listener)
        assert listener.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY for it
        address = r"\[::1\]" if ":" in listener.getsockname()[0] else "127.0.0.[12]"
        assert re.fullmatch(rf"http://{address}:\d+/", server.link(listener, None))


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def test_other_addresses_need_the_token(run, serve):
    with serve(run, "--host", "0.0.0.0") as running:
        found = urlsplit(running.link)
        address, host = (found.hostname, found.port), f"Host: {found.netloc}\n"
        assert found.hostname != "0.0.0.0"
        assert re.fullmatch(r"token=[\w-]{32}", found.query)
        assert "Anyone with this link" in running.process.stdout.readline()
        assert get(address, "/api/about", host) == 401
        assert get(address, "/", host) == 401
        assert get(address, f"/?{found.query}", host) == 303
        cookie = f"{host}Cookie: minicnn_visor_{found.port}={found.query.partition('=')[2]}"
        assert get(address, "/api/about", f"{cookie}\n") == 200
        assert get(address, "/api/about", f"{cookie}x\n") == 401
