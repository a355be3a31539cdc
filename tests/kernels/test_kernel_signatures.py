"""The backends have the same functions; the public ones have the documented signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from kernel_cases import FAST

from minicnn import kernels
from minicnn.kernels.backend import module


def public(backend: str) -> dict[str, Callable[..., Any]]:
    """The public functions that a backend's file defines."""
    file = module(backend)
    found = {}
    for name, value in vars(file).items():
        function = getattr(value, "py_func", value)
        if inspect.isfunction(function) and function.__module__ == file.__name__:
            found[name] = function
    return {name: value for name, value in found.items() if not name.startswith("_")}


@pytest.mark.parametrize("fast", FAST)
def test_backends_have_the_functions_of_the_reference_with_the_same_parameters(fast: str) -> None:
    functions = public("reference")
    assert len(functions) == 10
    for name, function in functions.items():
        mine = getattr(module(fast), name)
        mine = getattr(mine, "py_func", mine)  # the function that Numba compiles
        parameters = inspect.signature(mine).parameters.values()
        shared = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        assert shared == list(inspect.signature(function).parameters.values())


@pytest.mark.parametrize("backend", ["reference", *FAST])
def test_every_kernel_of_every_backend_has_a_docstring(backend: str) -> None:
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
            "(dy, argmax, x, w, size=2, *, stride=1, padding='valid', dilation=1, "
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
def test_public_functions_have_the_documented_signatures(name: str, signature: str) -> None:
    assert name in kernels.__all__
    real = inspect.signature(getattr(kernels, name))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in real.parameters.values()]
    assert str(inspect.Signature(bare)) == signature
