"""The run folder: its name, what is written into it, and the clock of a run."""

import json
import math
import time
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import Sequential, layers, runs
from minicnn.callbacks import LambdaCallback

SHAPE = (8, 8, 1)


def trained(classes=3, convolution=True):
    body = [layers.Conv2D(4, 3, activation="relu")] if convolution else []
    model = Sequential(
        [*body, layers.Flatten(), layers.Dense(classes, activation="softmax")],
        input_shape=SHAPE,
        seed=0,
    )
    model.compile(metrics=["accuracy"])
    return model


def labelled(n=30, classes=3):
    rng = np.random.default_rng(0)
    x = rng.random((n, *SHAPE), dtype=np.float32)
    return x, np.eye(classes, dtype=np.uint8)[rng.integers(0, classes, n)]


# ---- folders ----


def test_a_folder_is_named_by_time_and_model(tmp_path):
    before = time.strftime("%Y-%m-%d")
    folder = runs.new_folder("course", tmp_path / "runs")
    assert folder.is_dir()
    assert folder.parent == tmp_path / "runs"
    assert folder.name.startswith((before, time.strftime("%Y-%m-%d")))
    assert folder.name.endswith("-course")


def test_the_default_place_is_runs_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.new_folder("node").resolve().parent == tmp_path / "runs"


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda *_: "2030-01-02_030405")
    folders = [runs.new_folder("course", tmp_path) for _ in range(4)]
    assert len({str(folder) for folder in folders}) == 4
    assert all(folder.is_dir() for folder in folders)
    assert all(folder.name.startswith("2030-01-02_030405-course") for folder in folders)


def test_a_place_where_no_folder_can_be_made_is_an_os_error(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OSError):
        runs.new_folder("course", tmp_path / "runs")


@pytest.mark.parametrize("made_before", [False, True])
def test_a_new_or_empty_folder_can_be_given(tmp_path, made_before):
    folder = tmp_path / "a" / "b"
    if made_before:
        folder.mkdir(parents=True)
    assert runs.given_folder(folder) == folder
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["model.safetensors", ".hidden", "sub"])
def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).mkdir() if name == "sub" else (tmp_path / name).write_text("kept")
    with pytest.raises(FileExistsError, match="empty") as caught:
        runs.given_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_folders_place_is_an_os_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(OSError, match=r"file: expected a folder, .* received a file; name another"):
        runs.given_folder(file)
    with pytest.raises(OSError, match=r"run: expected a folder, .* error '.+'; name another"):
        runs.given_folder(file / "run")
    assert file.read_text() == "kept"


