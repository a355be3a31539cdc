"""The backends mirror each other; the doorway is as documented."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from kernel_cases import FAST

from minicnn import kernels

FILES = {"reference": "reference", "numpy": "numpy_kernels", "numba": "numba_kernels"}


def public(backend: str) -> dict[str, Callable[..., Any]]:
    """The functions that a backend's file defines for others, in the order of the file."""
    module = importlib.import_module(f"minicnn.kernels.{FILES[backend]}")
    found = {}
    for name, value in vars(module).items():
        function = getattr(value, "py_func", value)  # what Numba compiled
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            found[name] = function
    return {name: value for name, value in found.items() if not name.startswith("_")}


@pytest.mark.parametrize("fast", FAST)
def test_the_backends_have_the_same_public_functions_in_the_same_order(fast: str) -> None:
    assert list(public(fast)) == list(public("reference"))


@pytest.mark.parametrize("fast", FAST)
def test_functions_of_one_name_have_the_same_parameters(fast: str) -> None:
    shared = public("reference").keys() & public(fast).keys()
    assert len(shared) == 11
    for name in shared:
        assert inspect.signature(public(fast)[name]) == inspect.signature(public("reference")[name])


@pytest.mark.parametrize("backend", ["reference", *FAST])
def test_every_kernel_of_every_backend_says_what_it_does(backend: str) -> None:
    assert [name for name, function in public(backend).items() if not function.__doc__] == []


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        (
            "conv2d",
            "(x, w, b=None, *, stride=1, padding='valid', dilation=1, relu=False, "
            "algorithm=None, backend=None)",
        ),
        (
            "conv2d_backward",
            "(dy, x, w, *, stride=1, padding='valid', dilation=1, need_dx=True, "
            "algorithm=None, backend=None)",
        ),
        ("max_pool2d", "(x, size=2, *, stride=None, padding='valid', backend=None)"),
        (
            "max_pool2d_backward",
            "(dy, argmax, x_shape, size=2, *, stride=None, padding='valid', backend=None)",
        ),
        ("avg_pool2d", "(x, size=2, *, stride=None, padding='valid', backend=None)"),
        (
            "avg_pool2d_backward",
            "(dy, x_shape, size=2, *, stride=None, padding='valid', backend=None)",
        ),
        (
            "dense",
            "(x, w, b=None, *, relu=False, algorithm=None, backend=None)",
        ),
        (
            "dense_backward",
            "(dy, x, w, *, need_dx=True, algorithm=None, backend=None)",
        ),
        (
            "conv2d_relu_pool",
            "(x, w, b=None, size=2, *, stride=1, padding='valid', dilation=1, "
            "algorithm=None, backend=None)",
        ),
        (
            "conv2d_relu_pool_backward",
            "(dy, winner, x, w, size=2, *, stride=1, padding='valid', dilation=1, "
            "need_dx=True, algorithm=None, backend=None)",
        ),
        ("im2col", "(x, kernel, *, stride=1, padding='valid', dilation=1, backend=None)"),
        (
            "col2im",
            "(cols, x_shape, kernel, *, stride=1, padding='valid', dilation=1, backend=None)",
        ),
        ("warp", "(x, matrices, displacement=None, *, backend=None)"),
    ],
)
def test_the_doorway_has_the_documented_signatures(name: str, signature: str) -> None:
    assert name in kernels.__all__
    real = inspect.signature(getattr(kernels, name))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in real.parameters.values()]
    assert str(inspect.Signature(bare)) == signature
