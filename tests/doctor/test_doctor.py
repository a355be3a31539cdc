"""python -m minicnn.doctor: what it finds, what it advises, and that nothing makes it crash."""

from __future__ import annotations

import copy
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

import minicnn
from minicnn import kernels
from minicnn.doctor import blas, caches, diagnosis, findings
from minicnn.doctor import command as doctor
from minicnn.doctor.remedies import fact, remedies
from minicnn.kernels import backend as choice

PACKAGE = Path(minicnn.__file__).parent
VARIABLES = (*diagnosis.SETTINGS, "COLUMNS")

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="needs Numba")
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="a program as POSIX has it")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings but a data folder of its own; what was chosen comes back."""
    before = choice._current
    for name in [name for name in os.environ if name.startswith(VARIABLES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "data"))
    yield
    choice._current = before


@pytest.fixture
def no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place where Numba is not installed."""
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(choice, "_loaded", {})


def healthy() -> dict[str, Any]:
    """Facts of a machine where there is nothing to do."""
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
            "widest": "avx512",
        },
        "threads": {"given": None, "count": 4},
        "vectors": {"given": None, "key": "avx512", "name": "AVX-512", "bits": 512},
        "kernel_cache": {
            "given": None,
            "folder": "/cache",
            "why_not": None,
            "writable": True,
            "files": 20,
            "mib": 1.5,
            "kernels": 10,
            "older_than_sources": 0,
        },
        "blas": {
            "libraries": [
                {
                    "library": "openblas",
                    "version": "0.3.30",
                    "architecture": "SkylakeX",
                    "threads": 4,
                    "threading": "pthreads",
                }
            ],
            "core_type": None,
        },
        "data_cache": {
            "given": None,
            "folder": "/data",
            "exists": True,
            "writable": True,
            "why_not": None,
            "files": 2,
            "mib": 11.0,
        },
        "extras": {
            "list": [
                {
                    "name": "numba",
                    "needs": ["numba"],
                    "missing": [],
                    "purpose": None,
                    "command": 'pip install "minicnn[numba]"',
                }
            ]
        },
        "versions": {"minicnn": "1", "numpy": "2", "numba": "0.60", "python": "3.12"},
        "settings": {},
        "measured": {
            "gflops": 400.0,
            "gbytes": 40.0,
            "product_gflops": 300.0,
            "core_types": None,
        },
        "load": {"average": 0.1, "others": 0.0},
    }


def changed(**sections: Any) -> dict[str, Any]:
    """Healthy facts with some of them changed; a section that is no dict takes its place."""
    facts = healthy()
    for name, change in sections.items():
        if isinstance(change, dict) and "error" not in change and facts[name] is not None:
            facts[name] |= change
        else:
            facts[name] = change
    return facts


def printed(facts: dict[str, Any]) -> str:
    file = io.StringIO()
    doctor.show(facts, remedies(facts), file)
    return file.getvalue()


def in_process(
    *options: str, folder: Path = PACKAGE.parent, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with the minicnn in `folder`; warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "minicnn.doctor", *options],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


# ---- what it says to do ----


def test_a_healthy_machine_has_nothing_to_do() -> None:
    assert remedies(healthy()) == []
    assert printed(healthy()).endswith("Nothing to do: minicnn is as fast as it gets here.\n")


def test_what_was_not_measured_is_not_promised() -> None:
    text = printed(changed(measured=None))
    assert "nothing (--no-measure)" in text
    assert text.endswith("Nothing to do, as far as can be told without measuring.\n")


