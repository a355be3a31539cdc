"""The server's answers: JSON."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from starlette.responses import JSONResponse

from ..strict_json import to_json


class Answer(JSONResponse):
    """JSON in UTF-8 of values, arrays and dataclasses; NaN and infinity become null.

    "?" stands for characters that are not Unicode, as in some file names.
    """

    def render(self, content: object) -> bytes:
        return to_json(_plain(content)).encode(errors="replace")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        values = value.tolist()
        return values if value.dtype == bool or np.isfinite(value).all() else _plain(values)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
