"""Kernels are compiled once, then loaded from disk; without a writable folder they still work."""

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
REPORT = """
import json, sys
import numpy as np
import minicnn
from minicnn import kernels
from minicnn.kernels import numba_kernels

x = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2)
with kernels.use_backend("numba"):
    pooled = kernels.max_pool2d(x)[0]
    y = kernels.conv2d(x, np.ones((3, 3, 2, 1), np.float32))
stats = [f.stats for f in (numba_kernels.max_pool2d, numba_kernels.im2col)]
print(json.dumps({
    "hits": sum(sum(s.cache_hits.values()) for s in stats),
    "misses": sum(sum(s.cache_misses.values()) for s in stats),
    "compiled": len(numba_kernels.max_pool2d.signatures) + len(numba_kernels.im2col.signatures),
    "pooled": pooled.ravel().tolist(),
    "y": y.ravel().tolist(),
    "file": minicnn.__file__,
}))
"""
FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # files are created, but stay empty
"""
POOLED = [10, 11, 14, 15, 26, 27, 30, 31]
Y = [189, 225, 333, 369]  # 18 pixels around 10.5, 12.5, 18.5, 20.5


def report(folder: Path, before: str = "", **environment: str) -> dict[str, Any]:
    """Run two kernels of the package in `folder`, in a process; return its report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", before + REPORT],
        env=kept | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert Path(found["file"]).parent == folder / "minicnn"
    assert found["pooled"] == POOLED
    assert found["y"] == Y
    return found


def test_a_second_process_starts_without_compiling(tmp_path: Path) -> None:
    first = report(PACKAGE.parent, NUMBA_CACHE_DIR=str(tmp_path))
    assert (first["hits"], first["misses"]) == (0, 2)
    second = report(PACKAGE.parent, NUMBA_CACHE_DIR=str(tmp_path))
    assert (second["hits"], second["misses"]) == (2, 0)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of a copy of the package."""
    leave_out = shutil.ignore_patterns("__pycache__", "sample")
    shutil.copytree(PACKAGE, tmp_path / "site" / "minicnn", ignore=leave_out)
    return tmp_path / "site"


def nowhere(folder: Path) -> dict[str, str]:
    """An environment whose cache folders are files, so that not even root can write to them."""
    block = folder / "a file"
    block.write_text("not a folder")
    return {
        "HOME": str(block),
        "XDG_CACHE_HOME": str(block),
        "LOCALAPPDATA": str(block),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.mark.parametrize(
    "numba_cache_dir", [pytest.param("unset", marks=pytest.mark.exhaustive), "a file"]
)
def test_without_a_writable_cache_folder_the_kernels_compile_and_work(
    tmp_path: Path, package: Path, numba_cache_dir: str
) -> None:
    environment = nowhere(tmp_path)
    (package / "minicnn" / "kernels" / "__pycache__").write_text("not a folder")
    if numba_cache_dir == "a file":
        environment["NUMBA_CACHE_DIR"] = environment["HOME"]
    found = report(package, **environment)
    assert (found["hits"], found["compiled"]) == (0, 2)
    assert list(tmp_path.rglob("*.nb?")) == []


@pytest.mark.exhaustive
def test_a_read_only_package_caches_in_the_users_folder(tmp_path: Path, package: Path) -> None:
    (package / "minicnn" / "kernels" / "__pycache__").write_text("not a folder")
    users = tmp_path / "home"
    users.mkdir()
    environment = {"HOME": str(users), "XDG_CACHE_HOME": str(users), "LOCALAPPDATA": str(users)}
    for hits, misses in ((0, 2), (2, 0)):
        found = report(package, PYTHONDONTWRITEBYTECODE="1", **environment)
        assert (found["hits"], found["misses"]) == (hits, misses)


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_kernels_run_with_a_cache_folder_on_a_full_disk(tmp_path: Path) -> None:
    found = report(
        PACKAGE.parent,
        before=FULL_DISK,
        NUMBA_CACHE_DIR=str(tmp_path),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert found["compiled"] == 2
