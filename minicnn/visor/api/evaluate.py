"""The newest model's predictions for the test images.

GET /api/evaluation     accuracy, confusion matrix, classes
GET /api/search?true=4&predicted=9&only=wrong&low=0.5&high=1&order=most_confident&offset=0&limit=48
"""

from __future__ import annotations

import numpy as np
from starlette.requests import Request
from starlette.routing import Route

from ... import runs
from ...metrics import wilson
from ...runs import Evaluation
from ...typing import Array
from ..answer import Answer
from ..requests import bad, optional, share, whole, word

MAX_IMAGES = 200  # in an answer
ORDERS = ("most_confident", "least_confident", "row")


def evaluation(request: Request) -> Answer:
    """Slow for a new model: it predicts all test images."""
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
            "loss": measured.loss,
            "class_names": part.class_names,
            "matrix": matrix,
            "classes": runs.by_class(matrix, part.class_names),
        }
    )


def search(request: Request) -> Answer:
    """The test images that match, a page of them; by the model that was evaluated last."""
    query = request.query_params
    loaded, part, measured = request.app.state.subject.evaluation(newest=False)
    last = len(part.class_names) - 1
    chosen = _matching(
        measured,
        optional(whole, None, query, "true", 0, last),
        optional(whole, None, query, "predicted", 0, last),
        optional(word, "all", query, "only", ("all", "right", "wrong")),
        optional(share, 0.0, query, "low"),
        optional(share, 1.0, query, "high"),
    )
    rows = _ordered(measured, chosen, optional(word, ORDERS[0], query, "order", ORDERS))
    offset = optional(whole, 0, query, "offset", 0, 10**8)
    limit = optional(whole, 48, query, "limit", 1, MAX_IMAGES)
    found = [_image(measured, int(row)) for row in rows[offset : offset + limit]]
    return Answer({"version": loaded.version, "total": len(rows), "offset": offset, "found": found})


def _matching(
    measured: Evaluation,
    true: int | None,
    predicted: int | None,
    only: str,
    low: float,
    high: float,
) -> Array:
    """The rows that match all conditions."""
    if low > high:
        raise bad(f"expected low <= high, received {low:g} and {high:g}")
    fits = np.ones(len(measured.true), bool)
    if true is not None:
        fits &= measured.true == true
    if predicted is not None:
        fits &= measured.predicted == predicted
    if only != "all":
        fits &= (measured.true == measured.predicted) == (only == "right")
    if low > 0 or high < 1:  # NaN matches no bounds
        fits &= (measured.confidence >= low) & (measured.confidence <= high)
    return np.flatnonzero(fits)


def _ordered(measured: Evaluation, rows: Array, order: str) -> Array:
    if order == "row":
        return rows
    key = np.nan_to_num(measured.confidence[rows], nan=-1.0)
    return rows[np.argsort(-key if order == "most_confident" else key, kind="stable")]


def _image(measured: Evaluation, row: int) -> dict[str, object]:
    true, predicted = int(measured.true[row]), int(measured.predicted[row])
    probability = round(float(measured.probabilities[row, predicted]), 4)
    return {"row": row, "true": true, "predicted": predicted, "probability": probability}


ROUTES = [Route("/evaluation", evaluation), Route("/search", search)]
