"""What happens inside the network for one image.

POST /api/inside: the output of every layer, and the gradient by it.
POST /api/inside/pixel: one number of one output, taken apart.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from typing import Any

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
from ..requests import bad, pixels, read_object, whole
from ..subject import Loaded, Subject


async def inside(request: Request) -> Answer:
    """{"pixels": H·W numbers, "class": k or null} → all layers. The loss is -log p[class]; without
    a class that of the predicted one."""
    body = await read_object(request)
    return await run_in_threadpool(lambda: Answer(_layers(*_trace(request, body))))


async def pixel(request: Request) -> Answer:
    """The same and {"layer": l, "row", "column", "channel"} (or "unit": of a vector) → the number
    there (trace.Number)."""
    body = await read_object(request)
    return await run_in_threadpool(lambda: Answer(_number(*_trace(request, body), body)))


def _trace(request: Request, body: dict[str, Any]) -> tuple[Loaded, Trace]:
    subject: Subject = request.app.state.subject
    loaded = subject.loaded()
    model = loaded.model
    assert model.input_shape is not None
    H, W, _ = model.input_shape
    image = pixels(body.get("pixels"), (H, W)).reshape(H, W, 1)
    target = whole(body, "class", 0, model.output_shape[0] - 1, None)
    with np.errstate(all="ignore"):  # a network that diverged is told below
        found = trace.run(model, image, target)
    try:
        check_finite(found.probabilities)
    except ModelError as error:
        raise bad(str(error), 409) from error
    return loaded, found


def _layers(loaded: Loaded, found: Trace) -> dict[str, Any]:
    return {
        "version": loaded.version,
        "probabilities": plain(found.probabilities),
        "predicted": found.predicted,
        "target": found.target,
        "loss": plain(found.loss),
        "gradient": packed(found.passes[0].dx),
        "layers": [_layer(index, done) for index, done in enumerate(found.passes)],
    }


def _layer(index: int, done: Pass) -> dict[str, Any]:
    """Arrays as base64 of float32, row by row; `before`: before the layer's activation. The
    gradient at the final softmax is that by what it is given (`by` is "z")."""
    layer, win = done.layer, done.window
    last = done.dx if done.dz is None else done.dz
    weighted = isinstance(layer, Weighted)
    w, dw = (layer.params["w"], done.dw) if weighted and done.y.ndim == 3 else (None, None)
    activation = layer.nonlinearity if isinstance(layer, Weighted) else None
    return {
        "index": index,
        "label": layer.label,
        "kind": type(layer).__name__,
        "shape": done.y.shape,
        "input_shape": done.x.shape,
        "activation": None if activation is None else type(activation).__name__,
        "window": None if win is None else win._asdict(),
        "maps": packed(done.y),
        "gradient": packed(last if done.dy is None else done.dy),
        "by": "z" if done.dy is None else "y",
        "before": None if done.z is None else packed(done.z),
        "before_gradient": None if done.z is None or done.dz is None else packed(done.dz),
        "weights": None if w is None else packed(w),
        "weights_gradient": None if dw is None else packed(dw),
        "weights_shape": None if w is None else w.shape,
    }


def _number(loaded: Loaded, found: Trace, body: dict[str, Any]) -> dict[str, Any]:
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
    return plain(number) | {"version": loaded.version, "target": found.target}


def packed(array: Array) -> str:
    """base64 of little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")


def plain(value: Any) -> Any:
    """Dataclasses and arrays as JSON has them; NaN and infinity are null there."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        values = value.tolist()
        return values if value.dtype == bool or np.isfinite(value).all() else plain(values)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


ROUTES = [
    Route("/inside", inside, methods=["POST"]),
    Route("/inside/pixel", pixel, methods=["POST"]),
]
