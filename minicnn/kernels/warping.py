"""Public functions: resampled images. Common arguments and errors: see the package's docstring."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from ..typing import Array, DType
from . import numpy_warp, reference_warp
from .backend import current_backend, engine, module
from .batch_pieces import pieces, run
from .checks import check_array, check_same_dtype, check_shape

KNOTS = 4  # at least, along each axis: a cubic spline blends four at a time


def warp(
    x: Array,
    matrices: Array,
    displacement: Array | None = None,
    *,
    backend: str | None = None,
) -> Array:
    """Resample each image at other places: shifted, rotated, scaled, distorted.

    y[n, i, j] = x[n] at (u, v), bilinear, where, in pixels from the image's centre,

        (u, v) = matrices[n] · (i, j, 1) + Σ_ab B_a(i) · B_b(j) · displacement[n, a, b]

    and B are the uniform cubic B-splines over GH and GW knots: a smooth field that bends as
    strongly near the edges as in the middle. Outside of an image is zero. Bilinear weights are
    (1-f)·left + f·right along both axes; a pixel of weight 0 is not read, so that [[1, 0, 0],
    [0, 1, 0]] gives x itself, to the bit, and whole pixels of shift move it exactly. A NaN reaches
    what reads it, and nothing else. All backends agree to the bit.

    Source: Ronneberger, Fischer, Brox, "U-Net" (2015), section 3.1, for random displacements on a
    coarse grid; Simard, Steinkraus, Platt, "Best Practices for Convolutional Neural Networks
    Applied to Visual Document Analysis" (2003), section 2, for elastic distortions of digits.

    Args:
        x: (N, H, W, C).
        matrices: (N, 2, 3), finite: where in x each pixel of y is read, the last column in pixels.
        displacement: (N, GH, GW, 2), finite, GH and GW >= 4: how many pixels further down and
            to the right, at knots laid over the image; None: nowhere.

    Returns:
        y: (N, H, W, C).
    """
    x = check_array("x", x, 4)
    N = len(x)
    matrices = check_shape("matrices", check_array("matrices", matrices, 3), (N, 2, 3))
    if displacement is None:
        field = np.empty((N, 0, 0, 2), x.dtype)
    else:
        field = check_array("displacement", displacement, 4)
        check_shape("displacement", field, (N, None, None, 2))
        if min(field.shape[1:3]) < KNOTS:
            raise ValueError(
                f"expected displacement with at least {KNOTS}×{KNOTS} knots, received {field.shape}"
            )
    check_same_dtype(x=x, matrices=matrices, displacement=field)
    for name, array in (("matrices", matrices), ("displacement", field)):
        if not np.isfinite(array).all():
            raise ValueError(f"expected finite numbers in {name}, received NaN or infinity")
    rows, columns = (splines(x.shape[k], field.shape[k], x.dtype) for k in (1, 2))
    y, name = np.empty_like(x), backend or current_backend()
    module(name)  # raises an error for an unknown name
    if name == "numba":
        engine().warp(x, matrices, rows, columns, field, y)
        return y
    warp = reference_warp.warp if name == "reference" else numpy_warp.warp
    run([partial(warp, x[p], matrices[p], rows, columns, field[p], y[p]) for p in pieces(N)])
    return y


@cache
def splines(size: int, knots: int, dtype: DType) -> Array:
    """(size, knots): the weight of each knot at each pixel; a row's weights add up to 1.

    The first pixel lies on knot 1, the last on knot knots-2, and at f = 0…1 beyond knot k

        B = ((1-f)³, 3f³ - 6f² + 4, -3f³ + 3f² + 3f + 1, f³) / 6    for the knots k-1 … k+2.

    Source: de Boor, "A Practical Guide to Splines" (1978), chapter IX, for equal distances.
    """
    weights = np.zeros((size, knots))
    if knots:
        places = np.linspace(0, knots - 3, size) if size > 1 else np.array([(knots - 3) / 2])
        first = np.minimum(places.astype(int), knots - 4)
        f = places - first
        basis = (1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3
        for step, weight in enumerate(basis):
            weights[np.arange(size), first + step] = weight / 6
    weights = weights.astype(dtype)
    weights.flags.writeable = False  # it is cached, and returned again
    return weights
