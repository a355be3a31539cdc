"""One unit of a dense layer: a sum over all inputs, with its largest terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...typing import Array
from .coordinates import Place, origin
from .passes import Pass, Trace

TERMS = 12


@dataclass(frozen=True)
class Term:
    """One product x · w of a unit's sum, and its share of the unit's gradient dz."""

    unit: int  # of the input
    origin: Place
    x: float
    w: float
    product: float
    dw: float  # dz · x: the whole gradient of this weight for one image
    dx_term: float  # dz · w; the other units of the layer add theirs
    dx: float  # the whole gradient of this input


@dataclass(frozen=True)
class DenseSum:
    """z = Σ x · w + bias."""

    terms: list[Term]  # the 12 with the largest |product|
    rest: float  # the sum of the others
    rest_count: int
    sum: float
    bias: float | None
    z: float  # as the kernels computed it
    origin_layer: int  # that computed the inputs; -1: the image
    products: Array  # (D,): all of them
    dz: float
    dw: Array  # (D,): the whole gradient of the unit's weights
    db: float | None


@dataclass(frozen=True)
class GradientTerm:
    """One term of Σ_u w[k, u] · dz_u: the gradient of input k through unit u."""

    unit: int
    w: float
    dz: float
    product: float


@dataclass(frozen=True)
class InputGradient:
    """∂L/∂x of one input of a dense layer: a sum over all its units."""

    layer: int  # the dense layer
    unit: int  # of its input
    terms: list[GradientTerm]  # the 12 with the largest |product|
    rest: float
    rest_count: int
    sum: float


def dense_sum(trace: Trace, layer: int, unit: int) -> DenseSum:
    """Unit `unit` of the Dense layer `layer`."""
    done = trace.passes[layer]
    assert done.dz is not None
    assert done.dw is not None
    w, bias, dz = done.layer.params["w"][:, unit], done.layer.params.get("b"), done.dz[unit]
    products = done.x.astype(np.float64) * w
    largest = _largest(products)
    terms = [
        Term(
            unit=k,
            origin=origin(trace, layer, k),
            x=float(done.x[k]),
            w=float(w[k]),
            product=float(products[k]),
            dw=float(done.dw[k, unit]),
            dx_term=float(w[k] * dz),
            dx=float(done.dx[k]),
        )
        for k in largest
    ]
    return DenseSum(
        terms=terms,
        rest=float(np.delete(products, largest).sum()),
        rest_count=len(products) - len(largest),
        sum=float(products.sum()),
        bias=None if bias is None else float(bias[unit]),
        z=float((done.y if done.z is None else done.z)[unit]),
        origin_layer=origin(trace, layer, 0).layer,
        products=products,
        dz=float(dz),
        dw=done.dw[:, unit],
        db=None if done.db is None else float(done.db[unit]),
    )


def input_gradient(done: Pass, layer: int, unit: int) -> InputGradient:
    """The gradient of input `unit` of the Dense layer `layer`."""
    assert done.dz is not None
    w = done.layer.params["w"][unit]
    products = done.dz.astype(np.float64) * w
    largest = _largest(products)
    return InputGradient(
        layer=layer,
        unit=unit,
        terms=[
            GradientTerm(u, float(w[u]), float(done.dz[u]), float(products[u])) for u in largest
        ],
        rest=float(np.delete(products, largest).sum()),
        rest_count=len(products) - len(largest),
        sum=float(products.sum()),
    )


def _largest(products: Array) -> list[int]:
    """The indices of the largest |products|, largest first; ties in index order."""
    return [int(k) for k in np.argsort(-np.abs(products), kind="stable")[:TERMS]]
