"""The answers for the tab Train: commands, layers, histories."""

import base64
import json
import os
import shutil

import numpy as np
import pytest
from clients import client

from minicnn.callbacks import read_layer_stats
from minicnn.visor.layer_series import MAX_EPOCHS, layer_series


@pytest.fixture
def copy(run, tmp_path):
    """copy(name, **changes to run.json) → a copy of the run, beside the other copies."""

    def copy(name, **changes):
        folder = tmp_path / "runs" / name
        shutil.copytree(run, folder)
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | changes))
        return folder

    return copy


@pytest.mark.parametrize("word", ["pause", "continue", "stop"])
def test_a_command_reaches_the_training_process(copy, tmp_path, word):
    told = []
    visitor = client(copy("now", status="running"), tmp_path, told.append)
    answer = visitor.post("/api/control", json={"command": word})
    assert (answer.status_code, answer.json()) == (200, {"sent": word})
    assert told == [word]


@pytest.mark.parametrize(
    "body", [{"command": "explode"}, {"command": ["stop"]}, {}, {"command": 1}]
)
def test_other_words_are_refused(copy, tmp_path, body):
    told = []
    visitor = client(copy("now", status="running"), tmp_path, told.append)
    answer = visitor.post("/api/control", json=body)
    assert answer.status_code == 400
    assert "pause, continue, stop" in answer.json()["error"]
    assert told == []


def broken(word):
    raise BrokenPipeError("gone")


@pytest.mark.parametrize(
    ("status", "command", "says"),
    [("running", None, "--visor"), ("finished", broken, "finished"),
     ("running", broken, "no longer accepts")],
)  # fmt: skip
def test_a_run_that_cannot_be_controlled(copy, tmp_path, status, command, says):
    visitor = client(copy("now", status=status), tmp_path, command)
    answer = visitor.post("/api/control", json={"command": "stop"})
    assert answer.status_code == 409
    assert says in answer.json()["error"]


def test_a_model_has_no_run(run, tmp_path):
    visitor = client(run / "model.safetensors", tmp_path)
    assert visitor.post("/api/control", json={"command": "stop"}).status_code == 409
    assert visitor.get("/api/layers").json() is None
    assert visitor.get("/api/runs").json() == []
    assert visitor.get("/api/history").json() == {"live": False, "columns": {}}
    assert visitor.get("/api/runs/course/history").status_code == 404


def test_layers_match_layers_json(run, tmp_path):
    told = client(run, tmp_path).get("/api/layers").json()
    stats = read_layer_stats(run / "layers.json")
    assert told["epochs"] == [epoch["epoch"] for epoch in stats["epochs"]]
    assert [layer["name"] for layer in told["layers"]] == [row["name"] for row in stats["layers"]]
    first, newest = told["layers"][0], stats["epochs"][-1]["layers"][0]
    assert first["parameter"] == "w"
    assert first["dead"][-1] == newest["dead"]
    for kind in ("weights", "gradients"):
        measured = newest[kind]["w"]
        for name in ("mean", "std", "norm", "min", "max", "nonfinite"):
            assert first[kind][name][-1] == measured[name]
        shares = histogram(first[kind], told["bins"])[-1] / 255
        expected = np.array(measured["histogram"]) / max(measured["histogram"])
        np.testing.assert_allclose(shares, expected, atol=0.51 / 255)
    flat = next(layer for layer in told["layers"] if layer["kind"] == "Flatten")
    assert (flat["parameter"], flat["weights"], flat["gradients"]) == (None, None, None)
    assert flat["activations"] is not None


def histogram(series, bins):
    return np.frombuffer(base64.b64decode(series["histograms"]), np.uint8).reshape(-1, bins)


def test_a_long_run_is_thinned(run):
    stats = read_layer_stats(run / "layers.json")
    one = stats["epochs"][0]
    long = [{**one, "epoch": epoch} for epoch in range(1, 1001)]
    told = layer_series({**stats, "epochs": long})
    assert len(told["epochs"]) == MAX_EPOCHS
    assert (told["epochs"][0], told["epochs"][-1]) == (1, 1000)
    assert max(np.diff(told["epochs"])) <= 10
    assert histogram(told["layers"][0]["weights"], told["bins"]).shape == (MAX_EPOCHS, 40)


