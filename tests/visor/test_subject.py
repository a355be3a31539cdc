"""The run or model that the page shows, while its files change."""

import asyncio
import json
import shutil
import threading

import apart
import numpy as np
import pytest
from clients import client
from processes import TIMEOUT
from starlette.exceptions import HTTPException

from minicnn import Sequential
from minicnn.visor import subject as module
from minicnn.visor.subject import Subject


@pytest.fixture
def own(run, tmp_path):
    """A copy of the run that the test may change."""
    return shutil.copytree(run, tmp_path / "run")


@pytest.fixture
def at_once(monkeypatch):
    """Check the folder at every access."""
    monkeypatch.setattr(module, "CHECK_INTERVAL", 0.0)


@pytest.fixture
def no_loop(monkeypatch):
    """As in a thread; Playwright runs a loop in this one."""
    monkeypatch.setattr(module, "_in_event_loop", lambda: False)


def refusal(ask):
    with pytest.raises(HTTPException) as caught:
        ask()
    assert caught.value.status_code == 409
    return caught.value.detail


def change(path):
    """Replace the weights by zeros."""
    model = Sequential.load(path)
    model.set_weights([weights * 0 for weights in model.get_weights()])
    model.save(path)


def test_a_newer_model_is_evaluated(own, at_once, no_loop):
    subject = Subject(own)
    before, _, evaluation = subject.evaluation()
    change(own / "model.safetensors")
    after, _, worse = subject.evaluation()
    assert after.version != before.version
    assert worse.accuracy < 0.5 < evaluation.accuracy


def test_while_it_trains_the_newest_checkpoint_is_the_model(own, at_once, no_loop):
    record = json.loads((own / "run.json").read_text())
    (own / "run.json").write_text(json.dumps(record | {"status": "running"}))
    (own / "model.safetensors").unlink()
    subject = Subject(own)
    first = subject.loaded()
    assert first.path.parent.name == "checkpoints"
    for path in (own / "checkpoints").iterdir():
        path.unlink()
    assert subject.loaded() is first  # the last one that could be read
    assert "no model" in refusal(Subject(own).loaded)


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 100])
def test_the_last_good_model_stays_if_a_newer_one_is_damaged(own, at_once, damage):
    subject = Subject(own)
    good = subject.loaded()
    (own / "model.safetensors").write_bytes(damage)
    assert subject.loaded() is good


def test_reading_a_model_does_not_block_the_event_loop(own, at_once, monkeypatch):
    subject, read = Subject(own), module._read
    before, reading, may_read = subject.loaded(), threading.Event(), threading.Event()

    def blocked(path):
        reading.set()
        assert may_read.wait(TIMEOUT)
        return read(path)

    monkeypatch.setattr(module, "_read", blocked)
    change(own / "model.safetensors")

    async def check():
        while not reading.is_set():
            assert subject.loaded() is before
            await asyncio.sleep(0.01)
        assert subject.loaded() is before
        may_read.set()
        while subject.loaded() is before:
            await asyncio.sleep(0.01)

    apart.run(asyncio.wait_for(check(), TIMEOUT))


def test_many_threads_measure_once(own, monkeypatch):
    subject, calls = Subject(own), []
    measure = module.runs.measure
    monkeypatch.setattr(module.runs, "measure", lambda *a: calls.append(1) or measure(*a))
    found = []
    threads = [threading.Thread(target=lambda: found.append(subject.evaluation())) for _ in "12345"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
    assert len({id(evaluation) for _, _, evaluation in found}) == 1


def test_images_of_another_kind_are_refused(run, tmp_path):
    from minicnn.data.builder import write_sheet

    sheet = tmp_path / "small"
    write_sheet(
        sheet, "small", np.zeros((10, 64), np.uint8), np.arange(10) % 2, class_names=["a", "b"],
        num_train=5, image_shape=(8, 8), source="a test", built={},
    )  # fmt: skip
    subject = Subject(run / "model.safetensors", str(sheet))
    assert "expected test images (28, 28, 1) in 10 classes" in refusal(subject.evaluation)


GETS = ("/api/about", "/api/digits.png?rows=1", "/api/digits/1")


ODD = {"options": {}, "results": ["x"], "command": {"a": "\ud800"}, "status": "\ud800"}


@pytest.mark.parametrize(
    "damage", [None, '{"options": ', "[]", ODD, {"results": {"test_accuracy": float("nan")}}]
)
@pytest.mark.usefixtures("at_once")
def test_a_run_that_is_damaged_while_it_is_shown_is_not_a_server_error(own, tmp_path, damage):
    with client(Subject(own), tmp_path) as asking:
        if isinstance(damage, dict):
            record = json.loads((own / "run.json").read_text())
            damage = json.dumps(record | damage)
        if damage is None:
            shutil.rmtree(own)
        else:
            (own / "run.json").write_text(damage)
        for path in GETS:
            answer = asking.get(path)
            assert answer.status_code in (200, 404, 409), (path, answer.text)
            if answer.is_error:
                assert len(answer.json()["error"]) > 20


def test_a_name_that_is_no_text(own, tmp_path):
    import os

    odd = os.fsencode(tmp_path) + b"/run-\xff"
    os.rename(own, odd)
    with client(Subject(type(own)(os.fsdecode(odd))), tmp_path) as asking:
        assert asking.get("/api/about").json()["name"] == "run-?"
