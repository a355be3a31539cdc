"""The kernel cache on disk: entries are identified by content, across processes."""

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
found = {"right": bool(right), "compiled": len(compiled.buffer), "file": minicnn.__file__}
print(json.dumps(found))
"""


def start(
    *arguments: str, cache: Path | None = None, site: Path = PACKAGE.parent
) -> subprocess.Popen[str]:
    """A Python process that imports the package from `site`."""
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


def output_of(process: subprocess.Popen[str], site: Path = PACKAGE.parent) -> dict[str, Any]:
    """Its output, as JSON."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    found: dict[str, Any] = json.loads(out)
    assert Path(found["file"]).parent == site / "minicnn"
    return found


@pytest.fixture
def factory(tmp_path: Path) -> str:
    """FACTORY as a file, because Numba only caches code from files."""
    file = tmp_path / "factory.py"
    file.write_text(FACTORY)
    return str(file)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path / "cache"


def compiled_by(factory: str, *words: str, cache: Path, site: Path = PACKAGE.parent) -> int:
    """How many functions a process compiles; checks the kernels' results."""
    found = output_of(start(factory, *words, cache=cache, site=site), site)
    assert found["right"]
    return int(found["compiled"])


def test_kernels_of_one_factory_from_several_processes_work_together(
    factory: str, cache: Path
) -> None:
    """Numba numbers functions per process; two kernels must not get the same symbol."""
    words = ["3:int64", "4:int64"]
    for word in words:
        assert compiled_by(factory, word, cache=cache) >= 2
    assert compiled_by(factory, *words, cache=cache) == 0
    assert compiled_by(factory, *words[::-1], cache=cache) == 0


@pytest.mark.exhaustive
def test_processes_that_compile_at_the_same_time_leave_a_valid_cache(
    factory: str, cache: Path
) -> None:
    words = ["3:int64", "4:int64", "3:float64"]
    orders = (words, words[::-1])
    for process in [start(factory, *order, cache=cache) for order in orders]:
        assert output_of(process)["right"]
    for order in orders:
        compiled_by(factory, *order, cache=cache)
    assert compiled_by(factory, *words, cache=cache) == 0


def test_a_damaged_cache_only_costs_a_compilation(factory: str, cache: Path) -> None:
    assert compiled_by(factory, "3:int64", cache=cache) > 0
    for file in cache.rglob("*.nbc"):
        file.write_bytes(b"?" * 500)
    assert compiled_by(factory, "3:int64", cache=cache) > 0
    for file in cache.rglob("*.nbi"):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    assert compiled_by(factory, "3:int64", cache=cache) > 0


def test_a_change_of_any_kernel_source_recompiles(
    factory: str, cache: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    leave_out = shutil.ignore_patterns("__pycache__", "sample")
    shutil.copytree(PACKAGE, site / "minicnn", ignore=leave_out)
    assert compiled_by(factory, "3:int64", cache=cache, site=site) > 0
    with (site / "minicnn" / "kernels" / "engine" / "planes.py").open("a") as file:
        file.write("\n# another comment\n")
    assert compiled_by(factory, "3:int64", cache=cache, site=site) > 0
    with (site / "minicnn" / "summary.py").open("a") as file:
        file.write("\n# a comment outside of the kernels\n")
    assert compiled_by(factory, "3:int64", cache=cache, site=site) == 0


STEP = """
import json
import numpy as np
import minicnn
from numba.core import event
from minicnn import Sequential, architectures

with event.install_recorder("numba:compile") as compiled:
    model = Sequential(architectures.course(), (28, 28, 1), seed=0)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    x = np.random.default_rng(0).random((64, 28, 28, 1), np.float32)
    loss = model.train_on_batch(x, np.eye(10)[np.arange(64) % 10])["loss"]
print(json.dumps({"compiled": len(compiled.buffer), "loss": loss, "file": minicnn.__file__}))
"""


def test_a_second_process_trains_the_course_network_without_compiling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINICNN_BACKEND", "numba")
    first = output_of(start("-c", STEP))  # into the cache folder of all tests
    second = output_of(start("-c", STEP))
    assert second["compiled"] == 0
    assert second["loss"] == first["loss"]