COMPARED = [
    {"core_type": None, "architecture": "Haswell", "gflops": 60.0, "gain": 1.0},
    {"core_type": "SkylakeX", "architecture": "SkylakeX", "gflops": 108.0, "gain": 1.8},
]


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
        ({"measured": {"gflops": {"error": "LLVM"}}}, r"could not be compiled .*\(LLVM\)", True),
        ({"backend": {"given": "numpy", "name": "numpy"}}, "^unset MINICNN_BACKEND", False),
        (
            {"threads": {"error": "expected x"}, "settings": {"MINICNN_THREADS": "x"}},
            "^correct MINICNN_THREADS: expected x",
            True,
        ),
        ({"vectors": {"given": "avx2", "key": "avx2"}}, "^unset MINICNN_SIMD.*narrower", False),
        (
            {"vectors": {"given": "avx512"}, "processor": {"widest": "avx2"}},
            "^unset MINICNN_SIMD.*wider",
            False,
        ),
        ({"threads": {"given": "2", "count": 2}}, r"^unset MINICNN_THREADS \(2\): 4 cores", False),
        ({"threads": {"given": "9", "count": 9}}, "^set MINICNN_THREADS=4: 9 threads", False),
        ({"processor": {"quota": 2.5}}, "^set MINICNN_THREADS=2: .* 2 of 4 cores' time", False),
        ({"processor": {"quota": 0.5}}, "^set MINICNN_THREADS=1", False),
        ({"settings": {"NUMBA_OPT": "0"}}, "^unset NUMBA_OPT", False),
        ({"settings": {"NUMBA_CPU_NAME": "generic"}}, "^unset NUMBA_CPU_NAME", False),
        (
            {"kernel_cache": {"writable": False, "folder": None, "why_not": "no place"}},
            r"every start compiles.*NUMBA_CACHE_DIR=FOLDER.*\(no place\)",
            True,
        ),
        ({"data_cache": {"writable": False, "why_not": "full"}}, "MINICNN_DATA=.*full", True),
        (
            {"measured": {"core_types": COMPARED}},
            "^set OPENBLAS_CORETYPE=SkylakeX: .* for a Haswell; .* 1.8 times .*60 → 108 GFLOP/s"
            ".*only the NumPy backend",
            False,
        ),
        ({"load": {"others": 1.5}}, "keep 1.5 cores busy; what was measured", False),
    ],
)
def test_each_fault_has_its_remedy(change: dict[str, Any], words: str, broken: bool) -> None:
    facts = changed(**change)
    (remedy,) = remedies(facts)
    assert re.search(words, remedy.text)
    assert remedy.broken == broken
    text = printed(facts)
    assert "To go faster:\n1. " in text
    assert ("1. Broken: " in text) == broken
    marked = [line for line in text.splitlines() if line.startswith("! ")]
    assert marked  # the line that the remedy is about


@pytest.mark.parametrize(
    "change",
    [
        {"processor": {"quota": 4.0}},
        {"processor": {"quota": 8.0}},
        {"processor": {"widest": None}, "vectors": {"given": "avx2"}},
        {"vectors": {"given": "avx512"}},
        {"load": {"others": 0.1}},
        {"load": {"others": None, "average": None}},
        {"settings": {"NUMBA_OPT": "3"}},
        {"measured": {"core_types": {"error": "it ended"}}},
        {"measured": {"core_types": [COMPARED[0], COMPARED[1] | {"gain": 1.05}]}},
        {"data_cache": {"exists": False, "files": 0, "mib": 0.0}},
    ],
)
def test_what_is_no_fault_is_left_alone(change: dict[str, Any]) -> None:
    assert remedies(changed(**change)) == []


def test_where_a_setting_is_to_blame_it_is_unset_rather_than_replaced() -> None:
    compared = [
        {"core_type": "Haswell", "architecture": "Haswell", "gflops": 60.0, "gain": 1.0},
        {"core_type": None, "architecture": "SkylakeX", "gflops": 106.0, "gain": 1.77},
        {"core_type": "SkylakeX", "architecture": "SkylakeX", "gflops": 108.0, "gain": 1.8},
    ]
    (remedy,) = remedies(changed(measured={"core_types": compared}))
    assert remedy.text.startswith("unset OPENBLAS_CORETYPE (now Haswell): ")
    compared[1] |= {"architecture": "Haswell", "gain": 1.0}
    (remedy,) = remedies(changed(measured={"core_types": compared}))
    assert remedy.text.startswith("set OPENBLAS_CORETYPE=SkylakeX (now Haswell): ")


