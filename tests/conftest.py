"""Fixtures for all tests, and how pytest-xdist divides the tests among its workers."""

from __future__ import annotations

import os
import shutil
import signal
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

settings.register_profile("minicnn", deadline=None)  # no test is timed: machines are shared
settings.load_profile("minicnn")
if not find_spec("numba"):  # else minicnn warns that Numba is missing, and warnings are errors
    os.environ.setdefault("MINICNN_BACKEND", "numpy")
# Under nohup, or started with & from a script, SIGINT is ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The files that take longest, in that order, so that none of them is left for the end.
LONGEST = [
    "tests/kernels/test_engine_bounds.py",
    "tests/visor/test_draw_page.py",
    "tests/visor/test_train_page.py",
    "tests/visor/test_train_visor.py",
    "tests/visor/test_evaluate_page.py",
    "tests/visor/test_inside_page.py",
    "tests/test_fusion.py",
    "tests/report/test_report.py",
    "tests/train/test_train_cli.py",
    "tests/test_augmentation.py",
    "tests/train/test_resume_cli.py",
    "tests/kernels/test_kernel_warp.py",
    "tests/kernels/test_kernel_threads.py",
    "tests/callbacks/test_observers.py",
    "tests/bench/test_bench_quick.py",
    "tests/test_fuzz_files.py",
    "tests/kernels/test_kernel_numba_cache.py",
    "tests/compatibility/test_older_files.py",
    "tests/test_public_api.py",
    "tests/test_gradcheck.py",
]


def work_unit(nodeid: str) -> str:
    """Tests with the same name run in the same worker: those of a file, since they share fixtures;
    all those of the engine, since they share kernels, which are then compiled once."""
    file = nodeid.partition("::")[0]
    return LONGEST[0] if "/test_engine_" in file else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(work_unit(item.nodeid), len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler that keeps work units together, in place of pytest-xdist's own for files."""
    from xdist.scheduler import LoadFileScheduling

    class WorkUnits(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return work_unit(nodeid)

    return WorkUnits(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(params=kernels.available_backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each available backend, as the current one."""
    with kernels.use_backend(request.param):
        yield request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with the same seed in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for downloads; the user's own is not touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICNN_DATA", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command sets backend and threads for the whole process and writes into the current folder;
    both are undone."""
    monkeypatch.chdir(tmp_path)
    threads = kernels.get_threads()
    with kernels.use_backend(kernels.current_backend()):
        yield
    kernels.set_threads(threads)


@pytest.fixture
def unread() -> Callable[..., subprocess.CompletedProcess[str]]:
    """unread("evaluate", ...) runs the command with a standard output that nobody reads, as in
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
    """A headless Chromium, driven by Playwright; skips the test if either is missing."""
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
    """The sample digits, cached in a temporary folder."""
    return MnistData("sample", cache_dir=tmp_path_factory.mktemp("cache")).load()


@pytest.fixture(scope="session")
def digit_run(digits: MnistData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.safetensors: a small network with an accuracy of 96 % on the sample."""
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
