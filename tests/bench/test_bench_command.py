"""The command line: listing, bad arguments, files, comparison and exit codes."""

import argparse

import pytest

from bench import __main__ as cli
from bench import command, report
from bench.agreement import Disagreement
from bench.report import Report, row


@pytest.fixture
def fake(monkeypatch):
    """A benchmark that measures nothing; returns the result of its next run, to change."""
    result = {"rows": [row("case", "part", "minicnn", [1.0])], "error": None}

    def run(options):
        if result["error"]:
            raise result["error"]
        return Report("conv", result["rows"])

    made = command.Benchmark("is it fake?", 1, lambda parser: None, run, lambda report: {})
    monkeypatch.setattr(command, "benchmark", lambda name: made)
    return result


@pytest.mark.parametrize("arguments", [[], ["list"], ["--help"]])
def test_lists_all_with_question_and_time(arguments, capsys):
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    for name in command.NAMES:
        assert name in text
        assert command.benchmark(name).question.split()[0] in text
        assert f"{command.benchmark(name).seconds} s" in text


@pytest.mark.parametrize("name", command.NAMES)
def test_each_asks_a_question_and_has_help(name, capsys):
    assert command.benchmark(name).question.endswith("?")
    with pytest.raises(SystemExit) as ended:
        command.main(name, ["--help"])
    assert ended.value.code == 0
    assert "--compare" in capsys.readouterr().out


def test_an_unknown_name(capsys):
    assert cli.main(["convolution"]) == 2
    assert "expected a benchmark out of conv, train" in capsys.readouterr().err
    assert cli.main(["stage"]) == 2
    assert "received 'stage'; did you mean stages?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threads", "0"],
        ["--threads", "two"],
        ["--rounds", "-1"],
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--seconds", "inf"],
        ["--nonsense"],
    ],
)
def test_bad_options(fake, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main("conv", arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_run_writes_json_and_prints_its_path(fake, tmp_path, capsys):
    path = tmp_path / "out" / "new.json"
    assert command.main("conv", ["--json", str(path)]) == 0
    found = report.load(path)
    assert found.rows == fake["rows"]
    assert found.command == f"python -m bench conv --json {path}"
    assert "others" in found.environment
    assert str(path) in capsys.readouterr().out.replace("\n", "")


def test_no_files(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    assert command.main("conv", ["--no-files"]) == 0
    assert list(tmp_path.iterdir()) == []
    assert command.main("conv", []) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["conv.json"]


def test_compare_with_the_file_that_the_run_overwrites(fake, tmp_path):
    path = str(tmp_path / "conv.json")
    assert command.main("conv", ["--json", path]) == 0
    assert command.main("conv", ["--no-files", "--compare", path]) == 0
    fake["rows"] = [row("case", "part", "minicnn", [2.0])]
    assert command.main("conv", ["--json", path, "--compare", path]) == 1  # slower
    assert report.load(path).rows == fake["rows"]


def test_compare_with_an_invalid_file_ends_before_the_run(fake, tmp_path, capsys):
    fake["error"] = RuntimeError("must not run")
    assert command.main("conv", ["--compare", str(tmp_path / "none.json")]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_disagreement_ends_with_1(fake, capsys):
    fake["error"] = Disagreement("a and b: off by 1")
    assert command.main("conv", ["--no-files"]) == 1
    assert "bench conv: a and b: off by 1" in capsys.readouterr().err


def test_effort():
    def chosen(**given):
        return command.effort(argparse.Namespace(rounds=None, quick=False, seconds=0.5, **given))

    assert chosen().seconds == 0.5
    options = argparse.Namespace(rounds=7, quick=True, seconds=0.5)
    assert command.effort(options)[1:] == (7, 7)
    options.rounds = None
    assert command.effort(options)[1:] == (2, 2)


def test_say_writes_to_standard_error(capsys):
    command.say("conv: course1")
    assert capsys.readouterr() == ("", "conv: course1\n")
