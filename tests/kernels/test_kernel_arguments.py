"""Arguments that the public kernel functions refuse, the messages, and the arrays they accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_cases import close, outcome, same
from numpy.typing import NDArray

from minicnn import kernels

Array = NDArray[Any]

X, W, B = np.ones((2, 5, 6, 3)), np.ones((3, 2, 3, 4)), np.ones(4)
DY = np.ones((2, 3, 5, 4))  # of conv2d(X, W)
POOLED, ARGMAX = np.ones((2, 2, 3, 3)), np.zeros((2, 2, 3, 3), np.int32)
COLS = np.ones((2 * 3 * 5, 3 * 2 * 3))
ROWS, MATRIX = np.ones((4, 3)), np.ones((3, 2))
SAID = r"expected .*received "

CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "conv2d": (kernels.conv2d, {"x": X, "w": W, "b": B}),
    "conv2d_backward": (kernels.conv2d_backward, {"dy": DY, "x": X, "w": W}),
    "max_pool2d": (kernels.max_pool2d, {"x": X}),
    "max_pool2d_backward": (
        kernels.max_pool2d_backward,
        {"dy": POOLED, "argmax": ARGMAX, "x_shape": X.shape},
    ),
    "avg_pool2d": (kernels.avg_pool2d, {"x": X}),
    "avg_pool2d_backward": (kernels.avg_pool2d_backward, {"dy": POOLED, "x_shape": X.shape}),
    "dense": (kernels.dense, {"x": ROWS, "w": MATRIX, "b": np.ones(2)}),
    "dense_backward": (kernels.dense_backward, {"dy": np.ones((4, 2)), "x": ROWS, "w": MATRIX}),
    "im2col": (kernels.im2col, {"x": X, "kernel": (3, 2)}),
    "col2im": (kernels.col2im, {"cols": COLS, "x_shape": X.shape, "kernel": (3, 2)}),
    "warp": (
        kernels.warp,
        {"x": X, "matrices": np.ones((2, 2, 3)), "displacement": np.ones((2, 4, 4, 2))},
    ),
}
FLOATS = [
    (call, name)
    for call, (_, given) in CALLS.items()
    for name, value in given.items()
    if isinstance(value, np.ndarray) and name != "argmax"
]
WINDOWED = [call for call in CALLS if not call.startswith(("dense", "warp"))]
DILATED = ["conv2d", "conv2d_backward", "im2col", "col2im"]


def call(name: str, **changes: Any) -> Any:
    """Call a kernel with valid arguments, except for the changes."""
    function, given = CALLS[name]
    return function(**(given | changes))


# ---- dtypes and shapes ----


@pytest.mark.parametrize(("name", "argument"), FLOATS)
@pytest.mark.parametrize("dtype", ["int64", "float16", "object"])
def test_dtypes_other_than_float32_and_float64_are_a_type_error(
    name: str, argument: str, dtype: str
) -> None:
    wrong = CALLS[name][1][argument].astype(dtype)
    with pytest.raises(TypeError, match=rf"expected {argument} as float32 .*received {dtype}"):
        call(name, **{argument: wrong})


@pytest.mark.parametrize(
    ("name", "argument"), [(n, a) for n, a in FLOATS if len([c for c, _ in FLOATS if c == n]) > 1]
)
def test_arrays_of_two_dtypes_are_a_type_error_that_lists_them(name: str, argument: str) -> None:
    wrong = CALLS[name][1][argument].astype(np.float32)
    with pytest.raises(TypeError, match=SAID) as caught:
        call(name, **{argument: wrong})
    assert f"{argument} float32" in str(caught.value)
    assert "float64" in str(caught.value)


@pytest.mark.parametrize(("name", "argument"), FLOATS)
def test_another_number_of_axes_is_a_value_error_that_gives_the_shape(
    name: str, argument: str
) -> None:
    right = CALLS[name][1][argument]
    for wrong in (right[0], right[None]):
        with pytest.raises(ValueError, match=SAID) as caught:
            call(name, **{argument: wrong})
        assert argument in str(caught.value)
        assert str(wrong.shape) in str(caught.value)
    with pytest.raises(TypeError, match=SAID):
        call(name, **{argument: "x"})


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("conv2d", {"w": np.ones((3, 2, 2, 4))}, ["3 channels", "(3, 2, 2, 4)"]),
        ("conv2d", {"b": np.ones(3)}, ["b", "(4)", "(3,)"]),
        ("conv2d_backward", {"w": np.ones((3, 2, 2, 4))}, ["3 channels", "(3, 2, 2, 4)"]),
        ("conv2d_backward", {"dy": np.ones((2, 3, 4, 4))}, ["dy", "2, 3, 5, 4", "(2, 3, 4, 4)"]),
        ("max_pool2d_backward", {"dy": np.ones((2, 2, 2, 3))}, ["dy", "2, 2, 3, 3"]),
        ("max_pool2d_backward", {"argmax": ARGMAX[:1]}, ["argmax", "2, 2, 3, 3", "(1, 2, 3, 3)"]),
        ("max_pool2d_backward", {"x_shape": (3, 5, 6, 3)}, ["dy", "3, 2, 3, 3", "(2, 2, 3, 3)"]),
        ("max_pool2d_backward", {"x_shape": (5, 6, 3)}, ["x_shape", "(5, 6, 3)"]),
        ("avg_pool2d_backward", {"dy": np.ones((2, 2, 2, 3))}, ["dy", "2, 2, 3, 3"]),
        ("avg_pool2d_backward", {"x_shape": (5, 6, 3)}, ["x_shape", "(5, 6, 3)"]),
        ("dense", {"w": np.ones((4, 2))}, ["w", "3, any", "(4, 2)"]),
        ("dense", {"b": np.ones(3)}, ["b", "(2)", "(3,)"]),
        ("dense_backward", {"w": np.ones((4, 2))}, ["w", "3, any", "(4, 2)"]),
        ("dense_backward", {"dy": np.ones((4, 1))}, ["dy", "4, 2", "(4, 1)"]),
        ("col2im", {"cols": COLS[1:]}, ["cols", "30, 18", "(29, 18)"]),
        ("col2im", {"x_shape": (5, 6, 3)}, ["x_shape", "(5, 6, 3)"]),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error_with_both_shapes(
    name: str, changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match=SAID) as caught:
        call(name, **changes)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("wrong", [-1, 4, 2**32])
def test_an_argmax_outside_the_window_is_a_value_error(wrong: int) -> None:
    argmax = ARGMAX.astype(np.int64)
    argmax[1, 1, 2, 2] = wrong
    with pytest.raises(ValueError, match=rf"expected argmax in 0…3 .*received .*{wrong}"):
        call("max_pool2d_backward", argmax=argmax)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_an_argmax_of_no_whole_numbers_is_a_type_error(dtype: type) -> None:
    with pytest.raises(TypeError, match=SAID):
        call("max_pool2d_backward", argmax=np.full(ARGMAX.shape, 0.7, dtype))


@pytest.mark.parametrize("tap", [0, 8])
def test_an_argmax_that_points_at_padding_is_refused_or_alike_in_all_backends(tap: int) -> None:
    dy, argmax = np.ones((1, 4, 4, 1)), np.full((1, 4, 4, 1), tap, np.int32)

    def dx(backend: str) -> Array:
        return kernels.max_pool2d_backward(
            dy, argmax, dy.shape, 3, stride=1, padding="same", backend=backend
        )

    outcomes = {outcome(lambda name=name: dx(name)) for name in kernels.available_backends()}
    assert len(outcomes) == 1
    assert "words" not in outcomes.pop()


# ---- the window ----


@pytest.mark.parametrize("name", WINDOWED)
def test_a_kernel_larger_than_the_image_is_a_value_error_with_both_sizes(name: str) -> None:
    argument = {"im2col": "kernel", "col2im": "kernel"}.get(name, "size")
    wrong: dict[str, Any] = {argument: (2, 7)}
    if name.startswith("conv2d"):
        wrong = {"w": np.ones((2, 7, 3, 4))}
    with pytest.raises(ValueError, match=r"expected a kernel no larger .*received .*2×7.*5×6"):
        call(name, **wrong)
    if name in DILATED:
        with pytest.raises(ValueError, match=r"expected a kernel no larger .*received .*7×.*5×6"):
            call(name, dilation=3)


@pytest.mark.parametrize(
    ("name", "larger"),
    [
        ("conv2d", {"w": np.ones((6, 2, 3, 4))}),
        ("max_pool2d", {"size": (6, 2)}),
        ("avg_pool2d", {"size": (6, 2)}),
        ("im2col", {"kernel": (6, 2)}),
    ],
)
def test_padding_counts_in_the_size_of_the_image(
    name: str, larger: dict[str, Any], backend: str
) -> None:
    with pytest.raises(ValueError, match=SAID):
        call(name, **larger)
    call(name, **larger, padding=((0, 1), (0, 0)))


@pytest.mark.parametrize(
    ("name", "option"),
    [*((name, "stride") for name in WINDOWED), *((name, "dilation") for name in DILATED)],
)
@pytest.mark.parametrize("wrong", [0, -1, (1, 0), (-2, 1)])
def test_a_stride_or_dilation_below_one_is_a_value_error(
    name: str, option: str, wrong: Any
) -> None:
    with pytest.raises(ValueError, match=f"expected {option} >= 1, received"):
        call(name, **{option: wrong})


@pytest.mark.parametrize("wrong", [1.0, "2", (1, 2, 3), (1,), (1.5, 1), True, {}])
def test_a_stride_dilation_or_size_that_is_no_int_or_pair_is_a_type_error(wrong: Any) -> None:
    for name in WINDOWED:
        with pytest.raises(TypeError, match=r"expected stride as an int or a pair .*received"):
            call(name, stride=wrong)
    for name in DILATED:
        with pytest.raises(TypeError, match=r"expected dilation as an int or a pair .*received"):
            call(name, dilation=wrong)
    for name, argument in (("im2col", "kernel"), ("max_pool2d", "size"), ("avg_pool2d", "size")):
        with pytest.raises(TypeError, match=r"expected kernel size as an int or a pair .*received"):
            call(name, **{argument: wrong})


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("wrong", [-1, ((0, -1), (0, 0)), ((0, 0), (-1, 0))])
def test_a_negative_padding_is_a_value_error(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected padding.* >= 0, received"):
        call(name, padding=wrong)


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize(
    "wrong", ["full", "", None, 1.0, True, (1, 1), ((1, 1),), ((1, 1), 1), ((1, 1), (1.0, 1))]
)
def test_a_padding_of_no_known_form_is_a_type_error(name: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected padding .*received"):
        call(name, padding=wrong)


@pytest.mark.parametrize("name", [name for name in WINDOWED if "pool" in name])
@pytest.mark.parametrize("padding", [2, ((2, 0), (0, 0)), ((0, 0), (0, 3))])
def test_a_pools_padding_must_be_smaller_than_its_window(name: str, padding: Any) -> None:
    with pytest.raises(ValueError, match=r"expected pooling padding smaller than the window 2×2"):
        call(name, size=2, padding=padding)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pooling_an_image_of_no_rows_is_a_value_error(name: str, backend: str) -> None:
    with pytest.raises(ValueError, match=SAID):
        call(name, x=np.ones((1, 0, 4, 1)), stride=1, padding=1)


@pytest.mark.parametrize("name", CALLS)
def test_an_unknown_backend_is_a_value_error_that_lists_the_backends(name: str) -> None:
    with pytest.raises(ValueError, match="expected a backend out of reference, numpy, numba, rec"):
        call(name, backend="cuda")


# ---- memory layouts ----


def _every_other(a: Array) -> Array:
    """Read-only too."""
    wide = np.full(tuple(2 * size for size in a.shape), 99, a.dtype)
    every_other = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    every_other[...] = a
    every_other.flags.writeable = False
    return every_other


def _unaligned(a: Array) -> Array:
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


LAYOUTS = [np.asfortranarray, _every_other, _unaligned]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CALLS)
def test_arrays_of_any_layout_are_read_right_and_not_changed(
    name: str, layout: Callable[[Array], Array], backend: str, rng: np.random.Generator
) -> None:
    plain: dict[str, Any] = {}
    for argument, value in CALLS[name][1].items():
        if argument == "argmax":
            plain[argument] = rng.integers(0, 4, value.shape, np.int32)
        elif isinstance(value, np.ndarray):
            plain[argument] = rng.standard_normal(value.shape)
    odd = {argument: layout(value) for argument, value in plain.items()}
    expected, actual = call(name, **plain), call(name, **odd)
    pairs = [(actual, expected)] if isinstance(expected, np.ndarray) else zip(actual, expected)  # noqa: B905
    for mine, theirs in pairs:
        close(mine, theirs)
        assert mine.flags.c_contiguous
        assert mine.flags.writeable
    for argument, value in plain.items():
        np.testing.assert_array_equal(odd[argument], value)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_an_argmax_of_another_integer_dtype_means_the_same(dtype: type, backend: str) -> None:
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    y, argmax = kernels.max_pool2d(x)
    expected = kernels.max_pool2d_backward(y, argmax, x.shape)
    same(kernels.max_pool2d_backward(y, argmax.astype(dtype), x.shape), expected)
