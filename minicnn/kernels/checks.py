"""Checks of the public functions' arguments; the kernels themselves check nothing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..typing import Array, Shape
from .window import IntOrPair, Padding, Window, make_window, pool_window

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def check_array(name: str, value: ArrayLike, ndim: int) -> Array:
    """`value` as a C-contiguous float array with `ndim` axes.

    Raises:
        TypeError: neither float32 nor float64.
        ValueError: another number of axes, or images without pixels or channels (a batch may be
            empty).
    """
    array = np.asarray(value)
    if array.dtype not in DTYPES:
        raise TypeError(
            f"expected {name} as float32 or float64, received {array.dtype}; "
            f"convert it: {name}.astype(np.float32)"
        )
    if array.ndim != ndim:
        raise ValueError(
            f"expected {name} with {ndim} axes, received {array.ndim} (shape {array.shape})"
        )
    if ndim == 4 and 0 in array.shape[1:]:
        raise ValueError(f"expected no empty axis in {name} but the first, received {array.shape}")
    return np.ascontiguousarray(array)


def check_shape(name: str, array: Array, shape: tuple[int | None, ...]) -> Array:
    """`array`, if its shape is `shape` (None: any size); else ValueError."""
    fits = len(shape) == array.ndim and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"expected {name} of shape ({wanted}), received {array.shape}")
    return array


def check_backward(dy: ArrayLike, shape: tuple[int, ...]) -> Array:
    """dy as a contiguous float array of exactly the forward output's shape."""
    return check_shape("dy", check_array("dy", dy, len(shape)), shape)


def check_argmax(argmax: ArrayLike, shape: tuple[int, ...], taps: int) -> Array:
    """argmax as contiguous int32 of `shape`, each of the window's taps 0…taps-1.

    Raises:
        TypeError: not whole numbers.
        ValueError: another shape, or a number out of range.
    """
    array = check_shape("argmax", np.asarray(argmax), shape)
    if array.dtype.kind not in "iu":
        raise TypeError(f"expected argmax of whole numbers, received {array.dtype}")
    if array.size and not 0 <= array.min() <= array.max() < taps:
        raise ValueError(
            f"expected argmax in 0…{taps - 1} for a window of {taps} pixels, "
            f"received {array.min()}…{array.max()}"
        )
    return np.ascontiguousarray(array, np.int32)


def check_same_dtype(**arrays: Array | None) -> None:
    """Check that all given arrays have one dtype.

    Raises:
        TypeError: they differ; the message lists each.
    """
    present = {name: array.dtype for name, array in arrays.items() if array is not None}
    if len(set(present.values())) > 1:
        listed = ", ".join(f"{name} {dtype}" for name, dtype in present.items())
        raise TypeError(f"expected arrays of one dtype, received {listed}")


def check_byte_argmax(argmax: ArrayLike, shape: tuple[int, ...]) -> Array:
    """argmax as contiguous uint8 of `shape`; a number that is no tap means: no gradient.

    Raises:
        TypeError: not uint8.
        ValueError: another shape.
    """
    array = check_shape("argmax", np.asarray(argmax), shape)
    if array.dtype != np.uint8:
        raise TypeError(f"expected argmax as uint8, received {array.dtype}")
    return np.ascontiguousarray(array)


def conv_window(
    image: Shape, w_shape: Shape, stride: IntOrPair, padding: Padding, dilation: IntOrPair
) -> Window:
    """The window of filters (KH, KW, C, F) over images (H, W, C).

    Raises:
        ValueError: the channels differ, or the filters do not fit.
    """
    (H, W, C), (KH, KW, channels, _) = image, w_shape
    if channels != C:
        raise ValueError(
            f"expected w (KH, KW, {C}, F) for x with {C} channels, received w {w_shape}"
        )
    return window_over(H, W, (KH, KW), stride, padding, dilation)


def window_over(
    H: int, W: int, kernel: IntOrPair, stride: IntOrPair, padding: Padding, dilation: IntOrPair
) -> Window:
    """make_window, cached: every batch has the same geometry."""
    try:
        return _window(H, W, kernel, stride, padding, dilation)
    except TypeError:  # unhashable, such as a list; or a wrong type, which this call reports
        return make_window(H, W, kernel, stride, padding, dilation)


def pool_window_over(
    H: int, W: int, size: IntOrPair, stride: IntOrPair | None, padding: Padding
) -> Window:
    """pool_window, cached."""
    try:
        return _pool_window(H, W, size, stride, padding)
    except TypeError:
        return pool_window(H, W, size, stride, padding)


_window = lru_cache(typed=True)(make_window)
_pool_window = lru_cache(typed=True)(pool_window)


def image_batch(x_shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x_shape, if it is (N, H, W, C) with H, W, C >= 1; else ValueError."""
    if len(x_shape) != 4 or min(x_shape[1:]) < 1 or x_shape[0] < 0:
        raise ValueError(f"expected x_shape as (N, H, W, C), received {x_shape!r}")
    return x_shape[0], x_shape[1], x_shape[2], x_shape[3]
