"""The run folder: its name, its files, and the stopwatch of a run."""

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
from minicnn.strict_json import from_json

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


def test_runs_of_the_same_second_get_different_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda *_: "2030-01-02_030405")
    folders = [runs.new_folder("course", tmp_path) for _ in range(4)]
    assert len({str(folder) for folder in folders}) == 4
    assert all(folder.is_dir() for folder in folders)
    assert folders[0] == tmp_path / "2030-01-02_030405-course"
    assert all(folder.name.startswith(folders[0].name) for folder in folders)


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_or_empty_folder_can_be_given(tmp_path, exists):
    folder = tmp_path / "a" / "b"
    if exists:
        folder.mkdir(parents=True)
    assert runs.given_folder(folder) == folder
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["model.safetensors", ".hidden", "sub"])
def test_a_folder_with_files_is_refused_and_not_changed(tmp_path, name):
    (tmp_path / name).mkdir() if name == "sub" else (tmp_path / name).write_text("kept")
    with pytest.raises(FileExistsError, match="empty") as caught:
        runs.given_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_instead_of_the_folder_is_an_os_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(OSError, match=r"file: expected a folder, .* received a file; name another"):
        runs.given_folder(file)
    with pytest.raises(OSError, match=r"run: expected a folder, .* error '.+'; name another"):
        runs.given_folder(file / "run")
    assert file.read_text() == "kept"


