"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from minicnn import MnistData, Sequential, kernels, layers, optimizers

settings.register_profile("minicnn", deadline=None)  # machines are shared: no test is timed
settings.load_profile("minicnn")
if not find_spec("numba"):  # chosen here, so that minicnn need not warn: warnings are errors
    os.environ.setdefault("MINICNN_BACKEND", "numpy")


@pytest.fixture(params=kernels.available_backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each backend that can be used here, made the current one."""
    with kernels.use_backend(request.param):
        yield request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that begins alike in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICNN_DATA", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command chooses backend and threads for the whole process, and writes where it stands;
    here neither must last."""
    monkeypatch.chdir(tmp_path)
    threads = kernels.get_threads()
    with kernels.use_backend(kernels.current_backend()):
        yield
    kernels.set_threads(threads)


@pytest.fixture
def unread() -> Callable[..., subprocess.CompletedProcess[str]]:
    """unread("evaluate", …): the command in a process of its own, where nobody reads on, as behind
    `| head -1`."""

    def run(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return subprocess.run(
                [sys.executable, "-m", f"minicnn.{command}", *map(str, arguments)],
                stdout=writer,
                stderr=subprocess.PIPE,
                text=True,
                timeout=120,
            )
        finally:
            os.close(writer)

    return run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium, driven by Playwright; without either of them the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> MnistData:
    """The sample, in a cache of its own."""
    return MnistData("sample", cache_dir=tmp_path_factory.mktemp("cache")).load()


@pytest.fixture(scope="session")
def digit_run(digits: MnistData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.safetensors: a small network that reads 96 % of the sample's digits."""
    folder = tmp_path_factory.mktemp("digit_run")
    model = Sequential(
        [
            layers.Conv2D(12, 5, strides=2, activation="relu"),
            layers.Conv2D(24, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        input_shape=(28, 28, 1),
        seed=0,
    )
    model.class_names = list(digits.class_names)
    model.compile(optimizers.Adam(3e-3), "categorical_crossentropy", ["accuracy"])
    with kernels.use_backend("numpy"):  # nothing to compile
        model.fit(digits.train_x, digits.train_labels, batch_size=64, epochs=3, verbose=0)
    model.save(folder / "model.safetensors")
    return folder