def test_what_is_broken_comes_first_then_what_is_worth_most() -> None:
    facts = changed(
        backend={"numba_installed": False, "name": "numpy"},
        measured={"core_types": COMPARED},
        load={"others": 1.0},
        data_cache={"writable": False},
    )
    found = remedies(facts)
    assert [remedy.about for remedy in found] == ["data_cache", "backend", "blas", "load"]
    facts["backend"] |= {"numba_installed": True, "name": "numba"}  # which hardly calls BLAS
    assert [remedy.about for remedy in remedies(facts)] == ["data_cache", "load", "blas"]


# ---- whatever fails, the rest is told ----


@pytest.mark.parametrize("section", healthy())
def test_a_section_that_failed_says_why_and_leaves_the_others_whole(section: str) -> None:
    facts = changed(**{section: {"error": "the reason"}})
    facts["measured"] = facts["measured"] if section != "measured" else {"error": "the reason"}
    text = printed(facts)
    assert "the reason" in text
    for heading, rows in findings.groups(healthy()):
        assert heading in text
        assert all(row.name in text for row in rows if row.section not in (section, "vectors"))
    assert fact(facts, section, "whatever") is None


@pytest.mark.parametrize("section", healthy())
def test_a_section_without_the_facts_that_are_looked_for_costs_only_its_own_lines(
    section: str,
) -> None:
    facts = healthy()
    facts[section] = {}
    assert "Software" in printed(facts)


PROBES = [
    *[(diagnosis, name) for name in ("processor", "threads", "backend", "extras", "settings")],
    *[(diagnosis, name) for name in ("load", "_peak_gflops", "_triad_gbytes", "vectors")],
    *[(caches, name) for name in ("kernel_cache", "data_cache")],
    *[(blas, name) for name in ("libraries", "product_flops", "is_taken_for_older")],
    (diagnosis.machine, "describe"),
]
OF_NUMBA = ("vectors", "kernel_cache", "_peak_gflops", "_triad_gbytes")


