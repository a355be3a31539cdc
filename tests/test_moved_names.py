"""Old names of modules raise an ImportError that names the new place."""

import importlib
import sys
from importlib.util import find_spec

import pytest

import minicnn
from minicnn.moved import MOVED, TO_BENCH, MovedFinder, install


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_name_is_gone_and_its_new_one_exists(old, new):
    with pytest.raises(ImportError, match=rf"minicnn\.{old} has moved: import minicnn\.{new}$"):
        importlib.import_module(f"minicnn.{old}")
    assert find_spec(f"minicnn.{new}") is not None


@pytest.mark.parametrize(
    "statement",
    [
        "import minicnn.preprocess",
        "from minicnn import preprocess",
        "from minicnn.preprocess import mnist_like",
        "from minicnn import MnistData, preprocess",
    ],
)
def test_every_form_of_import(statement):
    with pytest.raises(ImportError, match=r"import minicnn\.pictures\.prepare"):
        exec(statement)


def test_a_submodule_fails_with_its_package():
    with pytest.raises(ImportError, match=r"import minicnn\.explain\.trace$"):
        importlib.import_module("minicnn.trace.look")


@pytest.mark.parametrize(("old", "new"), TO_BENCH.items())
def test_some_modules_left_the_package(old, new):
    with pytest.raises(ImportError, match=rf"has moved: bench\.{new} in minicnn's repository$"):
        importlib.import_module(f"minicnn.{old}")


@pytest.mark.parametrize("name", ["minicnn.nothing", "minicnn.kernels.nothing", "preprocess_"])
def test_other_missing_modules_fail_as_ever(name):
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        importlib.import_module(name)


def test_the_finder_is_installed_once():
    install()
    assert sys.meta_path.count(MovedFinder) == 1
    assert not hasattr(minicnn, "preprocess")
