"""What the page is about, while it changes under it."""

import asyncio
import json
import shutil
import threading
import time

import apart
import numpy as np
import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from waiting import PATIENCE

from minicnn import Sequential
from minicnn.errors import ModelError
from minicnn.visor import subject as module
from minicnn.visor.app import create_app
from minicnn.visor.subject import Subject


@pytest.fixture
def own(run, tmp_path):
    """A copy of the run, to be changed."""
    return shutil.copytree(run, tmp_path / "run")


@pytest.fixture
def at_once(monkeypatch):
    """Nothing is remembered without a look."""
    monkeypatch.setattr(module, "CHECK_INTERVAL", 0.0)


@pytest.fixture
def no_loop(monkeypatch):
    """As in a thread: Playwright keeps a loop in this one."""
    monkeypatch.setattr(module, "_in_event_loop", lambda: False)


def client(subject, tmp_path):
    return TestClient(create_app(subject, tmp_path / "drawings"), base_url="http://127.0.0.1")


def refusal(ask):
    with pytest.raises(HTTPException) as caught:
        ask()
    assert caught.value.status_code == 409
    return caught.value.detail


def change(path):
    """A model with other weights in its place."""
    model = Sequential.load(path)
    model.set_weights([weights * 0 for weights in model.get_weights()])
    model.save(path)


def test_a_finished_run(run):
    subject = Subject(run)
    assert subject.name == "course"
    assert subject.record().status == "finished"
    loaded, images, evaluation = subject.evaluation()
    assert loaded.path.name == "model.safetensors"
    assert (loaded.shape, len(loaded.class_names)) == ((28, 28), 10)
    assert len(images.x) == len(evaluation.true) == 2000
    assert evaluation.accuracy == subject.record().results["test_accuracy"]
    assert subject.evaluation()[2] is evaluation  # not measured twice


def test_a_model_by_itself(run):
    subject = Subject(run / "model.safetensors")
    assert (subject.record(), subject.folder) == (None, None)
    assert subject.evaluation()[2].accuracy > 0.9


def test_a_newer_model_is_found_and_measured_anew(own, at_once, no_loop):
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


def test_in_the_event_loop_nobody_waits_for_a_model(own, at_once, monkeypatch):
    subject, read = Subject(own), module._read
    before, reading = subject.loaded(), threading.Event()

    def slowly(path):
        reading.set()
        time.sleep(0.3)
        return read(path)

    monkeypatch.setattr(module, "_read", slowly)
    change(own / "model.safetensors")

    async def ask():
        took = []
        while subject.loaded() is before:
            begun = time.perf_counter()
            subject.loaded()
            took.append(time.perf_counter() - begun)
            await asyncio.sleep(0.01)
        return took

    took = apart.run(asyncio.wait_for(ask(), PATIENCE))
    assert reading.is_set()
    assert len(took) > 5
    assert sorted(took)[-2] < 0.25  # the one that starts a thread may be held up


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


def test_a_model_answers_alike_in_several_threads(run):
    """While the test images are measured in a thread, drawings are read in the event loop."""
    model, rng = Subject(run).loaded().model, np.random.default_rng(0)
    images = rng.random((300, 28, 28, 1), np.float32)
    expected, wrong = model.predict(images), []

    def ask(first, count):
        for _ in range(20):
            if not np.allclose(
                model.predict(images[first : first + count]), expected[first:][:count]
            ):
                wrong.append((first, count))

    threads = [threading.Thread(target=ask, args=a) for a in [(0, 300), (0, 1), (7, 1), (0, 300)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_measuring_keeps_nobody_from_the_images(own):
    subject = Subject(own)
    images = subject.images()
    with subject._measuring:  # as evaluation() does for seconds
        assert subject.images() is images


def test_images_of_another_kind_are_refused(run, tmp_path):
    from minicnn.data.builder import write_sheet

    sheet = tmp_path / "small"
    write_sheet(
        sheet, "small", np.zeros((10, 64), np.uint8), np.arange(10) % 2, class_names=["a", "b"],
        num_train=5, image_shape=(8, 8), source="a test", built={},
    )  # fmt: skip
    subject = Subject(run / "model.safetensors", str(sheet))
    assert "expected test images (28, 28, 1) in 10 classes" in refusal(subject.evaluation)


def test_images_that_are_gone_are_told(own):
    assert "no test images" in refusal(Subject(own, "/nowhere/at-all").images)
    assert "no test images" in refusal(Subject(own / "model.safetensors", "/nowhere").evaluation)


@pytest.mark.parametrize("what", ["missing", "empty", "folder", "text"])
def test_what_is_neither_run_nor_model(tmp_path, what):
    path = tmp_path / "x"
    if what == "folder":
        path.mkdir()
    elif what != "missing":
        path.write_text("" if what == "empty" else "hello")
    with pytest.raises((FileNotFoundError, ModelError), match=r"expected|damaged"):
        Subject(path)


GETS = ("/api/about", "/api/digits.png?rows=1", "/api/digits/1")


def vanish(own):
    shutil.rmtree(own)


def damage(own):
    (own / "run.json").write_text('{"options": ')


def not_an_object(own):
    (own / "run.json").write_text("[]")


def empty_options(own):
    record = json.loads((own / "run.json").read_text())
    odd = {"options": {}, "results": ["x"], "command": {"a": "\ud800"}, "status": "\ud800"}
    (own / "run.json").write_text(json.dumps(record | odd))


def odd_numbers(own):
    record = json.loads((own / "run.json").read_text())
    record["results"]["test_accuracy"] = float("nan")
    (own / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize("harm", [vanish, damage, not_an_object, empty_options, odd_numbers])
@pytest.mark.usefixtures("at_once")
def test_a_run_that_is_harmed_while_it_is_shown_is_no_failure_of_the_server(own, tmp_path, harm):
    with client(Subject(own), tmp_path) as asking:
        harm(own)
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
