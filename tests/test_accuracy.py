"""The least accuracy that training must reach."""

import json

import pytest

from minicnn import get_threads, kernels, set_threads, train, use_backend

FASTEST = kernels.available_backends()[-1]


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=[pytest.mark.exhaustive] * (name != FASTEST))
        for name in kernels.available_backends()[1:]
    ],
)
def test_three_epochs_of_the_default_recipe_reach_96_5_percent(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "cache"))
    threads = get_threads()
    folder = tmp_path / "run"
    options = ["--epochs", "3", "--quiet", "--backend", backend, "--out", str(folder)]
    try:
        with use_backend(kernels.current_backend()):
            assert train.main(options) == 0
    finally:
        set_threads(threads)
    results = json.loads((folder / "run.json").read_text())["results"]
    assert results["test_accuracy"] >= 0.965