def test_the_folder_of_a_run_without_result_is_removed(tmp_path):
    empty, begun = tmp_path / "empty", tmp_path / "begun"
    empty.mkdir()
    (begun / runs.CHECKPOINTS).mkdir(parents=True)
    (begun / runs.RUN).write_text("{}")
    (begun / runs.HISTORY_CSV).write_text("")
    for folder in (empty, begun, tmp_path / "missing"):
        runs.remove_if_empty(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x", "model.safetensors", "history.csv", "checkpoints/a", "a/b"])
def test_a_folder_with_a_result_or_other_files_is_kept(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("kept")
    (tmp_path / runs.RUN).write_text("{}")
    runs.remove_if_empty(tmp_path)
    assert (tmp_path / name).read_text() == "kept"
    assert (tmp_path / runs.RUN).exists()


def test_only_one_run_at_a_time_holds_a_folder(tmp_path):
    with (
        runs.hold(tmp_path),
        pytest.raises(FileExistsError, match="another run is writing into"),
        runs.hold(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    with runs.hold(tmp_path):
        pass


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch):
    def acquire(self, *args, **options):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    (tmp_path / ".tmp-half").write_text("another run may be writing this")
    with pytest.warns(minicnn.RunWarning, match="without locks"), runs.hold(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-half"]


# ---- run.json ----


def test_json_is_indented_and_strict(tmp_path):
    path = tmp_path / "run.json"
    nan, inf = math.nan, math.inf
    content = {"nan": nan, "list": [{"inf": inf}, (-inf, 2.0, "ä")], "np": np.float64("nan")}
    runs.write_json(path, content | {"path": Path("x/y")})
    text = path.read_text(encoding="utf-8")
    expected = {"nan": None, "list": [{"inf": None}, [None, 2.0, "ä"]], "np": None}
    assert from_json(text) == expected | {"path": str(Path("x/y"))}
    assert text.count("\n") > 4
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


RECORD = {
    "status": "finished",
    "options": {},
    "recipe": {},
    "data": {"train": 5, "test": 1, "image_shape": [8, 8, 1], "class_names": ["a"]},
    "model": {"parameters": 9},
    "results": {"seconds": 1.5, "images_per_second": None, "epochs": 3},
    "resumed": [{}],
}


def test_a_record_round_trip(tmp_path):
    runs.write_json(tmp_path / "run.json", RECORD)
    record = runs.read_record(tmp_path)
    assert record.content == RECORD | {
        "model": {"name": "network", "parameters": 9},
        "versions": {},
    }
    assert (record.status, record.results["images_per_second"]) == ("finished", None)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("status", 3, "text, received 3"),
        ("options", [], r"entries by name, received \[\]"),
        ("versions", "1.0", "entries by name, received '1.0'"),
        ("resumed", 3, "a list, received 3"),
        ("model.parameters", "9", "a whole number, received '9'"),
        ("data.train", 1.5, "a whole number, received 1.5"),
        ("data.image_shape", [8, 8], r"3 numbers, received \[8, 8\]"),
        ("data.class_names", "ab", "a list, received 'ab'"),
        ("results.seconds", "long", "a number, received 'long'"),
    ],
)
def test_a_damaged_field_of_a_record_is_named(tmp_path, field, value, expected):
    content = json.loads(json.dumps(RECORD))
    *parents, last = field.split(".")
    inner = content
    for name in parents:
        inner = inner[name]
    inner[last] = value
    runs.write_json(tmp_path / "run.json", content)
    with pytest.raises(minicnn.ModelError, match=rf"run\.json: expected {last} as {expected}; "):
        runs.read_record(tmp_path)


@pytest.mark.parametrize("field", ["status", "options", "recipe", "data"])
def test_a_missing_field_of_a_record_is_named(tmp_path, field):
    runs.write_json(tmp_path / "run.json", {k: v for k, v in RECORD.items() if k != field})
    with pytest.raises(minicnn.ModelError, match=rf"expected an entry '{field}', received"):
        runs.read_record(tmp_path)


# ---- evaluation and plots ----


def test_measure_agrees_with_evaluate_and_predict():
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


def test_an_image_with_nan_outputs_has_no_predicted_class():
    """argmax returns the first NaN: it must not count as class 0."""
    chances = np.array([[0.9, 0.1], [np.nan, 0.2], [0.3, np.nan], [0.8, 0.2]])
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    result = runs.Evaluation(math.nan, 0.25, chances, true, predicted)
    assert result.finite.tolist() == [True, False, False, True]
    assert result.wrong.tolist() == [1, 2, 3]
    assert result.mistakes.tolist() == [3]
    assert result.matrix.tolist() == [[1, 0], [1, 0]]


def test_a_network_with_nan_outputs_has_no_plots(tmp_path):
    model = trained()
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    x, y = labelled()
    y[:] = [1, 0, 0]  # class 0, the argmax of NaNs
    result = runs.measure(model, x, y)
    assert (result.accuracy, len(result.wrong), result.matrix.sum()) == (0.0, 30, 0)
    assert math.isnan(result.loss)
    runs.draw(tmp_path, model, x, result, ["a", "b", "c"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["some wrong", "none wrong", "all wrong"])
def test_plots(tmp_path, kind):
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


def test_a_network_without_convolutions_has_no_filters_plot(tmp_path):
    model = trained(convolution=False)
    x, y = labelled()
    runs.draw(tmp_path, model, x, runs.measure(model, x, y), ["a", "b", "c"])
    assert {path.name for path in tmp_path.iterdir()} == {runs.CONFUSION, runs.MISTAKES}


# ---- stopwatch ----


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


def test_the_rate_is_zero_before_the_first_batch():
    assert runs.Stopwatch().images_per_second == 0


def test_it_counts_images_and_epochs():
    watch = run(runs.Stopwatch())
    assert (watch.images, watch.epochs) == (20, 2)
    assert watch.images_per_second == pytest.approx(watch.images / watch.seconds)


def test_time_at_the_end_of_an_epoch_is_not_training_time(monkeypatch):
    clock, real = [0.0], time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: real() + clock[0])

    def wait(state):
        clock[0] += 1000

    watch = run(runs.Stopwatch(), callbacks=[LambdaCallback(on_epoch_end=wait)])
    assert 0 < watch.seconds < 1000 < watch.total_seconds


def test_a_stopped_epoch_counts_its_images_but_not_as_an_epoch():
    def stop(state):
        state.stop = state.epoch == 1 and state.step == 0

    watch = run(runs.Stopwatch(), epochs=5, callbacks=[LambdaCallback(on_batch_end=stop)])
    assert (watch.images, watch.epochs) == (14, 1)


# ---- classes ----


def test_by_class():
    matrix = np.array([[3, 1, 0], [0, 0, 0], [2, 2, 4]])
    assert runs.by_class(matrix, ["a", "b", "c"]) == [
        runs.ClassRow("a", 4, 3, 0.75, 3 / 5, "b", 1),
        runs.ClassRow("b", 0, 0, None, 0.0, None, 0),
        runs.ClassRow("c", 8, 4, 0.5, 1.0, "a", 2),
    ]
    assert matrix.tolist() == [[3, 1, 0], [0, 0, 0], [2, 2, 4]]


# ---- the model of a folder ----


def test_find_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="it holds no model"):
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
