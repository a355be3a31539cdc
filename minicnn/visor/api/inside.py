"""What happens inside the network for one image.

POST /api/inside: the output of every layer, and the gradient of the loss with respect to it.
POST /api/inside/pixel: how one number of an output is computed.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from ...errors import ModelError
from ...explain import trace
from ...explain.trace import Pass, Trace
from ...layers import Weighted
from ...runs.classifier import check_finite
from ...typing import Array
from ..answer import Answer
from ..requests import bad, optional, pixels, read_object, whole
from ..subject import Loaded, Subject


async def inside(request: Request) -> Answer:
    """{"pixels": H·W numbers, "class": k or null} → all layers. The loss is -log p[class], by
    default of the predicted class."""
    body = await read_object(request)
    return await run_in_threadpool(lambda: Answer(_layers(*_trace(request, body))))


async def pixel(request: Request) -> Answer:
    """The same with {"layer": l, "row", "column", "channel"} (or "unit") → that trace.Number."""
    body = await read_object(request)
    return await run_in_threadpool(lambda: Answer(_number(*_trace(request, body), body)))


def _trace(request: Request, body: Mapping[str, object]) -> tuple[Loaded, Trace]:
    subject: Subject = request.app.state.subject
    loaded = subject.loaded()
    model = loaded.model
    assert model.input_shape is not None
    H, W, _ = model.input_shape
    image = pixels(body.get("pixels"), (H, W)).reshape(H, W, 1)
    target = optional(whole, None, body, "class", 0, model.output_shape[0] - 1)
    with np.errstate(all="ignore"):  # check_finite() reports a network that diverged
        found = trace.run(model, image, target)
    try:
        check_finite(found.probabilities)
    except ModelError as error:
        raise bad(str(error), 409) from error
    return loaded, found


def _layers(loaded: Loaded, found: Trace) -> dict[str, object]:
    return {
        "version": loaded.version,
        "probabilities": found.probabilities,
        "predicted": found.predicted,
        "target": found.target,
        "loss": found.loss,
        "gradient": _encode(found.passes[0].dx),
        "layers": [_layer(index, done) for index, done in enumerate(found.passes)],
    }


def _layer(index: int, done: Pass) -> dict[str, object]:
    """Arrays as base64 of float32, row by row. `gradient` is ∂L/∂y; at the final softmax it is that
    of its input ("gradient_of" is then "z")."""
    layer, win = done.layer, done.window
    last = done.dx if done.dz is None else done.dz
    is_conv = isinstance(layer, Weighted) and done.y.ndim == 3
    w, dw = (layer.params["w"], done.dw) if is_conv else (None, None)
    activation = layer.nonlinearity if isinstance(layer, Weighted) else None
    return {
        "index": index,
        "label": layer.label,
        "kind": type(layer).__name__,
        "shape": done.y.shape,
        "input_shape": done.x.shape,
        "activation": None if activation is None else type(activation).__name__,
        "window": None if win is None else win._asdict(),
        "maps": _encode(done.y),
        "gradient": _encode(last if done.dy is None else done.dy),
        "gradient_of": "z" if done.dy is None else "y",
        "z": _encode(done.z),
        "z_gradient": _encode(None if done.z is None else done.dz),
        "weights": _encode(w),
        "weights_gradient": _encode(dw),
        "weights_shape": None if w is None else w.shape,
    }


def _number(loaded: Loaded, found: Trace, body: Mapping[str, object]) -> dict[str, object]:
    layer = whole(body, "layer", 0, len(found.passes) - 1)
    shape = found.passes[layer].y.shape
    place: tuple[int, ...]
    if len(shape) == 3 and body.get("unit") is None:
        names = ("row", "column", "channel")
        sizes = zip(names, shape, strict=True)
        place = tuple(whole(body, name, 0, size - 1) for name, size in sizes)
    else:
        place = (whole(body, "unit", 0, math.prod(shape) - 1),)
    number = trace.look(found, layer, place)
    return {**vars(number), "version": loaded.version, "target": found.target}


def _encode(array: Array | None) -> str | None:
    """base64 of little-endian float32."""
    if array is None:
        return None
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")


ROUTES = [
    Route("/inside", inside, methods=["POST"]),
    Route("/inside/pixel", pixel, methods=["POST"]),
]
