"""Public functions: dense layers. Common arguments and errors: see the package's docstring."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..typing import Array, Shape
from . import choose
from .backend import current_backend, engine, module
from .batch_pieces import pieces, run
from .checks import check_array, check_backward, check_same_dtype, check_shape


def dense(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    relu: bool = False,
    algorithm: str | None = None,
    backend: str | None = None,
) -> Array:
    """y = x · w + b.

    Args:
        x: (N, D).
        w: (D, U).
        b: (U,) or None.
        relu: give max(y, 0) instead (a NaN stays).
        algorithm: "tile" or "blas"; None: by the rule of choose.py.

    Returns:
        y: (N, U).
    """
    x, w = check_array("x", x, 2), check_shape("w", check_array("w", w, 2), (x.shape[1], None))
    b = None if b is None else check_shape("b", check_array("b", b, 1), w.shape[1:])
    check_same_dtype(x=x, w=w, b=b)
    if _is_tiled(algorithm, backend, w.shape):
        return engine().Dense(len(x), w.shape, relu, x.dtype).forward(x, w, b)
    y = np.empty((len(x), w.shape[1]), x.dtype)
    compute = module(backend).dense
    run([partial(compute, x[p], w, b, y[p]) for p in pieces(len(x))])
    return np.maximum(y, 0, out=y) if relu else y


def dense_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    need_dx: bool = True,
    algorithm: str | None = None,
    backend: str | None = None,
) -> tuple[Array | None, Array, Array]:
    """The gradients of dense: dx = dy · wᵀ, dw = xᵀ · dy, db = Σ dy.

    dx is cut into pieces by images, dw by input features: each number of dw is then one sum over
    the batch, without partial sums.

    Args:
        dy: (N, U), the gradient of y.
        x, w, algorithm: as given to dense.

    Returns:
        dx: (N, D) or None; dw: (D, U); db: (U,).
    """
    x, w = check_array("x", x, 2), check_shape("w", check_array("w", w, 2), (x.shape[1], None))
    dy = check_backward(dy, (len(x), w.shape[1]))
    check_same_dtype(dy=dy, x=x, w=w)
    if _is_tiled(algorithm, backend, w.shape):
        return engine().Dense(len(x), w.shape, False, x.dtype).backward(dy, x, w, need_dx)
    dx = np.empty_like(x) if need_dx else None
    dw, db = np.empty_like(w), np.empty(w.shape[1:], w.dtype)
    compute = module(backend).dense_backward
    tasks = [partial(compute, dy, x[:, p], w[p], None, dw[p], None) for p in pieces(len(w), 64)]
    if dx is not None:
        tasks += [partial(compute, dy[p], x[p], w, dx[p], None, None) for p in pieces(len(x))]
    tasks += [partial(compute, dy, x, w, None, None, db)]
    run(tasks)
    return dx, dw, db


def _is_tiled(algorithm: str | None, backend: str | None, w_shape: Shape) -> bool:
    """Whether the engine computes it; without Numba there is nothing to choose."""
    if algorithm is None and (backend or current_backend()) != "numba":
        return False
    return choose.dense(algorithm, backend, w_shape) == "tile"
