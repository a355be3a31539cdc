"""GET /api/about: the run or model that the page shows."""

from __future__ import annotations

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
    """The run or model, the newest model if there is one, and whether the run can be controlled."""
    subject: Subject = request.app.state.subject
    record = subject.record()
    return Answer(
        {
            "name": subject.name,
            "folder": str(subject.where),
            "kind": "model" if record is None else "run",
            "status": None if record is None else record.status,
            "command": None if record is None else str(record.content.get("command", "")),
            "accuracy": _result(record, "test_accuracy"),
            "images_per_second": _result(record, "images_per_second"),
            "controls": subject.command is not None,
            "model": _model(subject),
            "version": __version__,
        }
    )


def _model(subject: Subject) -> dict[str, object] | None:
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
        "preparation": model.preparation,
        "parameters": model.num_params,
        "finished": loaded.path.name == runs.MODEL,
    }


def _result(record: Record | None, name: str) -> object:
    """None if the run has no such result yet."""
    results = None if record is None else record.results
    result = results.get(name) if isinstance(results, dict) else None
    return result if known(result) else None


ROUTES = [Route("/about", about)]
