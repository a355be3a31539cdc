"""Models, checkpoints and run folders written by older versions still work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import write_fixtures

import minicnn
from minicnn import Sequential, report, runs, train
from minicnn.saving import checkpoints

FOLDERS = sorted(Path(__file__).parent.glob("minicnn-*"))
BACKENDS = [name for name in write_fixtures.MODELS if name in minicnn.kernels.available_backends()]

pytestmark = pytest.mark.parametrize("written", FOLDERS, ids=lambda folder: folder.name)


def check_weights(model: Sequential, written: Path, run: str, final: Path) -> None:
    """The model has the weights that the older version came to: the same bits on the same kind of
    machine, else nearly the same values."""
    facts = json.loads((written / "facts.json").read_text())
    old = Sequential.load(final)
    for ours, theirs in zip(model.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    if facts["machine"] == write_fixtures.machine():
        assert write_fixtures.sha256(model) == facts["sha256"][run]


@pytest.mark.parametrize("name", ["every_layer", "names"])
def test_model_predicts_the_same(written, name):
    model = Sequential.load(written / f"{name}.safetensors")
    x, _ = write_fixtures.images(8, write_fixtures.SHAPE, seed=6)
    with np.load(written / "predictions.npz") as predictions:
        np.testing.assert_allclose(model.predict(x), predictions[name], rtol=1e-5, atol=1e-6)


def test_model_keeps_its_class_names_and_preparation(written):
    model = Sequential.load(written / "names.safetensors")
    assert model.class_names == write_fixtures.CLASS_NAMES
    assert model.preparation == write_fixtures.PREPARATION


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """backend → the model and history of a run by today's code."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {name: write_fixtures.train(name, folder / name) for name in BACKENDS}


@pytest.mark.parametrize("backend_name", BACKENDS)
def test_training_from_a_seed_gives_the_same_weights(written, backend_name, uninterrupted):
    model, history = uninterrupted[backend_name]
    folder = written / backend_name
    check_weights(model, written, backend_name, folder / "final.safetensors")
    check_history(history.history, folder)


@pytest.mark.parametrize("name", write_fixtures.CHECKPOINTS)
@pytest.mark.parametrize("backend_name", BACKENDS)
def test_checkpoint_resumes_to_the_same_weights(written, backend_name, name, tmp_path):
    folder = written / backend_name
    for path in folder.glob("epoch-*"):
        shutil.copy(path, tmp_path)
    model, history = write_fixtures.train(backend_name, tmp_path, resume=tmp_path / name)
    check_weights(model, written, backend_name, folder / "final.safetensors")
    check_history(history.history, folder)


def check_history(history: dict[str, list[float]], folder: Path) -> None:
    """The curves are those of the older version, with the same names in the same order."""
    old = json.loads((folder / "history.json").read_text())
    assert list(history) == list(old)
    for name, values in old.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-3, err_msg=name)


@pytest.mark.usefixtures("own_cache", "own_settings")
def test_run_folder_resumes_and_reports(written, tmp_path, capsys):
    shutil.copytree(written / "sheet", tmp_path / "sheet")
    shutil.copytree(written / "run", tmp_path / "run")
    before = checkpoints.load(tmp_path / "run" / "checkpoints")
    assert before is not None
    assert before.done == (2, 0)
    assert report.main(["run"]) == 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 0
    assert train.main(["--resume", "run"]) == 0
    results = json.loads((tmp_path / "run" / runs.RUN).read_text())["results"]
    assert results["epochs"] == 4
    model = Sequential.load(tmp_path / "run" / runs.MODEL)
    check_weights(model, written, "run", written / "run_final.safetensors")
    assert report.main(["run"]) == 0
