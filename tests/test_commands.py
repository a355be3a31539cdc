"""What all commands share: the list of commands, and run_command()."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from minicnn import __main__ as listing
from minicnn.command_line import run_command


def test_the_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.main([]) == 0
    out = capsys.readouterr().out
    for name, what in listing.COMMANDS.items():
        assert f"python -m {name} " in out
        assert what in out
        assert find_spec(name)
    with pytest.raises(SystemExit) as caught:
        listing.main(["unknown"])
    assert caught.value.code == 2


@pytest.mark.parametrize("error", [ValueError, ImportError, OSError])
def test_an_error_is_one_line(error: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise error("first\nsecond")

    assert run_command("name", work) == 2
    assert capsys.readouterr() == ("", "name: first second\n")


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    assert run_command("name", work, interrupted="Stopped.") == 130
    assert capsys.readouterr().err == "\nStopped.\n"


def test_the_exit_code_of_the_work() -> None:
    assert run_command("name", lambda: None) == 0
    assert run_command("name", lambda: 1) == 1


@pytest.mark.skipif(os.name == "nt", reason="closes a pipe")
@pytest.mark.parametrize(
    ("code", "message"), [(0, b""), (7, b"x: the reader of the output has ended")]
)
def test_a_broken_pipe(code: int, message: bytes) -> None:
    program = (
        "import sys; from minicnn.command_line import run_command;"
        "sys.exit(run_command('x', lambda: print('text'), broken_pipe=int(sys.argv[1])))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program, str(code)],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr.strip()) == (code, message)
