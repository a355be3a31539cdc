"""All competitors that compute a convolution, forward and backward, on the same arrays.

"minicnn" without an algorithm is what its layers run in training: the algorithm that choose.py
selects, prepared once (kernels/prepared.py), with memory that is reused from call to call. A named
algorithm is called through the public kernel functions, and its results are new arrays.

A part of the work ("forward", "dw, db", "backward", "total") is a function without arguments.
`arrays` converts its result to minicnn's layout, so that results can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minicnn import kernels
from minicnn.kernels import prepared
from minicnn.typing import Array

from . import frameworks
from .agreement import exact_random
from .shapes import ConvShape

PARTS = ("forward", "dw, db", "backward", "total")


Results = tuple[Any, ...]  # arrays of NumPy or tensors of PyTorch; None for a dx that is not needed


class Problem(NamedTuple):
    """The arrays of a convolution; with `pooled`, ReLU and 2×2 max-pooling follow it."""

    shape: ConvShape
    pooled: bool
    x: Array
    w: Array
    b: Array
    dy: Array  # gradient by the last output


class Competitor(NamedTuple):
    """The parts of the work, and how to read their results as {"y": …, "dx": …, …}."""

    parts: dict[str, Callable[[], Any]]
    arrays: Callable[[str, Any], dict[str, Array]]


def problem(shape: ConvShape, pooled: bool = False) -> Problem:
    """Arrays of that shape, with numbers whose sums are exact."""
    rng = np.random.default_rng(0)
    dy = shape.pooled if pooled else shape.y
    x, w, b, dy_ = (exact_random(rng, s) for s in (shape.x, shape.w, shape.w[3:], dy))
    return Problem(shape, pooled, x, w, b, dy_)


def competitors(p: Problem, reference: bool = False) -> dict[str, Competitor]:
    """All that are installed; first the NumPy kernels, with which the others are compared."""
    found = {"minicnn numpy": by_minicnn(p, backend="numpy")}
    if reference:
        found["minicnn reference"] = by_minicnn(p, backend="reference")
    if "numba" in kernels.available_backends():
        for algorithm in ("im2col", "implicit"):
            name = f"minicnn {algorithm}, separate" if p.pooled else f"minicnn {algorithm}"
            found[name] = by_minicnn(p, backend="numba", algorithm=algorithm)
        found["minicnn"] = as_layers(p) or by_minicnn(p, backend="numba")
    if frameworks.torch() is not None:
        found["PyTorch NCHW"] = pytorch(p, channels_last=False)
        found["PyTorch channels-last"] = pytorch(p, channels_last=True)
    return found


def by_minicnn(p: Problem, **choice: Any) -> Competitor:
    """minicnn with one algorithm; ReLU and pooling, if any, as separate steps."""
    pool = {k: v for k, v in choice.items() if k == "backend"}
    options = {"stride": p.shape.stride, "padding": p.shape.pad, **choice}

    def forward() -> Results:
        y = kernels.conv2d(p.x, p.w, p.b, relu=p.pooled, **options)
        return (*kernels.max_pool2d(y, 2, **pool), y) if p.pooled else (y,)

    def backward(kept: Results, need_dx: bool = True) -> Results:
        dy = p.dy
        if p.pooled:
            _, argmax, y = kept
            dy = kernels.max_pool2d_backward(dy, argmax, y.shape, 2, **pool)
            dy = kernels.relu_backward(dy, y, **pool)
        return kernels.conv2d_backward(dy, p.x, p.w, need_dx=need_dx, **options)

    return Competitor(_parts(forward, backward), _plain)


def prepared_operation(p: Problem) -> Any | None:
    """What a Conv2D layer runs in training, or (pooled) Conv2D, ReLU and MaxPool2D fused; None if
    the chosen algorithm needs no preparation."""
    options: dict[str, Any] = {"stride": p.shape.stride, "padding": p.shape.pad}
    shapes = p.shape.x, p.shape.w
    with kernels.use_backend("numba"):
        if p.pooled:
            return prepared.conv2d_relu_pool(*shapes, (2, 2), p.x.dtype, **options)
        return prepared.conv2d(*shapes, p.x.dtype, **options)


def as_layers(p: Problem) -> Competitor | None:
    """That operation, if there is one."""
    operation = prepared_operation(p)
    if operation is None:
        return None

    def forward() -> Results:
        return (operation.forward(p.x, p.w, p.b),)

    def backward(_: Results, need_dx: bool = True) -> Results:
        return operation.backward(p.dy, p.x, p.w, need_dx)

    return Competitor(_parts(forward, backward), _plain)


def pytorch(p: Problem, channels_last: bool) -> Competitor:
    """PyTorch's operators and their automatic gradients."""
    torch = frameworks.torch()
    assert torch is not None
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def tensor(array: Array, *axes: int) -> Any:
        moved = torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))
        return moved.contiguous(memory_format=layout)

    x, w, dy = tensor(p.x, 0, 3, 1, 2), tensor(p.w, 3, 2, 0, 1), tensor(p.dy, 0, 3, 1, 2)
    b = torch.from_numpy(p.b.copy())
    inputs = [t.requires_grad_() for t in (x, w, b)]
    F = torch.nn.functional

    def graph() -> Results:
        y = torch.conv2d(x, w, b, stride=p.shape.stride, padding=p.shape.pad)
        return (F.max_pool2d(torch.relu(y), 2) if p.pooled else y,)

    def forward() -> Results:
        with torch.inference_mode():
            return graph()

    def backward(kept: Results, need_dx: bool = True, keep: bool = True) -> Results:
        wanted = inputs if need_dx else inputs[1:]
        found = torch.autograd.grad(kept[0], wanted, dy, retain_graph=keep)
        return found if need_dx else (None, *found)

    def total() -> Results:
        y = graph()
        return (*y, *backward(y, keep=False))

    def plain(part: str, result: Any) -> dict[str, Array]:
        def back(t: Any) -> Any:
            return None if t is None else t.detach().numpy()

        names = _names(part)
        found = {n: back(t) for n, t in zip(names, result[: len(names)], strict=True)}
        for name, axes in (("y", (0, 2, 3, 1)), ("dx", (0, 2, 3, 1)), ("dw", (2, 3, 1, 0))):
            if found.get(name) is not None:
                found[name] = found[name].transpose(axes)
        return {name: array for name, array in found.items() if array is not None}

    return Competitor(_parts(graph, backward) | {"forward": forward, "total": total}, plain)


def _parts(
    forward: Callable[[], Results], backward: Callable[..., Results]
) -> dict[str, Callable[[], Any]]:
    """The parts of the work; a backward part runs forward once, at its first call."""
    kept: list[Results] = []

    def alone(need_dx: bool) -> Results:
        if not kept:
            kept.append(forward())
        return backward(kept[0], need_dx=need_dx)

    def total() -> Results:
        result = forward()
        return (result[0], *backward(result))

    return {
        "forward": forward,
        "dw, db": partial(alone, False),
        "backward": partial(alone, True),
        "total": total,
    }


def _names(part: str) -> list[str]:
    return {"forward": ["y"], "total": ["y", "dx", "dw", "db"]}.get(part, ["dx", "dw", "db"])


def _plain(part: str, result: Any) -> dict[str, Array]:
    names = _names(part)
    found = dict(zip(names, result[: len(names)], strict=True))
    return {name: array for name, array in found.items() if array is not None}
