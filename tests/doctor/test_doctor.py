"""python -m minicnn.doctor: facts, remedies, exit codes; a failing probe costs only its section."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import minicnn
from minicnn import kernels
from minicnn.doctor import blas, facts
from minicnn.doctor import command as doctor
from minicnn.doctor.remedies import remedies
from minicnn.kernels import backend as backends

PACKAGE = Path(minicnn.__file__).parent

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="needs Numba")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings except a data folder; the chosen backend is restored."""
    before = backends._current
    for name in [name for name in os.environ if name.startswith((*facts.SETTINGS, "COLUMNS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "data"))
    yield
    backends._current = before


def healthy() -> dict[str, Any]:
    """The facts of a machine where nothing needs to change."""
    return {
        "backend": {
            "given": None,
            "numba_installed": True,
            "numba_error": None,
            "name": "numba",
        },
        "processor": {
            "name": "A processor",
            "system": "A system",
            "cores": 4,
            "usable": 4,
            "quota": None,
        },
        "threads": {"given": None, "count": 4},
        "vectors": {"given": None, "key": "avx512", "name": "AVX-512"},
        "kernel_cache": {"folder": "/cache", "why_not_writable": None},
        "blas": {
            "libraries": [{"library": "openblas", "version": "0.3.30", "architecture": "SkylakeX"}],
            "core_type": None,
            "taken_for_older": False,
        },
        "data_cache": {"folder": "/data", "why_not_writable": None},
        "extras": {"numba": "installed"},
        "versions": {"minicnn": "1", "numpy": "2", "numba": "0.60", "python": "3.12"},
        "settings": {},
        "measured": {"product_gflops": 300.0},
        "load": {"others": 0.0},
    }


def changed(**sections: Any) -> dict[str, Any]:
    """Healthy facts with changes; {"error": …} and None replace a whole section."""
    found = healthy()
    for name, change in sections.items():
        replaces = change is None or "error" in change
        found[name] = change if replaces else found[name] | change
    return found


def printed(found: dict[str, Any], width: int = 100) -> str:
    file = io.StringIO()
    doctor.show(found, remedies(found), Console(file=file, width=width))
    return file.getvalue()


def in_process(
    *options: str, folder: Path = PACKAGE.parent, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in its own process, with the minicnn in `folder`; warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "minicnn.doctor", *options],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


# ---- remedies ----


def test_nothing_to_change() -> None:
    assert remedies(healthy()) == []
    assert printed(healthy()).endswith("Nothing to change.\n")


@pytest.mark.parametrize(
    ("change", "words", "broken"),
    [
        (
            {"backend": {"numba_installed": False, "name": "numpy"}, "vectors": None},
            r'^install Numba.*pip install "minicnn\[numba\]"$',
            False,
        ),
        ({"backend": {"numba_error": "no such NumPy"}}, r"\(no such NumPy\): pip install -", True),
        (
            {"backend": {"numba_error": "no _cache"}, "settings": {"NUMBA_DISABLE_JIT": "1"}},
            "^unset NUMBA_DISABLE_JIT",
            True,
        ),
        ({"backend": {"given": "numpy", "name": "numpy"}}, "^unset MINICNN_BACKEND", False),
        (
            {"threads": {"error": "expected x"}, "settings": {"MINICNN_THREADS": "x"}},
            "^correct MINICNN_THREADS: expected x",
            True,
        ),
        ({"threads": {"given": "2", "count": 2}}, r"^unset MINICNN_THREADS \(2\): 4 cores", False),
        ({"threads": {"given": "9", "count": 9}}, "^set MINICNN_THREADS=4: 9 threads", False),
        ({"processor": {"quota": 2.5}}, "^set MINICNN_THREADS=2: .* 2 cores' time", False),
        ({"processor": {"quota": 0.5}}, "^set MINICNN_THREADS=1", False),
        (
            {"kernel_cache": {"folder": None, "why_not_writable": "no place"}},
            r"NUMBA_CACHE_DIR.*every start compiles.*\(no place\)",
            True,
        ),
        ({"data_cache": {"why_not_writable": "full"}}, r"MINICNN_DATA.*\(full\)", True),
        (
            {"blas": {"taken_for_older": True}},
            r"^set OPENBLAS_CORETYPE=SkylakeX: .*only the NumPy backend",
            False,
        ),
        (
            {"blas": {"taken_for_older": True, "core_type": "Haswell"}},
            r"^unset OPENBLAS_CORETYPE \(Haswell\)",
            False,
        ),
        ({"load": {"others": 1.5}}, "use 1.5 cores; the measurements", False),
    ],
)
def test_each_problem_has_its_remedy(change: dict[str, Any], words: str, broken: bool) -> None:
    found = changed(**change)
    (remedy,) = remedies(found)
    assert re.search(words, remedy.text)
    assert remedy.broken == broken
    text = printed(found)
    assert ("1. Broken: " in text) == broken
    assert [line for line in text.splitlines() if line.startswith("! ")]


@pytest.mark.parametrize(
    "change",
    [
        {"processor": {"quota": 4.0}},
        {"load": {"others": 0.1}},
        {"load": {"others": None}},
    ],
)
def test_no_remedy_without_a_problem(change: dict[str, Any]) -> None:
    assert remedies(changed(**change)) == []


def test_broken_things_come_first_then_the_largest_gain() -> None:
    found = changed(
        backend={"numba_installed": False, "name": "numpy"},
        blas={"taken_for_older": True},
        load={"others": 1.0},
        data_cache={"why_not_writable": "full"},
    )
    order = [remedy.about for remedy in remedies(found)]
    assert order == ["data_cache", "backend", "blas", "load"]


# ---- failing probes ----


PROBES = [
    *[(facts, name) for name in ("processor", "backend", "extras", "kernel_cache", "vectors")],
    *[(facts, name) for name in ("data_folder", "_run_kernel")],
    *[(blas, name) for name in ("libraries", "product_flops", "is_taken_for_older")],
    (facts.machine, "describe"),
]


@pytest.mark.parametrize(("module", "name"), PROBES)
def test_a_probe_that_raises_is_reported(
    module: Any,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError("no idea")

    monkeypatch.setattr(facts, "_run_kernel", dict)
    monkeypatch.setattr(blas, "product_flops", lambda seconds: 1e9)
    monkeypatch.setattr(module, name, fail)
    assert doctor.main([]) in (0, 1)
    out = capsys.readouterr().out
    if find_spec("numba") or name not in ("vectors", "kernel_cache", "_run_kernel"):
        assert "LookupError: no idea" in " ".join(out.split())
    assert all(section.replace("_", " ") in out for section in healthy())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("expected a\nand more"), "expected a"),
        (KeyError("a"), "KeyError: 'a'"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_is_its_first_line_with_its_kind_if_needed(error: Exception, words: str) -> None:
    def fail() -> None:
        raise error

    assert facts.guarded(fail) == {"error": words}


# ---- backends ----


def test_without_numba_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    monkeypatch.setattr(backends, "_loaded", {})
    monkeypatch.setattr(blas, "product_flops", lambda seconds: 5e9)
    assert doctor.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backend"]["name"] == "numpy"
    assert found["vectors"] is None
    assert found["kernel_cache"] is None
    assert found["measured"]["product_gflops"] == 5.0
    assert 'pip install "minicnn[numba]"' in found["to_go_faster"][0]["text"]
    assert found["exit_code"] == 0


def test_a_numba_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text('raise ImportError("Numba is too old")')
    done = in_process("--no-measure", "--json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["backend"]["name"] == "numpy"
    assert found["backend"]["numba_error"] == "Numba is too old"
    assert found["to_go_faster"][0]["broken"]


def test_the_backend_is_the_default_and_the_current_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kernels.use_backend("reference"):
        monkeypatch.setenv("MINICNN_BACKEND", "numpy")
        assert facts.backend()["name"] == "numpy"
        assert kernels.current_backend() == "reference"


def test_invalid_settings_are_broken() -> None:
    variables = ["MINICNN_BACKEND", "MINICNN_THREADS", *["MINICNN_SIMD"] * bool(find_spec("numba"))]
    done = in_process("--no-measure", **dict.fromkeys(variables, "many"))
    assert done.returncode == 1, done.stderr
    for variable in variables:
        assert f"Broken: correct {variable}: expected" in done.stdout


# ---- caches and extras ----


@needs_numba
def test_kernels_without_a_cache_are_broken(tmp_path: Path) -> None:
    leave_out = shutil.ignore_patterns("__pycache__", "sample")
    shutil.copytree(PACKAGE, tmp_path / "site" / "minicnn", ignore=leave_out)
    for folder in (tmp_path / "site" / "minicnn" / "kernels").glob("**/"):
        (folder / "__pycache__").write_text("not a folder")
    block = str(tmp_path / "site" / "minicnn" / "py.typed")
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), block)
    done = in_process(
        "--no-measure",
        folder=tmp_path / "site",
        PYTHONPATH=str(tmp_path / "site"),
        PYTHONDONTWRITEBYTECODE="1",
        **homes,
    )
    assert done.returncode == 1, done.stderr
    assert "Broken: set NUMBA_CACHE_DIR to a writable folder" in done.stdout


def test_folders_are_tested_by_writing(tmp_path: Path) -> None:
    block = tmp_path / "a file"
    block.write_text("")
    assert facts.why_not_writable(tmp_path) is None
    assert facts.why_not_writable(tmp_path / "new" / "folder") is None
    assert facts.why_not_writable(block / "below") == f"{block} is not a folder"
    assert os.listdir(tmp_path) == ["a file"]


def test_extras_are_read_from_the_installed_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [
        "numpy>=1.26",
        "numba>=0.59; extra == 'numba'",
        'onnx ; python_version >= "3.8" and extra == "onnx"',
        "minicnn[numba]; extra == 'dev'",
        "pytest>=8; extra == 'dev'",
        "numba>=0.59; extra == 'all'",
    ]
    monkeypatch.setattr(facts.metadata, "requires", lambda name: needs)
    monkeypatch.setattr(facts.machine, "version_of", {"pytest": "8", "numba": "1"}.get)
    missing = 'missing: pip install "minicnn[onnx]"'
    assert facts.extras() == {"dev": "installed", "numba": "installed", "onnx": missing}


# ---- BLAS ----


@pytest.mark.parametrize(
    ("library", "architecture", "wide", "older"),
    [
        ("openblas", "Haswell", True, True),
        ("openblas", "SkylakeX", True, False),
        ("openblas", "Haswell", False, False),
        ("mkl", None, True, False),
    ],
)
def test_openblas_without_avx512_on_a_processor_with_it(
    library: str, architecture: str | None, wide: bool, older: bool
) -> None:
    features = frozenset(blas.WIDE_NEEDS if wide else {"avx2", "fma"})
    found = [{"library": library, "architecture": architecture}]
    assert blas.is_taken_for_older(found, features) == older


def test_blas_without_threadpoolctl_has_the_name_from_numpys_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blas, "threadpool_info", list)
    (found,) = blas.libraries()
    assert found["library"]
    assert found["architecture"] is None


# ---- output ----


@pytest.mark.parametrize("width", [60, 200])
def test_the_output_is_plain_text_within_the_width(width: int) -> None:
    found = changed(
        kernel_cache={"folder": "/a/long/path" * 20},
        settings={"MINICNN_X": "[bold]brackets[/] are not markup"},
    )
    text = printed(found, width)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "[bold]brackets[/]" in text


def test_json_has_all_facts(capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.main(["--json", "--no-measure"])
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"to_go_faster", "exit_code", *healthy()}
    assert found["exit_code"] == code
    assert found["measured"] is None
    for section, made in healthy().items():
        if found[section] and section not in ("versions", "settings", "extras"):
            assert set(found[section]) == set(made), section


def test_the_command_measures_and_prints() -> None:
    done = in_process()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "product gflops" in done.stdout