def test_a_rare_value_stays_visible_in_a_histogram(run):
    stats = read_layer_stats(run / "layers.json")
    counts = [100_000, 1, *[0] * 38]
    stats["epochs"][0]["layers"][0]["weights"]["w"]["histogram"] = counts
    told = layer_series({**stats, "epochs": stats["epochs"][:1]})
    assert histogram(told["layers"][0]["weights"], 40)[0].tolist() == [255, 1, *[0] * 38]


def test_before_the_first_epoch_there_are_no_layers(copy, tmp_path):
    folder = copy("now", status="running")
    (folder / "layers.json").unlink()
    assert client(folder, tmp_path).get("/api/layers").json() is None
    stats = read_layer_stats(copy("other") / "layers.json")
    assert layer_series({**stats, "epochs": []})["layers"][0]["weights"] is None


def test_damaged_files_are_reported(copy, tmp_path):
    folder = copy("now")
    (folder / "layers.json").write_text("{}")
    (folder / "history.csv").write_text("epoch,loss\n1,many\n")
    visitor = client(folder, tmp_path)
    for path, word in [("/api/layers", "format"), ("/api/history", "numbers")]:
        answer = visitor.get(path)
        assert answer.status_code == 409
        assert word in answer.json()["error"]


def test_the_own_history_says_whether_there_are_records(copy, tmp_path):
    folder = copy("now")
    visitor = client(folder, tmp_path)
    told = visitor.get("/api/history").json()
    assert told["live"] is True
    assert told["columns"]["epoch"] == [1, 2, 3, 4]
    (folder / "live.jsonl").unlink()
    assert visitor.get("/api/history").json()["live"] is False


def test_earlier_runs_are_listed_with_the_newest_first(copy, tmp_path):
    own = copy("now", started="2026-03-03T10:00:00+0000")
    copy("old", model={"name": "node"}, results={"test_accuracy": 0.5})
    copy("new", status="diverged", results={"test_accuracy": None})
    (copy("without-curves") / "history.csv").unlink()
    (copy("damaged") / "run.json").write_text("{")
    copy("odd", results=None)  # which is damaged, too
    listed = client(own, tmp_path).get("/api/runs").json()
    assert [row["name"] for row in listed] == ["new", "old"]
    assert (listed[0]["status"], listed[0]["accuracy"]) == ("diverged", None)
    assert (listed[1]["model"], listed[1]["accuracy"]) == ("node", 0.5)


def test_the_history_of_an_earlier_run(copy, tmp_path):
    own, other = copy("now"), copy("a run, of earlier")
    (other / "history.csv").write_text("epoch,loss,val_loss\n1,0.5,inf\n2,nan,\n")
    visitor = client(own, tmp_path)
    assert visitor.get("/api/runs/a run, of earlier/history").json() == {
        "epoch": [1, 2],
        "loss": [0.5, None],
        "val_loss": [None, None],
    }


def test_folder_names_that_are_not_unicode(copy, tmp_path):
    own = copy("now")
    other = os.fsdecode(b"r\xff")
    copy(other)
    visitor = client(own, tmp_path)
    assert [row["name"] for row in visitor.get("/api/runs").json()] == ["r?"]
    assert visitor.get("/api/runs/r%3F/history").json()["epoch"] == [1, 2, 3, 4]
    visitor = client(own.parent / other, tmp_path)
    (own.parent / other / "history.csv").write_text("epoch,loss\n1,many\n")
    assert visitor.get("/api/history").status_code == 409


@pytest.mark.parametrize("name", ["nobody", "now", "%2e%2e", "..%2Fruns%2Fother", "other%00"])
def test_only_names_in_the_listing_have_a_history(copy, tmp_path, name):
    own = copy("now")
    copy("other")
    answer = client(own, tmp_path).get(f"/api/runs/{name}/history")
    assert answer.status_code == 404
