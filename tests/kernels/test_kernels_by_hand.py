"""Arrays small enough to work out by hand, in every backend."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from minicnn import kernels
from minicnn.kernels.window import Padding, make_window, pool_window

GRID = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def plane(y: NDArray[np.float64]) -> list[list[float]]:
    """The first image's first channel."""
    return y[0, :, :, 0].tolist()


# ---- the window ----


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "before", "after", "out"),
    [
        (5, 3, 1, 1, 1, 1, 5),
        (5, 2, 1, 1, 0, 1, 5),  # odd: the larger half goes below and to the right
        (5, 4, 1, 1, 1, 2, 5),
        (6, 3, 2, 1, 0, 1, 3),
        (5, 3, 2, 1, 1, 1, 3),
        (7, 2, 3, 1, 0, 1, 3),
        (4, 1, 3, 1, 0, 0, 2),  # a stride beyond the kernel needs no padding
        (5, 1, 2, 1, 0, 0, 3),
        (28, 5, 1, 1, 2, 2, 28),
        (5, 3, 1, 2, 2, 2, 5),
        (1, 3, 1, 1, 1, 1, 1),
        (2, 5, 2, 1, 1, 2, 1),
    ],
)
def test_same_padding_is_that_of_tensorflow(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int, out: int
) -> None:
    square = make_window(size, size, kernel, stride, "same", dilation)
    assert (square.top, square.bottom, square.OH) == (before, after, out)
    assert (square.left, square.right, square.OW) == (before, after, out)
    other = make_window(9, size, (1, kernel), (2, stride), "same", (1, dilation))
    assert (other.top, other.bottom, other.OH) == (0, 0, 5)
    assert (other.left, other.right, other.OW) == (before, after, out)


@pytest.mark.parametrize(
    ("padding", "OH", "OW"),
    [("valid", 2, 2), (1, 3, 3), (((0, 1), (2, 0)), 3, 3), (((0, 0), (0, 0)), 2, 2)],
)
def test_the_output_size_is_that_of_the_formula(padding: Padding, OH: int, OW: int) -> None:
    win = make_window(6, 7, (3, 4), 2, padding)
    assert (win.OH, win.OW) == (OH, OW)


def test_an_int_means_both_axes_and_a_pair_vertical_then_horizontal() -> None:
    assert make_window(9, 9, 3, 2, 1, 2) == make_window(
        9, 9, (3, 3), (2, 2), ((1, 1), (1, 1)), (2, 2)
    )
    win = make_window(9, 9, (2, 3), (1, 2), "valid", (3, 1))
    assert (win.KH, win.KW, win.SH, win.SW, win.DH, win.DW) == (2, 3, 1, 2, 3, 1)
    assert (win.OH, win.OW) == (6, 4)


def test_numpy_whole_numbers_are_ints() -> None:
    assert make_window(9, 9, np.int64(3), (np.int32(2), 1), np.int8(1)) == make_window(
        9, 9, 3, (2, 1), 1
    )


def test_a_pools_stride_defaults_to_its_size() -> None:
    assert pool_window(7, 8, (3, 2)) == make_window(7, 8, (3, 2), (3, 2))


# ---- convolution ----


def test_conv2d_does_not_flip_the_kernel(backend: str) -> None:
    w = np.array([[1.0, 0.0], [0.0, 10.0]]).reshape(2, 2, 1, 1)
    # 1·1 + 10·5, 2 + 60 / 4 + 80, 5 + 90
    assert plane(kernels.conv2d(GRID, w)) == [[51, 62], [84, 95]]


def test_conv2d_sums_over_channels_and_adds_each_filters_bias(backend: str) -> None:
    x = np.array([[1.0, 10.0], [2.0, 20.0]]).reshape(1, 1, 2, 2)
    w = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)  # w[c, f]
    y = kernels.conv2d(x, w, np.array([100.0, 200.0]))
    # 1·1 + 10·3 + 100, 1·2 + 10·4 + 200; twice that without the biases
    assert y.tolist() == [[[[131, 242], [162, 284]]]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[12, 16], [24, 28]]),
        ({"stride": 2}, [[12]]),
        ({"padding": "same"}, [[12, 16, 9], [24, 28, 15], [15, 17, 9]]),
        ({"padding": 1}, [[1, 3, 5, 3], [5, 12, 16, 9], [11, 24, 28, 15], [7, 15, 17, 9]]),
        ({"padding": 1, "stride": 2}, [[1, 5], [11, 28]]),
        ({"padding": ((1, 0), (0, 1))}, [[3, 5, 3], [12, 16, 9], [24, 28, 15]]),
        ({"padding": 1, "stride": (3, 1)}, [[1, 3, 5, 3], [7, 15, 17, 9]]),
        ({"dilation": 2}, [[1 + 3 + 7 + 9]]),
        ({"dilation": (1, 2)}, [[1 + 3 + 4 + 6], [4 + 6 + 7 + 9]]),
        ({"dilation": 2, "padding": "same"}, [[5, 4 + 6, 5], [2 + 8, 20, 2 + 8], [5, 10, 5]]),
    ],
)
def test_conv2d_of_ones_adds_the_pixels_under_the_window(
    backend: str, options: dict[str, object], expected: list[list[float]]
) -> None:
    assert plane(kernels.conv2d(GRID, np.ones((2, 2, 1, 1)), **options)) == expected


def test_conv2d_backward_by_hand(backend: str) -> None:
    w = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    dy = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 2, 2, 1)
    dx, dw, db = kernels.conv2d_backward(dy, GRID, w)
    assert dx is not None
    assert plane(dx) == [[1, 12, 20], [103, 1234, 2040], [300, 3400, 4000]]
    # dw[0, 0] = 1·1 + 10·2 + 100·4 + 1000·5
    assert dw[:, :, 0, 0].tolist() == [[5421, 6532], [8754, 9865]]
    assert db.tolist() == [1111]


