"""python -m minicnn.train --visor: the page during a run, and the run without the page."""

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from processes import TIMEOUT, get, popen, wait_for

from minicnn import MnistData, Sequential
from minicnn.train import watching

LONG = "--epochs 20000 --backend numpy --batch-size 512 --model codelab --quiet".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """600 digits: short epochs."""
    folder = tmp_path_factory.mktemp("digits")
    data = MnistData("sample", progress=False).load()
    Image.fromarray(data.train_images[:600]).save(folder / "digits_images.png")
    (folder / "digits_labels_uint8").write_bytes(data.train_labels[:600].tobytes())
    return folder


@pytest.fixture
def training(sheet):
    """training(folder, options…): see _training."""
    return functools.partial(_training, sheet)


@contextlib.contextmanager
def _training(sheet, folder, *options):
    """A long run with its page; yields (process, link)."""
    command = [sys.executable, "-m", "minicnn.train", "--visor", "--data", str(sheet), *LONG]
    process = popen(
        [*command, *options, "--out", folder],
        stderr=subprocess.STDOUT,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""},
    )
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"Watch it: (http://\S+)/\n", line)
        assert found, line + process.stdout.read()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def ask(link, path, value=None):
    headers = {"content-type": "application/json"}
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(link + path, data, headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return json.load(answer)


def count(folder, event):
    """The number of these events in live.jsonl."""
    try:
        lines = (folder / "live.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return sum(json.loads(line)["event"] == event for line in lines)


def page_is_gone(link):
    return get(tuple(link.removeprefix("http://").split(":")), "/api/about") is None


def test_the_page_pauses_continues_and_stops_the_run(training, tmp_path):
    folder = tmp_path / "run"
    with training(folder) as (process, link):
        assert ask(link, "/api/about")["controls"] is True
        wait_for(lambda: count(folder, "epoch") >= 1)
        ask(link, "/api/control", {"command": "pause"})
        wait_for(lambda: count(folder, "pause") == 1)
        before = (folder / "live.jsonl").stat().st_size
        time.sleep(0.7)
        assert (folder / "live.jsonl").stat().st_size == before
        ask(link, "/api/control", {"command": "continue"})
        wait_for(lambda: count(folder, "continue") == 1)
        ask(link, "/api/control", {"command": "stop"})
        wait_for(lambda: ask(link, "/api/about")["status"] == "stopped")
        assert any("The page stays open" in line for line in iter(process.stdout.readline, ""))
        assert (folder / "model.safetensors").exists()
        ask(link, "/api/about")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 0
        wait_for(lambda: page_is_gone(link))
        assert "stopped on the page" in (folder / "live.jsonl").read_text()


@pytest.mark.parametrize("paused", [False, True])
def test_an_interrupt_ends_training_saves_and_closes_the_page(training, tmp_path, paused):
    folder = tmp_path / "run"
    with training(folder) as (process, link):
        wait_for(lambda: count(folder, "epoch") >= 1)
        if paused:
            ask(link, "/api/control", {"command": "pause"})
            wait_for(lambda: count(folder, "pause") == 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
        assert (folder / "model.safetensors").exists()
        wait_for(lambda: page_is_gone(link))


@pytest.mark.parametrize("paused", [False, True])
def test_training_outlives_its_page(training, tmp_path, paused):
    folder = tmp_path / "run"
    with training(folder) as (process, link):
        wait_for(lambda: count(folder, "epoch") >= 1)
        if paused:
            ask(link, "/api/control", {"command": "pause"})
            wait_for(lambda: count(folder, "pause") == 1)
        page = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        )
        for child in page.stdout.split():
            os.kill(int(child), signal.SIGKILL)
        before = count(folder, "epoch")
        wait_for(lambda: count(folder, "epoch") >= before + 2)


def test_other_output_of_the_visor_is_ignored(tmp_path, monkeypatch, capsys):
    """And the end of the visor continues a paused run."""
    lines = ["5", "null", '"x"', "[1]", "{", "[" * 5000, '{"link": "http://here"}']
    lines.append('{"command": "pause"}')
    script = f"import sys; print({chr(10).join(lines)!r}); sys.stdout.flush(); sys.stdin.read()"
    popen = subprocess.Popen
    monkeypatch.setattr(
        watching.subprocess, "Popen", lambda _, **how: popen([sys.executable, "-c", script], **how)
    )
    said = []

    class Control:
        def pause(self):
            said.append("pause")

        def go_on(self):
            said.append("go on")

    visor = watching.Visor(tmp_path, Control())
    wait_for(lambda: said == ["pause"])
    visor.end()
    wait_for(lambda: said == ["pause", "go on"])
    visor._process.stdout.close()
    assert "Watch it: http://here" in capsys.readouterr().out


def test_the_page_ends_when_the_run_is_killed(training, tmp_path):
    folder = tmp_path / "run"
    with training(folder) as (process, link):
        process.kill()
        process.wait()
        wait_for(lambda: page_is_gone(link))


@pytest.mark.exhaustive
def test_the_weights_are_the_same_without_the_page(training, sheet, tmp_path):
    options = ["--data", str(sheet), *LONG, "--epochs", "2", "--out"]
    command = [sys.executable, "-m", "minicnn.train", *options]
    subprocess.run([*command, str(tmp_path / "alone")], check=True, timeout=3 * TIMEOUT)
    with training(tmp_path / "watched", "--epochs", "2") as (process, _):
        assert any("The page stays open" in line for line in iter(process.stdout.readline, ""))
    weights = [
        Sequential.load(tmp_path / name / "model.safetensors").get_weights()
        for name in ("alone", "watched")
    ]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