@pytest.mark.parametrize(("module", "name"), PROBES)
def test_a_probe_that_raises_is_reported(
    module: Any,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError("nobody knows")

    for measuring in ("_peak_gflops", "_triad_gbytes", "_addition_gbytes"):
        monkeypatch.setattr(diagnosis, measuring, lambda: 1.0)
    monkeypatch.setattr(blas, "product_flops", lambda: 1e9)
    monkeypatch.setattr(blas, "compare_core_types", lambda: None)
    monkeypatch.setattr(module, name, fail)
    assert doctor.main([]) in (0, 1)
    out = capsys.readouterr().out
    if find_spec("numba") or name not in OF_NUMBA:
        assert "LookupError: nobody knows" in " ".join(out.split())
    for heading, _ in findings.groups(healthy()):
        assert heading in out


def test_errors_are_told_by_what_they_say_and_where_needed_by_kind() -> None:
    assert diagnosis.describe(ValueError("expected a\nand more")) == "expected a"
    assert diagnosis.describe(KeyError("a")) == "KeyError: 'a'"
    assert diagnosis.describe(MemoryError()) == "MemoryError"


# ---- backends ----


def facts_of(name: str) -> dict[str, Any]:
    return diagnosis.diagnose(measure=False)[name]


def test_without_numba_it_says_how_to_get_it_and_measures_what_can_be(
    no_numba: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(diagnosis, "SECONDS", 0.0)
    monkeypatch.setattr(diagnosis, "NUMBERS", 1 << 16)
    monkeypatch.setattr(blas, "product_flops", lambda: 5e9)
    monkeypatch.setattr(blas, "compare_core_types", lambda: None)
    assert doctor.main(["--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["backend"]["name"] == "numpy"
    assert said["vectors"] is None
    assert said["kernel_cache"] is None
    assert said["measured"]["gflops"] is None
    assert said["measured"]["gbytes"] > 0
    assert said["measured"]["product_gflops"] == 5.0
    assert 'pip install "minicnn[numba]"' in said["to_go_faster"][0]["text"]
    assert said["exit_code"] == 0


@pytest.mark.parametrize("kind", [ImportError, AttributeError, SystemError])
def test_a_numba_whose_kernels_cannot_be_imported_is_broken(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise kind("needs another NumPy")

    monkeypatch.setattr(choice, "find_spec", lambda name: True)
    monkeypatch.setattr(choice, "module", lambda name: None)
    monkeypatch.setattr(choice, "engine", fail)
    assert doctor.main(["--no-measure"]) == 1
    out = capsys.readouterr().out
    assert "is installed but does not work" in out
    assert "1. Broken: repair Numba" in out
    assert "needs another NumPy" in " ".join(out.split())


def test_a_broken_numba_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text('raise ImportError("Numba is too old")')
    done = in_process("--no-measure", "--json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["backend"]["name"] == "numpy"
    assert said["backend"]["numba_error"] == "Numba is too old"
    assert said["to_go_faster"][0]["broken"]


@needs_numba
def test_numba_that_works_says_so() -> None:
    found = facts_of("backend")
    assert found == {
        "given": None,
        "numba_installed": True,
        "numba_error": None,
        "name": "numba",
    }


def test_the_backend_is_that_of_a_new_process_and_that_of_this_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kernels.use_backend("reference"):
        monkeypatch.setenv("MINICNN_BACKEND", "numpy")
        assert facts_of("backend")["name"] == "numpy"
        assert kernels.current_backend() == "reference"


@pytest.mark.parametrize(
    ("variable", "needs"),
    [
        ("MINICNN_BACKEND", None),
        ("MINICNN_THREADS", None),
        pytest.param("MINICNN_SIMD", "numba", marks=needs_numba),
    ],
)
def test_a_setting_that_nobody_understands_is_broken(variable: str, needs: str | None) -> None:
    done = in_process("--no-measure", **{variable: "many"})
    assert done.returncode == 1, done.stderr
    assert f"1. Broken: correct {variable}: expected" in done.stdout


@needs_numba
def test_numba_told_not_to_compile_is_named() -> None:
    done = in_process("--no-measure", NUMBA_DISABLE_JIT="1")
    assert done.returncode == 1, done.stderr
    assert "1. Broken: unset NUMBA_DISABLE_JIT" in done.stdout


def test_the_widest_vectors_are_those_that_the_kernels_would_take() -> None:
    assert diagnosis.widest(frozenset({"avx512f", "avx512vl", "avx2", "fma"}), "") == "avx512"
    assert diagnosis.widest(frozenset({"avx512f", "avx2", "fma"}), "x86_64") == "avx2"
    assert diagnosis.widest(frozenset({"sse2"}), "x86_64") == "128"
    assert diagnosis.widest(frozenset({"asimd"}), "aarch64") == "neon"
    assert diagnosis.widest(frozenset(), "arm64") == "neon"
    assert diagnosis.widest(frozenset(), "x86_64") is None


@needs_numba
def test_the_rule_for_the_widest_vectors_is_that_of_the_kernels() -> None:
    facts = diagnosis.diagnose(measure=False)
    if facts["processor"]["widest"]:
        assert facts["processor"]["widest"] == facts["vectors"]["key"]


# ---- caches ----


@needs_numba
def test_the_kernel_cache_is_where_numba_puts_it(tmp_path: Path) -> None:
    cache = tmp_path / "kernels"
    for state in ("cold (empty)", "warm: "):
        done = in_process("--no-measure", NUMBA_CACHE_DIR=str(cache))
        assert done.returncode == 0, done.stderr
        assert str(cache) in "".join(done.stdout.split())
        assert state in done.stdout
        (folder,) = cache.iterdir()
        for name in ("a.nbi", "a.1.nbc"):
            (folder / name).write_bytes(bytes(1000))


@needs_numba
def test_a_cache_folder_that_cannot_be_written_is_named_with_what_took_its_place(
    tmp_path: Path,
) -> None:
    block = tmp_path / "a file"
    block.write_text("not a folder")
    done = in_process("--no-measure", NUMBA_CACHE_DIR=str(block))
    assert done.returncode == 0, done.stderr
    assert "not in NUMBA_CACHE_DIR=" in " ".join(done.stdout.split())  # a long path wraps it


@needs_numba
def test_where_no_kernel_can_be_kept_that_is_broken(tmp_path: Path) -> None:
    leave_out = shutil.ignore_patterns("__pycache__", "sample")
    shutil.copytree(PACKAGE, tmp_path / "site" / "minicnn", ignore=leave_out)
    (tmp_path / "site" / "minicnn" / "kernels" / "__pycache__").write_text("not a folder")
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
    assert "! kernels     nowhere: neither beside the sources nor" in done.stdout
    assert "1. Broken: give compiled kernels a place" in done.stdout


def test_a_numba_that_does_not_tell_its_cache_leaves_it_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sharing = pytest.importorskip(
        "minicnn.kernels.engine.threads.work_sharing", exc_type=ImportError
    )
    monkeypatch.setattr(sharing, "help_until_idle", lambda: None)
    found = facts_of("kernel_cache")
    assert found["folder"] is None
    assert found["writable"] is None
    assert remedies(changed(kernel_cache=found)) == []
    assert "does not tell" in printed(changed(kernel_cache=found))


def test_folders_are_tried_by_writing(tmp_path: Path) -> None:
    block = tmp_path / "a file"
    block.write_text("")
    assert caches.why_not_writable(tmp_path) is None
    assert caches.why_not_writable(tmp_path / "new" / "folder") is None
    assert not (tmp_path / "new").exists()
    assert caches.why_not_writable(block) == f"{block} is no folder"
    assert caches.why_not_writable(block / "below") is not None
    assert os.listdir(tmp_path) == ["a file"]


def test_the_data_cache_is_counted(tmp_path: Path) -> None:
    assert facts_of("data_cache")["exists"] is False
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "x.npy").write_bytes(bytes(1 << 20))
    found = facts_of("data_cache")
    assert (found["exists"], found["files"], found["mib"]) == (True, 1, 1.0)
    assert found["writable"]


# ---- extras ----


def test_extras_are_read_from_the_installed_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [
        "numpy>=1.26",
        "numba>=0.59; extra == 'numba'",
        'onnx ; python_version >= "3.8" and extra == "onnx"',
        "minicnn[numba]; extra == 'dev'",
        "pytest>=8; extra == 'dev'",
        "numba>=0.59; extra == 'all'",
    ]
    monkeypatch.setattr(diagnosis.metadata, "requires", lambda name: needs)
    monkeypatch.setattr(diagnosis, "is_installed", lambda name: name != "onnx")
    found = {extra["name"]: extra for extra in diagnosis.extras()}
    assert list(found) == ["dev", "numba", "onnx", *diagnosis.BESIDE]
    assert found["onnx"]["missing"] == ["onnx"]
    assert found["onnx"]["command"] == 'pip install "minicnn[onnx]"'
    assert found["numba"]["missing"] == found["dev"]["missing"] == []
    text = printed(changed(extras={"list": list(found.values())}))
    assert 'missing: pip install "minicnn[onnx]"' in text


def test_a_bare_checkout_knows_numbas_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise diagnosis.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(diagnosis.metadata, "requires", absent)
    assert diagnosis.extras()[0]["name"] == "numba"


# ---- BLAS ----


@pytest.mark.parametrize(
    ("library", "architecture", "wide", "older"),
    [
        ("openblas", "Haswell", True, True),
        ("openblas", "Zen", True, True),
        ("openblas", "SkylakeX", True, False),
        ("openblas", "Cooperlake", True, False),
        ("openblas", "Haswell", False, False),
        ("mkl", None, True, False),
    ],
)
def test_openblas_without_avx512_on_a_processor_with_it_is_noticed(
    library: str, architecture: str | None, wide: bool, older: bool
) -> None:
    features = frozenset(blas.WIDE_NEEDS if wide else {"avx2", "fma"})
    found = [{"library": library, "architecture": architecture}]
    assert blas.is_taken_for_older(found, features) == older


def test_blas_that_cannot_be_asked_has_numpys_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "threadpool_info", list)
    (found,) = blas.libraries()
    assert found["library"]
    assert found["architecture"] is None
    assert "BLAS" in printed(changed(blas={"libraries": [found]}))


def test_core_types_are_compared_in_processes_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blas, "TURNS", 2)
    monkeypatch.setattr(blas, "WIDE", "Haswell")  # which runs on most processors
    if not {"avx2", "fma"} <= diagnosis.machine.cpu_features():
        pytest.skip("needs AVX2")
    present, other = blas.compare_core_types()
    assert (present["core_type"], present["gain"]) == (None, 1.0)
    assert other["core_type"] == "Haswell"
    assert min(present["gflops"], other["gflops"]) > 0
    if blas.libraries()[0]["library"] == "openblas":
        assert other["architecture"] == "Haswell"


@needs_posix
@pytest.mark.parametrize(
    ("program", "code"), [("exit 3", "exit code 3"), ("exec sleep 60", "exit code -9")]
)
def test_a_child_that_ends_or_hangs_is_an_error_that_says_so(
    program: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(blas, "PATIENCE", 0.5)
    with pytest.raises(RuntimeError, match=code):
        blas.compare_core_types()


# ---- how it looks ----


@pytest.mark.parametrize("columns", ["60", "200", None])
def test_piped_it_is_plain_text_within_the_width(
    columns: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    facts = changed(
        backend={"given": "numpy", "name": "numpy"},
        kernel_cache={"folder": "/a/long/path" * 20},
        settings={"MINICNN_X": "[bold]brackets[/] are no markup"},
    )
    text = printed(facts)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= int(columns or doctor.WIDTH)
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "[bold]brackets[/]" in text


def test_a_stream_of_another_encoding_gets_what_it_can_show() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    facts = changed(measured={"core_types": COMPARED})
    doctor.show(facts, remedies(facts), file)
    file.flush()
    assert b"60 ? 108 GFLOP/s" in b" ".join(raw.getvalue().split())


def test_json_is_one_object_with_all_that_the_tables_show(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = doctor.main(["--json", "--no-measure"])
    out = capsys.readouterr().out
    said = json.loads(out)
    assert set(said) == {"minicnn_doctor", "to_go_faster", "exit_code", *healthy()}
    assert said["exit_code"] == code
    assert said["measured"] is None
    assert said["versions"]["minicnn"] == minicnn.__version__
    assert {"name", "cores", "usable", "quota", "widest"} <= set(said["processor"])


def test_the_facts_have_the_shape_that_these_tests_assume() -> None:
    real, made = diagnosis.diagnose(measure=False), healthy()
    assert set(real) == set(made)
    for section, found in real.items():
        if isinstance(found, dict) and section not in ("versions", "settings"):
            assert set(found) == set(made[section]), section


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        doctor.main(["--help"])
    out = capsys.readouterr().out
    for words in ("--json", "--no-measure", "exit code:", "no folder can be written"):
        assert words in out


def test_judging_changes_no_fact() -> None:
    facts = changed(measured={"core_types": COMPARED})
    before = copy.deepcopy(facts)
    printed(facts)
    assert facts == before


def test_the_command_measures_and_prints_and_whoever_stops_reading_stops_it() -> None:
    done = in_process()
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("GFLOP/s", "GB/s", "Measured just now"):
        assert words in done.stdout
    assert done.stderr == ""
    with subprocess.Popen(
        [sys.executable, "-m", "minicnn.doctor", "--no-measure"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PACKAGE.parent,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 1)
