"""What the newest model says of the test images.

GET /api/evaluation     accuracy, confusion matrix, classes
GET /api/search?true=4&predicted=9&only=wrong&low=0.5&high=1&order=surest&offset=0&limit=48
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.routing import Route

from ... import runs
from ...metrics import wilson
from ...report.render import known
from ...runs import Evaluation
from ...typing import Array
from ..answer import Answer
from ..requests import bad, share, whole, word

MOST = 200  # images in an answer
ORDERS = ("surest", "unsure", "row")


def evaluation(request: Request) -> Answer:
    """Slow for a new model: all test images are run through it."""
    loaded, part, measured = request.app.state.subject.evaluation()
    matrix, count = measured.matrix, len(measured.true)
    low, high = wilson(count - len(measured.wrong), count)
    return Answer(
        {
            "version": loaded.version,
            "file": loaded.path.name,
            "images": count,
            "wrong": len(measured.wrong),
            "accuracy": measured.accuracy,
            "interval": [low, high],
            "loss": measured.loss if known(measured.loss) else None,
            "class_names": part.class_names,
            "matrix": matrix.tolist(),
            "classes": [asdict(row) for row in runs.by_class(matrix, part.class_names)],
        }
    )


def search(request: Request) -> Answer:
    """The test images that fit, a part of them at a time; by the model that was measured last."""
    query = request.query_params
    loaded, part, measured = request.app.state.subject.evaluation(newest=False)
    last = len(part.class_names) - 1
    chosen = _matching(
        measured,
        whole(query, "true", 0, last, None),
        whole(query, "predicted", 0, last, None),
        word(query, "only", ("all", "right", "wrong"), "all"),
        share(query, "low", 0.0),
        share(query, "high", 1.0),
    )
    rows = _ordered(measured, chosen, word(query, "order", ORDERS, "surest"))
    offset = whole(query, "offset", 0, 10**8, 0)
    limit = whole(query, "limit", 1, MOST, 48)
    found = [_told(measured, int(row)) for row in rows[offset : offset + limit]]
    return Answer({"version": loaded.version, "total": len(rows), "offset": offset, "found": found})


def _matching(
    measured: Evaluation,
    true: int | None,
    predicted: int | None,
    only: str,
    low: float,
    high: float,
) -> Array:
    """The rows that fit everything."""
    if low > high:
        raise bad(f"expected low <= high, received {low:g} and {high:g}")
    fits = np.ones(len(measured.true), bool)
    if true is not None:
        fits &= measured.true == true
    if predicted is not None:
        fits &= measured.predicted == predicted
    if only != "all":
        fits &= (measured.true == measured.predicted) == (only == "right")
    if low > 0 or high < 1:  # NaN is within no bounds
        sure = _sureness(measured)
        fits &= (sure >= low) & (sure <= high)
    return np.flatnonzero(fits)


def _ordered(measured: Evaluation, rows: Array, order: str) -> Array:
    if order == "row":
        return rows
    sure = np.nan_to_num(_sureness(measured)[rows], nan=-1.0)
    return rows[np.argsort(-sure if order == "surest" else sure, kind="stable")]


def _sureness(measured: Evaluation) -> Array:
    """(N,): the probability of the class that each is taken for."""
    return np.take_along_axis(measured.probabilities, measured.predicted[:, None], axis=1)[:, 0]


def _told(measured: Evaluation, row: int) -> dict[str, Any]:
    true, predicted = int(measured.true[row]), int(measured.predicted[row])
    return {
        "row": row,
        "true": true,
        "predicted": predicted,
        "probability": _number(measured.probabilities[row, predicted]),
    }


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


ROUTES = [Route("/evaluation", evaluation), Route("/search", search)]