def test_im2col_by_hand(backend: str) -> None:
    x = np.arange(8.0).reshape(1, 2, 2, 2)  # pixels (0, 1) (2, 3) / (4, 5) (6, 7)
    cols = kernels.im2col(x, (1, 2), padding=((0, 0), (1, 0)))
    assert cols.tolist() == [[0, 0, 0, 1], [0, 1, 2, 3], [0, 0, 4, 5], [4, 5, 6, 7]]


def test_col2im_adds_up_the_windows_that_read_a_pixel(backend: str) -> None:
    counts = kernels.col2im(np.ones((4, 4)), (1, 3, 3, 1), 2)
    assert plane(counts) == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


# ---- pooling ----


def test_max_pool2d_by_hand(backend: str) -> None:
    x = np.array([[1.0, 2.0, 5.0, 3.0], [4.0, 0.0, 1.0, 9.0]]).reshape(1, 2, 4, 1)
    y, argmax = kernels.max_pool2d(x)
    assert plane(y) == [[4, 9]]
    assert plane(argmax) == [[2, 3]]
    dx = kernels.max_pool2d_backward(np.array([[[[10.0], [20.0]]]]), argmax, x.shape)
    assert plane(dx) == [[0, 0, 0, 0], [10, 0, 0, 20]]


def test_overlapping_max_pools_add_up_the_gradients_of_one_pixel(backend: str) -> None:
    x = np.array([[0.0, 7.0, 0.0]]).reshape(1, 1, 3, 1)
    y, argmax = kernels.max_pool2d(x, (1, 2), stride=1)
    assert plane(y) == [[7, 7]]
    assert plane(argmax) == [[1, 0]]
    dx = kernels.max_pool2d_backward(
        np.array([[[[3.0], [5.0]]]]), argmax, x.shape, (1, 2), stride=1
    )
    assert plane(dx) == [[0, 8, 0]]


def test_valid_pooling_leaves_out_an_incomplete_window(backend: str) -> None:
    y, argmax = kernels.max_pool2d(GRID)
    assert plane(y) == [[5]]
    assert plane(kernels.avg_pool2d(GRID)) == [[3]]
    dx = kernels.max_pool2d_backward(np.ones((1, 1, 1, 1)), argmax, GRID.shape)
    assert plane(dx) == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_avg_pool2d_does_not_count_padding(backend: str) -> None:
    assert plane(kernels.avg_pool2d(GRID, 2, padding=1)) == [[1, 2.5], [5.5, 7]]
    assert plane(kernels.avg_pool2d(GRID, 2, stride=1, padding="same")) == [
        [3, 4, 4.5],
        [6, 7, 7.5],
        [7.5, 8.5, 9],
    ]


def test_avg_pool2d_backward_shares_dy_among_the_pixels_inside_the_image(backend: str) -> None:
    dy = np.array([[4.0, 8.0], [12.0, 16.0]]).reshape(1, 2, 2, 1)
    dx = kernels.avg_pool2d_backward(dy, GRID.shape, 2, padding=1)
    assert plane(dx) == [[4, 4, 4], [6, 4, 4], [6, 4, 4]]


# ---- dense ----


def test_dense_by_hand(backend: str) -> None:
    x, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
    assert kernels.dense(x, w).tolist() == [[1, 2, 8], [3, 4, 18]]
    assert kernels.dense(x, w, np.array([10.0, 20.0, 30.0])).tolist() == [
        [11, 22, 38],
        [13, 24, 48],
    ]
    dy = np.array([[1.0, 0.0, 0.0], [0.0, 10.0, 100.0]])
    dx, dw, db = kernels.dense_backward(dy, x, w)
    assert dx is not None
    assert dx.tolist() == [[1, 0], [200, 310]]
    assert dw.tolist() == [[1, 30, 300], [2, 40, 400]]
    assert db.tolist() == [1, 10, 100]


# ---- no images ----


def test_no_images_give_empty_results_and_zero_gradients(backend: str) -> None:
    x, w, b = np.zeros((0, 4, 4, 2)), np.ones((3, 3, 2, 5)), np.ones(5)
    y = kernels.conv2d(x, w, b)
    assert y.shape == (0, 2, 2, 5)
    dx, dw, db = kernels.conv2d_backward(y, x, w)
    assert dx is not None
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, np.zeros_like(w), strict=True)
    np.testing.assert_array_equal(db, np.zeros_like(b), strict=True)
    y, argmax = kernels.max_pool2d(x)
    assert y.shape == argmax.shape == (0, 2, 2, 2)
    assert kernels.max_pool2d_backward(y, argmax, x.shape).shape == x.shape
    assert kernels.avg_pool2d(x).shape == (0, 2, 2, 2)
    assert kernels.avg_pool2d_backward(y, x.shape).shape == x.shape
    cols = kernels.im2col(x, 3)
    assert cols.shape == (0, 18)
    assert kernels.col2im(cols, x.shape, 3).shape == x.shape
    rows, matrix = np.zeros((0, 3)), np.ones((3, 2))
    dy = kernels.dense(rows, matrix, np.ones(2))
    assert dy.shape == (0, 2)
    dx, dw, db = kernels.dense_backward(dy, rows, matrix)
    assert dx is not None
    assert dx.shape == (0, 3)
    np.testing.assert_array_equal(dw, np.zeros((3, 2)), strict=True)
    np.testing.assert_array_equal(db, np.zeros(2), strict=True)
