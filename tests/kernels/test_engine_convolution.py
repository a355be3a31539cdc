"""Convolution without a patch matrix (algorithm "implicit"), forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_cases import (
    CONVOLUTIONS,
    NUMPY,
    REFERENCE,
    arrays,
    by_geometry,
    conv2d,
    conv2d_backward,
    of,
    sweep,
)
from kernel_cases import Case, close, same
from numpy.typing import NDArray

pytest.importorskip("numba")

from minicnn.kernels.engine import correlation, planes
from minicnn.kernels.engine.operations import Convolution
from minicnn.kernels.engine.phases import phases
from minicnn.kernels.window import make_window


def expected_of(case: Case, *given: NDArray[Any], **options: Any) -> NDArray[Any]:
    """The expected output: from the reference for one image, from NumPy for more."""
    return conv2d(case, *given, **(REFERENCE if len(given[0]) == 1 else NUMPY), **options)


def gradient_of(case: Case, whole: bool = True) -> NDArray[Any]:
    """A dy for the case."""
    y = conv2d(case, *arrays(case), **NUMPY)
    return (case.whole if whole else case.normal)(y.shape)[0]


# ---- forward ----


@by_geometry
@pytest.mark.parametrize("N", [0, 1, 2, 33])
def test_outputs_are_the_references_exactly_for_integers_else_up_to_rounding(
    name: str, N: int
) -> None:
    case = of(CONVOLUTIONS[name], N)
    x, w, b = arrays(case)
    same(conv2d(case, x, w, b), expected_of(case, x, w, b))
    same(conv2d(case, x, w), conv2d(case, x, w, np.zeros_like(b)))
    x, w, b = arrays(case, whole=False)
    close(conv2d(case, x, w, b), expected_of(case, x, w, b))


@pytest.mark.parametrize(
    "name", sweep(["stride (1, 2)", "same", "first, middle and last tile"], ["stride (1, 2)"])
)
def test_relu_is_the_maximum_with_zero_of_every_output(name: str) -> None:
    case = CONVOLUTIONS[name]
    x, w, b = arrays(case)
    y = conv2d(case, x, w, b, relu=True)
    same(y, np.maximum(expected_of(case, x, w, b), 0))
    assert (y == 0).any()
    assert (y > 0).any()


def test_arguments_and_earlier_results_are_not_modified() -> None:
    case = CONVOLUTIONS["stride (1, 2)"]
    given = [*arrays(case), gradient_of(case)]
    before = [array.copy() for array in given]
    x, w, b, dy = given
    first = conv2d(case, x, w, b)
    kept = first.copy()
    conv2d(case, x + 1, w, b)
    same(first, kept)
    conv2d_backward(case, dy, x, w)
    for array, copy in zip(given, before, strict=True):
        same(array, copy)


@pytest.mark.parametrize("name", ["first layer", "stride (1, 2)"])
def test_arrays_of_any_memory_order_give_the_same_bits(name: str) -> None:
    case = CONVOLUTIONS[name]
    x, w, b, dy = *arrays(case, whole=False), gradient_of(case, whole=False)
    turned = [np.asfortranarray(array) for array in (x, w, dy)]
    strided = np.repeat(b, 2)[::2]
    assert conv2d(case, *turned[:2], strided).tobytes() == conv2d(case, x, w, b).tobytes()
    for mine, theirs in zip(
        conv2d_backward(case, turned[2], *turned[:2]),
        conv2d_backward(case, dy, x, w),
        strict=True,
    ):
        assert mine.tobytes() == theirs.tobytes()


# ---- backward ----


@by_geometry
@pytest.mark.parametrize("N", [1, 2, 33])
def test_gradients_are_the_references_exactly_for_integers_else_up_to_rounding(
    name: str, N: int
) -> None:
    case = of(CONVOLUTIONS[name], N)
    for whole, agree in ((True, same), (False, close)):
        (x, w, _), dy = arrays(case, whole), gradient_of(case, whole)
        expected = conv2d_backward(case, dy, x, w, **(REFERENCE if N == 1 else NUMPY))
        for mine, theirs in zip(conv2d_backward(case, dy, x, w), expected, strict=True):
            agree(mine, theirs)


@by_geometry
def test_without_dx_the_other_gradients_are_the_same_to_the_bit(name: str) -> None:
    case = CONVOLUTIONS[name]
    (x, w, _), dy = arrays(case, whole=False), gradient_of(case, whole=False)
    _, dw, db = conv2d_backward(case, dy, x, w)
    none, dw_alone, db_alone = conv2d_backward(case, dy, x, w, need_dx=False)
    assert none is None
    assert dw_alone.tobytes() == dw.tobytes()
    assert db_alone.tobytes() == db.tobytes()


@pytest.mark.parametrize("name", ["first layer", "stride (1, 2)"])
def test_a_batch_without_images_has_gradients_of_zero(name: str) -> None:
    case = of(CONVOLUTIONS[name], 0)
    (x, w, _), dy = arrays(case), gradient_of(case)
    dirty = [np.full(w.size, 7, w.dtype) for _ in range(100)]  # memory to be reused
    del dirty
    dx, dw, db = conv2d_backward(case, dy, x, w)
    assert dx.shape == x.shape
    same(dw, np.zeros_like(w))
    same(db, np.zeros(case.F, case.dtype))


def test_an_operation_with_relu_has_no_gradient_where_its_output_is_zero() -> None:
    case = CONVOLUTIONS["stride (1, 2)"]
    (x, w, b), dy = arrays(case), gradient_of(case)
    window = make_window(*x.shape[1:3], case.kernel, **case.options)
    operation = Convolution(x.shape, w.shape, window, True, x.dtype)
    passed = np.where(operation.forward(x, w, b) > 0, dy, 0)
    assert 0 < np.count_nonzero(passed) < dy.size
    for mine, theirs in zip(
        operation.backward(dy, x, w, True), conv2d_backward(case, passed, x, w), strict=True
    ):
        same(mine, theirs)


# ---- planes ----


def by_data(case: Case) -> correlation.Correlation:
    """The correlation that gives dx, of a convolution of stride 1."""
    window = make_window(*case.x_shape[1:3], case.kernel, **case.options)
    (phase,) = phases(case.x_shape[1:], case.F, window)
    assert phase.shape is not None
    return phase.shape


# the last one has negative padding
@pytest.mark.parametrize(
    "name", sweep(["first layer", "same", "windows of padding alone"], ["first layer"])
)
@pytest.mark.parametrize("N", [1, 33])
def test_the_gradient_by_few_channels_is_the_same_in_planes_and_in_channels(
    name: str, N: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = of(CONVOLUTIONS[name], N)
    (x, w, _), dy = arrays(case), gradient_of(case)
    results = []
    for in_planes in (True, False):
        monkeypatch.setattr(planes, "worth_it", lambda *_, answer=in_planes: answer)
        results.append(conv2d_backward(case, dy, x, w)[0])
    same(results[0], results[1])
    same(results[0], conv2d_backward(case, dy, x, w, **NUMPY)[0])


def test_planes_are_used_if_vectors_of_channels_would_be_nearly_empty() -> None:
    few, many = CONVOLUTIONS["few channels, in planes"], CONVOLUTIONS["first layer"]
    assert planes.worth_it(by_data(few), np.dtype(np.float32))
    assert not planes.worth_it(by_data(many)._replace(F=64), np.dtype(np.float32))
    strided = by_data(few)._replace(SH=2)
    assert not planes.worth_it(strided, np.dtype(np.float32))
    short = by_data(few)._replace(KH=1, KW=1)
    assert not planes.worth_it(short, np.dtype(np.float32))
