"""The doorway to dense layers. Common arguments and errors: see the package's docstring."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..typing import Array
from . import choose
from .backend import engine, module
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
    if choose.dense(algorithm, backend, w.shape) == "tile":
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

    dx is cut by images, dw by input features: each of its numbers is one sum over the batch,
    so no partial sums need adding.

    Args:
        dy: (N, U), the gradient by y.
        x, w, algorithm: as given to dense.

    Returns:
        dx: (N, D) or None; dw: (D, U); db: (U,).
    """
    x, w = check_array("x", x, 2), check_shape("w", check_array("w", w, 2), (x.shape[1], None))
    dy = check_backward(dy, (len(x), w.shape[1]))
    check_same_dtype(dy=dy, x=x, w=w)
    if choose.dense(algorithm, backend, w.shape) == "tile":
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
