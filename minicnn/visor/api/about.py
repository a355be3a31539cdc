"""GET /api/about: what the page is about."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from ... import runs
from ...report.render import known
from ...runs import Record
from ...version import __version__
from ..answer import Answer
from ..subject import Subject


def about(request: Request) -> Answer:
    """The run or model, whether there is a model yet, and whether the run can be told to stop."""
    subject: Subject = request.app.state.subject
    record = subject.record()
    command = "" if record is None else str(record.content.get("command", ""))
    return Answer(
        {
            "name": subject.name,
            "folder": str(subject.where),
            "kind": "model" if record is None else "run",
            "status": None if record is None else record.status,
            "command": None if record is None else command,
            "accuracy": None if record is None else _result(record, "test_accuracy"),
            "images_per_second": None if record is None else _result(record, "images_per_second"),
            "controls": subject.command is not None,
            "model": _model(subject),
            "version": __version__,
        }
    )


def _model(subject: Subject) -> dict[str, Any] | None:
    try:
        loaded = subject.loaded()
    except HTTPException:
        return None
    model = loaded.model
    return {
        "version": loaded.version,
        "file": loaded.path.name,
        "name": model.name,
        "shape": loaded.shape,
        "class_names": loaded.class_names,
        "preparation": loaded.model.preparation,
        "parameters": model.num_params,
        "finished": loaded.path.name == runs.MODEL,
    }


def _result(record: Record, name: str) -> float | None:
    """None where the run has not come to it."""
    results: Any = record.results
    result = results.get(name) if isinstance(results, dict) else None
    return result if known(result) else None


ROUTES = [Route("/about", about)]
