"""The reference against the formulas of the docstrings, written a second way.

test_kernel_oracles.py compares the other backends with the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from kernel_cases import FAST, Case, as_pair, close, convolutions, poolings, same
from numpy.typing import NDArray

from minicnn import kernels

defined = settings(max_examples=15)
REFERENCE = "reference"


def sides(case: Case) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding in pixels, from the rule that TensorFlow documents for "same"."""
    padding = case.options["padding"]
    if padding == "valid":
        return (0, 0), (0, 0)
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    if padding != "same":
        return padding
    found = []
    stride = as_pair(case.options.get("stride", case.kernel))
    dilation = as_pair(case.options.get("dilation", 1))
    for size, k, s, d in zip(case.x_shape[1:3], case.kernel, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        total = max(reach - (s if size % s == 0 else size % s), 0)
        found.append((total // 2, total - total // 2))
    return found[0], found[1]


def windows(
    case: Case, x: NDArray[Any], fill: float
) -> Iterator[tuple[tuple[int, int], NDArray[Any]]]:
    """((oh, ow), the (N, KH, KW, C) pixels under the window) for every output pixel."""
    (top, bottom), (left, right) = sides(case)
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (KH, KW), (SH, SW) = case.kernel, as_pair(case.options.get("stride", case.kernel))
    DH, DW = as_pair(case.options.get("dilation", 1))
    for oh, ih in enumerate(range(0, x.shape[1] - (KH - 1) * DH, SH)):
        for ow, iw in enumerate(range(0, x.shape[2] - (KW - 1) * DW, SW)):
            yield (
                (oh, ow),
                x[:, ih : ih + (KH - 1) * DH + 1 : DH, iw : iw + (KW - 1) * DW + 1 : DW, :],
            )


@defined
@given(case=convolutions())
def test_conv2d_is_the_sum_of_products_under_the_window(case: Case) -> None:
    x, w, b = case.whole(case.x_shape, case.w_shape, (case.F,))
    y = kernels.conv2d(x, w, b, **case.options, backend=REFERENCE)
    expected = np.full_like(y, np.nan)
    for (oh, ow), patch in windows(case, x, 0):
        expected[:, oh, ow] = np.einsum("nijc,ijcf->nf", patch, w) + b
    same(y, expected)


@defined
@given(case=convolutions())
def test_im2col_copies_every_window_into_one_row(case: Case) -> None:
    (x,) = case.normal(case.x_shape)
    cols = kernels.im2col(x, case.kernel, **case.options, backend=REFERENCE)
    taps = case.kernel[0] * case.kernel[1] * case.x_shape[3]
    patches = [patch.reshape(len(x), taps) for _, patch in windows(case, x, 0)]
    same(cols, np.stack(patches, axis=1).reshape(len(x) * len(patches), taps))


@defined
@given(case=convolutions())
def test_col2im_is_the_adjoint_of_im2col(case: Case) -> None:
    (x,) = case.whole(case.x_shape)
    cols = kernels.im2col(x, case.kernel, **case.options, backend=REFERENCE)
    (c,) = case._replace(seed=case.seed + 1).whole(cols.shape)
    back = kernels.col2im(c, case.x_shape, case.kernel, **case.options, backend=REFERENCE)
    assert back.shape == case.x_shape
    assert back.dtype == x.dtype
    assert np.vdot(cols, c) == np.vdot(x, back)


@defined
@given(case=convolutions())
def test_conv2d_backward_is_the_adjoint_of_conv2d_in_x_and_in_w_and_in_b(
    case: Case,
) -> None:
    x, w, b = case.whole(case.x_shape, case.w_shape, (case.F,))
    y = kernels.conv2d(x, w, **case.options, backend=REFERENCE)
    (dy,) = case._replace(seed=case.seed + 1).whole(y.shape)
    dx, dw, db = kernels.conv2d_backward(dy, x, w, **case.options, backend=REFERENCE)
    assert dx is not None
    assert np.vdot(y, dy) == np.vdot(x, dx) == np.vdot(w, dw)
    assert np.vdot(np.broadcast_to(b, y.shape), dy) == np.vdot(b, db)
    assert (dx.shape, dw.shape, db.shape) == (x.shape, w.shape, b.shape)
    assert dx.dtype == dw.dtype == db.dtype == x.dtype


@defined
@given(case=poolings())
def test_max_pool2d_is_the_maximum_and_argmax_its_place_under_the_window(
    case: Case,
) -> None:
    (x,) = case.whole(case.x_shape)
    y, argmax = kernels.max_pool2d(x, case.kernel, **case.options, backend=REFERENCE)
    expected, places = np.full_like(y, np.nan), np.full_like(argmax, -1)
    for (oh, ow), patch in windows(case, x, -np.inf):
        taps = patch.reshape(len(x), case.kernel[0] * case.kernel[1], x.shape[3])
        expected[:, oh, ow], places[:, oh, ow] = taps.max(axis=1), taps.argmax(axis=1)
    same(y, expected)
    same(argmax, places)
    assert argmax.dtype == np.int32


@defined
@given(case=poolings())
def test_max_pool2d_backward_is_the_adjoint_of_picking_the_maxima(
    case: Case,
) -> None:
    (x,) = case.whole(case.x_shape)
    y, argmax = kernels.max_pool2d(x, case.kernel, **case.options, backend=REFERENCE)
    (dy,) = case._replace(seed=case.seed + 1).whole(y.shape)
    dx = kernels.max_pool2d_backward(
        dy, argmax, x.shape, case.kernel, **case.options, backend=REFERENCE
    )
    assert dx.shape == x.shape
    assert dx.dtype == x.dtype
    assert np.vdot(y, dy) == np.vdot(x, dx)
    assert dx.sum() == dy.sum()


@defined
@given(case=poolings())
def test_avg_pool2d_is_the_mean_of_the_pixels_inside_the_image(case: Case) -> None:
    (x,) = case.normal(case.x_shape)
    y = kernels.avg_pool2d(x, case.kernel, **case.options, backend=REFERENCE)
    expected = np.full_like(y, np.nan)
    inside = dict(windows(case, np.ones_like(x), 0))
    for (oh, ow), patch in windows(case, x, 0):
        if len(x):
            expected[:, oh, ow] = patch.sum(axis=(1, 2)) / inside[oh, ow][0, :, :, 0].sum()
    close(y, expected)


@defined
@given(case=poolings())
def test_avg_pool2d_backward_is_the_adjoint_of_avg_pool2d(case: Case) -> None:
    case = case._replace(dtype=np.float64)
    (x,) = case.whole(case.x_shape)
    y = kernels.avg_pool2d(x, case.kernel, **case.options, backend=REFERENCE)
    (dy,) = case._replace(seed=case.seed + 1).whole(y.shape)
    dx = kernels.avg_pool2d_backward(dy, x.shape, case.kernel, **case.options, backend=REFERENCE)
    assert dx.shape == x.shape
    np.testing.assert_allclose(np.vdot(x, dx), np.vdot(y, dy), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(dx.sum(), dy.sum(), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("N", [1, 35])
def test_convolutions_of_more_than_a_megabyte_of_patches_are_right(
    fast: str, N: int, rng: np.random.Generator
) -> None:
    # the patch matrix is built a block of images at a time; here one image fills a block
    x, w = (rng.integers(-6, 7, s).astype(np.float64) for s in ((N, 40, 41, 8), (3, 3, 8, 2)))
    b, dy = rng.integers(-6, 7, 2) * 1.0, rng.integers(-6, 7, (N, 38, 39, 2)) * 1.0
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2)).reshape(-1, 8 * 9)
    rows, matrix = dy.reshape(-1, 2), w.transpose(2, 0, 1, 3).reshape(-1, 2)
    assert 2 * patches.nbytes / N > 2**20
    same(kernels.conv2d(x, w, b, backend=fast), (patches @ matrix + b).reshape(dy.shape))
    dx, dw, db = kernels.conv2d_backward(dy, x, w, backend=fast)
    same(dw, (patches.T @ rows).reshape(8, 3, 3, 2).transpose(1, 2, 0, 3))
    same(db, rows.sum(axis=0))
    assert dx is not None
    assert np.vdot(dx, x) == np.vdot(dw, w)
    dcols = rows @ w.reshape(-1, 2).T
    same(dx, kernels.col2im(dcols, x.shape, 3, backend=fast))
