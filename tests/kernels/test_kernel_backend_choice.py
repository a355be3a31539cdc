"""How the backend is chosen: names, the environment, with and without Numba."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from kernel_cases import FAST, python

from minicnn import kernels
from minicnn.kernels import backend as choice

needs_numba = pytest.mark.skipif("numba" not in FAST, reason="needs Numba")


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As at the start of a process without MINICNN_BACKEND; undone afterwards."""
    before = choice._current
    monkeypatch.delenv("MINICNN_BACKEND", raising=False)
    monkeypatch.setattr(choice, "_current", None)
    yield
    choice._current = before


@pytest.fixture
def no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Numba were not installed."""
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(choice, "_loaded", {})


def used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backends whose dense was called, from now on."""
    calls: list[str] = []
    for name in kernels.available_backends():
        module = choice.module(name)

        def spy(*given: object, name: str = name, real=module.dense) -> None:  # type: ignore[no-untyped-def]
            calls.append(name)
            real(*given)

        monkeypatch.setattr(module, "dense", spy)
    return calls


def one_dense(backend: str | None = None) -> None:
    kernels.dense(np.ones((1, 1)), np.ones((1, 1)), backend=backend)


def test_the_chosen_backend_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = used(monkeypatch)
    names = kernels.available_backends()
    for name in names:
        kernels.use_backend(name)
        one_dense()
    kernels.use_backend("numpy")
    for name in names:
        one_dense(backend=name)
    assert calls == names * 2
    assert kernels.current_backend() == "numpy"


def test_use_backend_as_a_context_lasts_until_the_block_ends_even_by_an_error() -> None:
    kernels.use_backend("numpy")
    with kernels.use_backend("reference"):
        assert kernels.current_backend() == "reference"
        with kernels.use_backend("numpy"):
            assert kernels.current_backend() == "numpy"
        assert kernels.current_backend() == "reference"
    assert kernels.current_backend() == "numpy"
    with pytest.raises(KeyError), kernels.use_backend("reference"):
        raise KeyError
    assert kernels.current_backend() == "numpy"


@pytest.mark.parametrize("wrong", ["cuda", "", "NumPy", 3])
def test_an_unknown_backend_is_a_value_error_and_changes_nothing(wrong: str) -> None:
    kernels.use_backend("reference")
    with pytest.raises(ValueError, match="expected a backend out of reference, numpy, numba, rec"):
        kernels.use_backend(wrong)
    assert kernels.current_backend() == "reference"


def test_the_backends_are_listed_slowest_first() -> None:
    assert kernels.available_backends()[:2] == ["reference", "numpy"]
    assert set(kernels.available_backends()) <= {"reference", "numpy", "numba"}


@needs_numba
def test_numba_is_the_default_where_it_is_installed() -> None:
    assert kernels.available_backends()[-1] == "numba"
    assert kernels.current_backend() == "numba"
    kernels.use_backend("reference")
    kernels.use_backend(None)
    assert kernels.current_backend() == "numba"


@pytest.mark.parametrize("text", ["reference", "numpy", " NumPy "])
def test_minicnn_backend_is_the_default_where_it_is_set(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINICNN_BACKEND", text)
    assert kernels.current_backend() == text.strip().lower()
    with kernels.use_backend("reference"):
        pass
    assert kernels.current_backend() == text.strip().lower()


def test_an_unknown_minicnn_backend_is_a_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINICNN_BACKEND", "cuda")
    with pytest.raises(ValueError, match=r"expected a backend out of .*received 'cuda'"):
        one_dense()


@pytest.mark.parametrize("name", ["reference", "numpy"])
def test_a_process_uses_minicnn_backend_and_does_not_import_numba(name: str) -> None:
    code = (
        "import sys, numpy as np; from minicnn import kernels; "
        "kernels.dense(np.ones((1, 1)), np.ones((1, 1))); "
        "print(kernels.current_backend(), 'numba' in sys.modules)"
    )
    done = python(code, MINICNN_BACKEND=name)
    assert done.stdout == f"{name} False\n", done.stderr


# ---- where Numba is not installed ----


def test_without_numba_it_is_not_listed_and_the_error_says_how_to_install_it(
    no_numba: None,
) -> None:
    assert kernels.available_backends() == ["reference", "numpy"]
    hint = r'numba.*not installed: pip install "minicnn\[numba\]"'
    with pytest.raises(ImportError, match=hint):
        kernels.use_backend("numba")
    with pytest.raises(ImportError, match=hint):
        one_dense(backend="numba")


def test_without_numba_numpy_is_the_default_with_one_warning_that_says_how_to_install_it(
    no_numba: None,
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one_dense()
        one_dense()
        assert kernels.current_backend() == "numpy"
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "\n" not in text
    assert 'pip install "minicnn[numba]"' in text


def test_without_numba_minicnn_backend_numpy_comes_without_a_warning(
    no_numba: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINICNN_BACKEND", "numpy")
    one_dense()
    assert kernels.current_backend() == "numpy"


def test_without_numba_minicnn_backend_numba_is_an_import_error(
    no_numba: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINICNN_BACKEND", "numba")
    with pytest.raises(ImportError, match="pip install"):
        one_dense()
