"""Kernels on disk: known by what they are made of, by any number of processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import minicnn

pytest.importorskip("numba")

PACKAGE = Path(minicnn.__file__).parent

# Kernels of one factory, for constants given on the command line; too large to be inlined.
FACTORY = """
import json, sys
import numpy as np
import minicnn
from numba.core import event
from minicnn.kernels.jit import jit


def factory(K):
    @jit
    def inner(x, i):
        total = x[0] * 0
        for j in range(i, len(x)):
            if x[j] % 3 == 1:
                total += x[j] * K
            elif x[j] % 5 == 2:
                total -= x[j] + K
            elif x[j] % 7 == 3:
                total += x[j] // 3
            else:
                total -= K + j
        for j in range(i):
            if x[j] % 11 == 1:
                total -= x[j] * K
            elif x[j] % 13 == 2:
                total += x[j] - K
            else:
                total += K - j
        return total

    @jit
    def outer(x):
        total = x[0] * 0
        for i in range(len(x)):
            total += inner(x, i) * inner(x, len(x) - i)
            if total > 100_000:
                total -= inner(x, 2 * i // 3)
        return total + inner(x, 1)

    return outer


right = True
with event.install_recorder("numba:compile") as compiled:
    for word in sys.argv[1:]:
        constant, dtype = word.split(":")
        outer, x = factory(int(constant)), np.arange(40).astype(dtype)
        right = right and outer(x) == outer.py_func(x)
said = {"right": bool(right), "compiled": len(compiled.buffer), "file": minicnn.__file__}
print(json.dumps(said))
"""


def start(
    *arguments: str, cache: Path | None = None, site: Path = PACKAGE.parent
) -> subprocess.Popen[str]:
    """A Python of its own that finds the package in `site`."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str], site: Path = PACKAGE.parent) -> dict[str, Any]:
    """What it says at its end."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    found: dict[str, Any] = json.loads(out)
    assert Path(found["file"]).parent == site / "minicnn"
    return found


@pytest.fixture
def factory(tmp_path: Path) -> str:
    """FACTORY as a file: Numba caches nothing else."""
    file = tmp_path / "factory.py"
    file.write_text(FACTORY)
    return str(file)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path / "cache"


def made(factory: str, *words: str, cache: Path, site: Path = PACKAGE.parent) -> int:
    """How many functions a process compiled for the factory's kernels, which are right."""
    found = said(start(factory, *words, cache=cache, site=site), site)
    assert found["right"]
    return int(found["compiled"])


def test_kernels_of_one_factory_that_several_processes_made_are_right_together(
    factory: str, cache: Path
) -> None:
    """Each process numbers its functions anew; the machine code of two must not share a name."""
    words = ["3:int64", "4:int64", "3:float64"]
    for word in words:
        assert made(factory, word, cache=cache) >= 2
    assert made(factory, *words, cache=cache) == 0
    assert made(factory, *words[::-1], cache=cache) == 0


def test_processes_that_compile_into_one_folder_at_once_leave_a_cache_that_is_right(
    factory: str, cache: Path
) -> None:
    words = ["3:int64", "4:int64", "3:float64"]
    orders = (words, words[::-1])
    for process in [start(factory, *order, cache=cache) for order in orders]:
        assert said(process)["right"]
    for order in orders:
        made(factory, *order, cache=cache)
    assert made(factory, *words, cache=cache) == 0


@pytest.mark.parametrize(("suffix", "damage"), [("nbc", "garbage"), ("nbi", "cut off")])
def test_a_damaged_cache_costs_a_compilation_and_nothing_else(
    suffix: str, damage: str, factory: str, cache: Path
) -> None:
    made(factory, "3:int64", cache=cache)
    files = list(cache.rglob(f"*.{suffix}"))
    assert files
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"?" * 500)
    assert made(factory, "3:int64", cache=cache) > 0


def test_a_change_of_any_kernel_source_compiles_anew(
    factory: str, cache: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    leave_out = shutil.ignore_patterns("__pycache__", "sample")
    shutil.copytree(PACKAGE, site / "minicnn", ignore=leave_out)
    assert made(factory, "3:int64", cache=cache, site=site) > 0
    with (site / "minicnn" / "kernels" / "planes.py").open("a") as file:
        file.write("\n# another comment\n")
    assert made(factory, "3:int64", cache=cache, site=site) > 0
    with (site / "minicnn" / "summary.py").open("a") as file:
        file.write("\n# a comment in no kernel\n")
    assert made(factory, "3:int64", cache=cache, site=site) == 0


STEP = """
import json
import numpy as np
import minicnn
from numba.core import event
from minicnn import Sequential, kernels, networks

with event.install_recorder("numba:compile") as compiled:
    model = Sequential(networks.course(), (28, 28, 1), seed=0)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    x = np.random.default_rng(0).random((64, 28, 28, 1), np.float32)
    loss = model.train_on_batch(x, np.eye(10)[np.arange(64) % 10])["loss"]
print(json.dumps({"compiled": len(compiled.buffer), "loss": loss, "file": minicnn.__file__}))
"""


def test_a_second_process_trains_the_course_network_without_compiling_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINICNN_BACKEND", "numba")
    first = said(start("-c", STEP))  # into the folder that all tests use: likely there already
    second = said(start("-c", STEP))
    assert second["compiled"] == 0
    assert second["loss"] == first["loss"]