def test_the_folder_of_a_run_that_came_to_nothing_is_removed(tmp_path):
    empty, begun = tmp_path / "empty", tmp_path / "begun"
    empty.mkdir()
    (begun / runs.CHECKPOINTS).mkdir(parents=True)
    (begun / runs.RUN).write_text("{}")
    (begun / runs.HISTORY_CSV).write_text("")
    for folder in (empty, begun, tmp_path / "missing"):
        runs.remove_if_barren(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x", "model.safetensors", "history.csv", "checkpoints/a", "a/b"])
def test_a_folder_with_anything_worth_keeping_stays_as_it_is(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("kept")
    (tmp_path / runs.RUN).write_text("{}")
    runs.remove_if_barren(tmp_path)
    assert (tmp_path / name).read_text() == "kept"
    assert (tmp_path / runs.RUN).exists()


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path):
    with (
        runs.hold(tmp_path),
        pytest.raises(FileExistsError, match="another run is writing into"),
        runs.hold(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    with runs.hold(tmp_path):
        pass


def test_without_locks_nobody_is_kept_out_and_it_is_said(tmp_path, monkeypatch):
    def acquire(self, *args, **options):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    (tmp_path / ".tmp-half").write_text("another run may be writing this")
    with pytest.warns(minicnn.RunWarning, match="without locks"), runs.hold(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-half"]


# ---- run.json ----


def test_json_is_readable_and_whole(tmp_path):
    path = tmp_path / "run.json"
    runs.write_json(path, {"a": 1, "b": [1.5, "ä"], "path": Path("x/y"), "none": None})
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "a": 1,
        "b": [1.5, "ä"],
        "path": str(Path("x/y")),
        "none": None,
    }
    text = path.read_text(encoding="utf-8")
    assert "ä" in text
    assert text.count("\n") > 4
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_what_json_cannot_say_becomes_null(tmp_path):
    """NaN and Infinity are no JSON: other readers stumble over them."""
    path = tmp_path / "run.json"
    bad = {"nan": math.nan, "deep": [{"inf": math.inf}, (-math.inf, 2.0)], "np": np.float64("nan")}
    runs.write_json(path, bad)

    def refuse(text):
        raise AssertionError(f"{text} is no JSON")

    read = json.loads(path.read_text(), parse_constant=refuse)
    assert read == {"nan": None, "deep": [{"inf": None}, [None, 2.0]], "np": None}


def test_an_old_json_stays_when_the_new_one_cannot_be_written(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    loop: list = []
    loop.append(loop)
    with pytest.raises((ValueError, RecursionError)):
        runs.write_json(path, {"loop": loop})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


SOUND = {
    "status": "finished",
    "options": {},
    "recipe": {},
    "data": {"train": 5, "test": 1, "image_shape": [8, 8, 1], "class_names": ["a"]},
    "model": {"parameters": 9},
    "results": {"seconds": 1.5, "images_per_second": None, "epochs": 3},
    "resumed": [{}],
}


def test_a_record_is_read_as_it_was_written(tmp_path):
    runs.write_json(tmp_path / "run.json", SOUND)
    record = runs.read_record(tmp_path)
    assert record.content == SOUND
    assert (record.status, record.results["images_per_second"]) == ("finished", None)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("status", 3, "text, received 3"),
        ("status", None, "text, received None"),
        ("options", [], r"an object, received \[\]"),
        ("recipe", "x", "an object, received 'x'"),
        ("model", 1, "an object, received 1"),
        ("versions", "1.0", "an object, received '1.0'"),
        ("resumed", [3], r"a list of objects, received \[3\]"),
        ("model.parameters", "9", "a whole number, received '9'"),
        ("data.train", 1.5, "a whole number, received 1.5"),
        ("data.test", True, "a whole number, received True"),
        ("data.image_shape", [8, 8], r"\[H, W, C\], received \[8, 8\]"),
        ("data.class_names", ["a", 1], r"a list of names, received \['a', 1\]"),
        ("results", 1, "an object, received 1"),
        ("results.seconds", "long", "a number, received 'long'"),
        ("results.images_per_second", [], r"a number, received \[\]"),
        ("results.test_accuracy", "99 %", "a number, received '99 %'"),
    ],
)
def test_a_damaged_field_of_a_record_is_named(tmp_path, field, value, expected):
    content = json.loads(json.dumps(SOUND))
    *parents, last = field.split(".")
    inner = content
    for name in parents:
        inner = inner[name]
    inner[last] = value
    runs.write_json(tmp_path / "run.json", content)
    with pytest.raises(minicnn.ModelError, match=rf"run\.json: {field}: expected {expected}; "):
        runs.read_record(tmp_path)


@pytest.mark.parametrize("field", ["status", "options", "recipe", "data"])
def test_what_a_record_must_have(tmp_path, field):
    runs.write_json(tmp_path / "run.json", {k: v for k, v in SOUND.items() if k != field})
    with pytest.raises(minicnn.ModelError, match=rf"{field}: expected .*, received nothing"):
        runs.read_record(tmp_path)


# ---- what the model says of the test images ----


def test_measure_is_what_evaluate_and_predict_say():
    model = trained()
    x, y = labelled()
    result = runs.measure(model, x, y)
    expected = model.evaluate(x, y)
    assert result.loss == pytest.approx(expected["loss"], rel=1e-5)
    assert result.accuracy == pytest.approx(expected["accuracy"])
    np.testing.assert_array_equal(result.probabilities, model.predict(x))
    np.testing.assert_array_equal(result.true, y.argmax(axis=1))
    np.testing.assert_array_equal(result.predicted, model.predict(x).argmax(axis=1))
    np.testing.assert_array_equal(result.wrong, np.flatnonzero(result.true != result.predicted))
    assert 0 < len(result.wrong) < 30
    assert result.accuracy == pytest.approx(1 - len(result.wrong) / 30)


def test_where_an_output_is_nan_nothing_was_read():
    """argmax takes NaN for the largest: it must not count as class 0."""
    chances = np.array([[0.9, 0.1], [np.nan, 0.2], [0.3, np.nan], [0.8, 0.2]])
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    result = runs.Evaluation(math.nan, 0.25, chances, true, predicted)
    assert result.read.tolist() == [True, False, False, True]
    assert result.wrong.tolist() == [1, 2, 3]
    assert result.mistakes.tolist() == [3]
    assert result.matrix.tolist() == [[1, 0], [1, 0]]


def test_a_network_that_gives_nan_reads_nothing_and_has_no_pictures(tmp_path):
    model = trained()
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    x, y = labelled()
    y[:] = [1, 0, 0]  # of class 0, which argmax says
    result = runs.measure(model, x, y)
    assert (result.accuracy, len(result.wrong), result.matrix.sum()) == (0.0, 30, 0)
    assert math.isnan(result.loss)
    runs.draw(tmp_path, model, x, result, ["a", "b", "c"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["some wrong", "none wrong", "all wrong"])
def test_the_pictures_are_drawn_whatever_the_result(tmp_path, kind):
    model = trained()
    x, y = labelled()
    predicted = model.predict(x).argmax(axis=1)
    if kind == "none wrong":
        y = np.eye(3, dtype=np.uint8)[predicted]
    elif kind == "all wrong":
        y = np.eye(3, dtype=np.uint8)[(predicted + 1) % 3]
    result = runs.measure(model, x, y)
    runs.draw(tmp_path, model, x, result, ["a", "b", "c"])
    assert {path.name for path in tmp_path.iterdir()} == {
        runs.CONFUSION,
        runs.MISTAKES,
        runs.FILTERS,
    }
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            image.verify()
            assert min(image.size) > 100


def test_a_network_without_convolutions_has_no_filters_to_draw(tmp_path):
    model = trained(convolution=False)
    x, y = labelled()
    runs.draw(tmp_path, model, x, runs.measure(model, x, y), ["a", "b", "c"])
    assert {path.name for path in tmp_path.iterdir()} == {runs.CONFUSION, runs.MISTAKES}


def test_every_file_of_a_run_folder_is_explained():
    names = "model.safetensors history.csv history.png confusion.png mistakes.png filters.png"
    more = "layers.json live.jsonl checkpoints tensorboard run.json"
    assert set(runs.CONTENTS) == {*names.split(), *more.split()}
    assert all(runs.CONTENTS.values())


# ---- the clock ----


def run(watch, n=10, batch_size=4, epochs=2, callbacks=(), **options):
    x, y = labelled(n)
    trained().fit(
        x,
        y,
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[watch, *callbacks],
        **options,
    )
    return watch


def test_before_the_first_batch_there_is_no_rate():
    assert runs.Stopwatch().images_per_second == 0


def test_it_counts_every_image_once_an_epoch():
    watch = run(runs.Stopwatch())
    assert (watch.images, watch.epochs) == (20, 2)
    assert watch.images_per_second == pytest.approx(watch.images / watch.seconds)


@pytest.mark.parametrize("steps", [2, 5])
def test_it_counts_the_images_of_longer_and_shorter_epochs(steps):
    """8 images in batches of 4: a pass is two steps."""
    watch = run(runs.Stopwatch(), n=8, epochs=1, steps_per_epoch=steps)
    assert watch.images == 4 * steps


def test_validation_and_what_happens_at_an_epochs_end_is_not_training_time():
    begun = time.perf_counter()
    nap = LambdaCallback(on_epoch_end=lambda s: time.sleep(0.15))
    watch = run(runs.Stopwatch(), callbacks=[nap])
    assert 0 < watch.seconds < time.perf_counter() - begun - 0.3


def test_an_epoch_cut_short_counts_its_images_but_is_no_epoch():
    def stop(state):
        state.stop = state.epoch == 1 and state.step == 0

    watch = run(runs.Stopwatch(), epochs=5, callbacks=[LambdaCallback(on_batch_end=stop)])
    assert (watch.images, watch.epochs) == (14, 1)


# ---- classes ----


def test_the_classes_by_hand():
    matrix = np.array([[3, 1, 0], [0, 0, 0], [2, 2, 4]])
    found = runs.by_class(matrix, ["a", "b", "c"])
    assert [row.name for row in found] == ["a", "b", "c"]
    assert [row.images for row in found] == [4, 0, 8]
    assert [row.right for row in found] == [3, 0, 4]
    assert [row.accuracy for row in found] == [0.75, None, 0.5]
    assert [row.precision for row in found] == [3 / 5, 0.0, 1.0]
    assert [row.taken_for for row in found] == ["b", None, "a"]
    assert [row.times for row in found] == [1, 0, 2]
    assert matrix.tolist() == [[3, 1, 0], [0, 0, 0], [2, 2, 4]]


# ---- the model of a folder ----


def test_the_model_of_a_folder_is_that_of_its_end_or_of_its_newest_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run left one here"):
        runs.find_model(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for name in ("epoch-0002.safetensors", "epoch-0010.safetensors"):
        (tmp_path / "checkpoints" / name).write_text("")
    assert runs.find_model(tmp_path).name == "epoch-0010.safetensors"
    (tmp_path / "model.safetensors").write_text("")
    assert runs.find_model(tmp_path).name == "model.safetensors"
    newest_first = ["epoch-0010.safetensors", "epoch-0002.safetensors"]
    others = [path.name for path in runs.find_models(tmp_path)[1:]]
    assert others == newest_first
    record = {"options": {}, "recipe": {}, "data": {}, "status": "running"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert runs.find_model(tmp_path).name == "epoch-0010.safetensors"
    found = [path.name for path in runs.find_models(tmp_path)]
    assert found == [*newest_first, "model.safetensors"]
    (tmp_path / "run.json").write_text(json.dumps(record | {"status": "finished"}))
    assert runs.find_model(tmp_path).name == "model.safetensors"
